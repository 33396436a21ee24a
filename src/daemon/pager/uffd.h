/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * uffd.h - the calls on a consumer's userfaultfd, and what their errno means
 *
 * Knows nothing of publications. Called by the other files of pager/. Any thread; does not
 * allocate.
 */
#ifndef RM_UFFD_H
#define RM_UFFD_H

#include <stdbool.h>
#include <stdint.h>

enum uffd_how {
	UFFD_CONTINUE,          /* map the page that the file has */
	UFFD_COPY,              /* map a private copy of the page at from */
	UFFD_ZERO,              /* map zeros, without memory until the page is written */
	UFFD_POISON,            /* whoever touches the page gets SIGBUS; Linux 6.6 and later */
};

enum uffd_result {              /* what errno means; only uffd.c looks at errno */
	UFFD_DONE,
	UFFD_AGAIN,             /* a part was done, or nothing: call again for the rest */
	UFFD_THERE,             /* the first page is mapped already; nobody was woken */
	UFFD_NOT_MAPPED,        /* a part of the range is not registered (any more) */
	UFFD_NO_PAGE,           /* UFFD_CONTINUE: the file that is mapped lacks the page */
	UFFD_DEAD,              /* the process, or its address space, is gone */
	UFFD_FAILED,            /* anything else, for example no memory */
};

/*
 * Resolve [addr, addr + length) from its beginning on, and wake the threads that wait there.
 * *done is how many bytes were resolved, whatever the result. from is for UFFD_COPY.
 */
enum uffd_result uffd_resolve(int fd, enum uffd_how how, uint64_t addr, uint64_t length,
                              const void *from, uint64_t *done);
void uffd_wake(int fd, uint64_t addr, uint64_t length);
/* Wakes those who wait there, too; but see lazy_unregister(). 0 or -errno. */
int uffd_unregister(int fd, uint64_t addr, uint64_t length);
/* Does the address space live that was registered? Changes nothing. */
bool uffd_alive(int fd, uint64_t addr);

/* Read at most max fault addresses, rounded down to pages. Returns how many came; 0: none now. */
unsigned uffd_faults(int fd, uint64_t *addrs, unsigned max);

#endif
