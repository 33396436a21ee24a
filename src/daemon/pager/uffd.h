/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * uffd.h - the calls on a consumer's userfaultfd, and what their errno means
 *
 * Knows nothing of publications. Any thread; does not allocate.
 */
#ifndef RM_UFFD_H
#define RM_UFFD_H

#include <stdbool.h>
#include <stdint.h>

enum uffd_how {
	UFFD_CONTINUE,          /* map the page that the file has */
	UFFD_COPY,              /* give it a private page, a copy of from */
	UFFD_ZERO,              /* a page of zeros, without memory until it is written */
	UFFD_POISON,            /* SIGBUS for whoever touches it; not on every kernel */
};

enum uffd_result {              /* the one place where errno is sorted is uffd.c */
	UFFD_DONE,
	UFFD_AGAIN,             /* a part was done, or nothing: call again */
	UFFD_THERE,             /* the first page is mapped already; its waiters still wait */
	UFFD_NOT_MAPPED,        /* some of the range is not (any more) memory of this uffd */
	UFFD_NO_PAGE,           /* UFFD_CONTINUE: the file that is mapped has no such page */
	UFFD_DEAD,              /* the process, or its address space, is gone */
	UFFD_FAILED,
};

/* Resolve [addr, addr + length) and wake who waits there; *done: bytes that were resolved. */
enum uffd_result uffd_resolve(int fd, enum uffd_how how, uint64_t addr, uint64_t length,
                              const void *from, uint64_t *done);
void uffd_wake(int fd, uint64_t addr, uint64_t length);
void uffd_unregister(int fd, uint64_t addr, uint64_t length);   /* wakes, too */
/* Has the process still the address space that was registered? Changes nothing. */
bool uffd_alive(int fd, uint64_t addr);

/* Read fault addresses, at most max; how many came, 0: none now. */
unsigned uffd_faults(int fd, uint64_t *addrs, unsigned max);

#endif
