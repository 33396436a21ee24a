/* SPDX-License-Identifier: BSD-2-Clause */
/* uffd.c - see uffd.h. Any thread; does not allocate. */
#include <errno.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../../common/layout.h"
#include "uffd.h"

/* UFFDIO_POISON of Linux 6.6, which the headers of Debian 12 lack. */
struct poison {
	struct uffdio_range range;
	uint64_t mode;
	int64_t updated;
};
#define IOCTL_POISON _IOWR(UFFDIO, 0x08, struct poison)

#define MESSAGES 32

static enum uffd_result uffd_result_of(int error)
{
	switch (error) {
	case 0:
		return UFFD_DONE;
	case EAGAIN:
		return UFFD_AGAIN;
	case EEXIST:
		return UFFD_THERE;
	case ENOENT:
		return UFFD_NOT_MAPPED;
	case EFAULT:
		return UFFD_NO_PAGE;
	case ESRCH:
		return UFFD_DEAD;
	default:
		return UFFD_FAILED;
	}
}

enum uffd_result uffd_resolve(int fd, enum uffd_how how, uint64_t addr, uint64_t length,
                              const void *from, uint64_t *done)
{
	struct uffdio_range range = { .start = addr, .len = length };
	struct uffdio_continue cont = { .range = range };
	struct uffdio_zeropage zero = { .range = range };
	struct uffdio_copy copy = { .dst = addr, .src = (uintptr_t)from, .len = length };
	struct poison poison = { .range = range };
	int64_t bytes = 0;
	int failed = 0;

	switch (how) {
	case UFFD_CONTINUE:
		failed = ioctl(fd, UFFDIO_CONTINUE, &cont);
		bytes = cont.mapped;
		break;
	case UFFD_COPY:
		failed = ioctl(fd, UFFDIO_COPY, &copy);
		bytes = copy.copy;
		break;
	case UFFD_ZERO:
		failed = ioctl(fd, UFFDIO_ZEROPAGE, &zero);
		bytes = zero.zeropage;
		break;
	case UFFD_POISON:
		failed = ioctl(fd, IOCTL_POISON, &poison);
		bytes = poison.updated;
		break;
	}
	*done = bytes > 0 ? (uint64_t)bytes : 0;
	return uffd_result_of(failed ? errno : 0);
}

void uffd_wake(int fd, uint64_t addr, uint64_t length)
{
	struct uffdio_range range = { .start = addr, .len = length };

	ioctl(fd, UFFDIO_WAKE, &range);
}

int uffd_unregister(int fd, uint64_t addr, uint64_t length)
{
	struct uffdio_range range = { .start = addr, .len = length };

	return ioctl(fd, UFFDIO_UNREGISTER, &range) ? -errno : 0;
}

bool uffd_alive(int fd, uint64_t addr)
{
	/* The range is not registered for write-protection: ENOENT while the address space lives. */
	struct uffdio_writeprotect probe = { .range = { .start = addr, .len = RM_PAGE } };

	return !ioctl(fd, UFFDIO_WRITEPROTECT, &probe) || errno != ESRCH;
}

unsigned uffd_faults(int fd, uint64_t *addrs, unsigned max)
{
	struct uffd_msg messages[MESSAGES];
	unsigned want = max < MESSAGES ? max : MESSAGES, n = 0, i;
	ssize_t got = read(fd, messages, want * sizeof(*messages));

	for (i = 0; got > 0 && i < (size_t)got / sizeof(*messages); i++)
		if (messages[i].event == UFFD_EVENT_PAGEFAULT)
			addrs[n++] = rm_page_down(messages[i].arg.pagefault.address);
	return n;
}
