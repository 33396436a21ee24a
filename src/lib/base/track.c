/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * track.c - which pages were written since the last publish
 *
 * In a private mapping of a file, a page that was never written is still the file's, and a scan
 * tells. For pages that are the process's by now, the kernel has to note the next write. That is
 * asynchronous write-protection by userfaultfd (Linux 6.7). It needs no privilege, since no fault
 * is ever served: the kernel lifts the protection by itself. A range is registered only once it
 * has such pages, since reads of the file's pages in a registered range lose the kernel's
 * fault-around. Where this is not possible, every page that was written since the freeze counts
 * as changed.
 *
 * Under the lock of attach/attachments.c, which a publish holds, too. Does not allocate, except
 * single own pages.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "scan.h"

/* The build host's headers may be older. */
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#define FEATURE_WP UINT64_C(1)                  /* UFFD_FEATURE_PAGEFAULT_FLAG_WP */
#define FEATURE_WP_ASYNC (UINT64_C(1) << 15)

static struct fd_mark tracker = { .fd = -1 };   /* the userfaultfd; -1: none yet */
static bool impossible;                 /* the kernel refuses, and will refuse again */

static int tracker_open(void)
{
	struct uffdio_api api = { .api = UFFD_API, .features = FEATURE_WP | FEATURE_WP_ASYNC };
	int fd;

	if (fd_still(&tracker))
		return 0;
	tracker.fd = -1;
	if (impossible)
		return -ENOTSUP;
	fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (fd >= 0 && ioctl(fd, UFFDIO_API, &api) < 0) {
		close(fd);
		fd = -1;
		errno = ENOTSUP;
	}
	if (fd < 0) {
		impossible = errno != EMFILE && errno != ENFILE && errno != ENOMEM;
		return -errno;
	}
	fd = fd_raise(fd);
	if (fd < 0)
		return fd;
	fd_mark(&tracker, fd);
	return 0;
}

/* Have the kernel note writes. A range that is registered already stays as it is. */
static int tracker_mark(uint64_t addr, uint64_t length)
{
	struct uffdio_register range = {
		.range = { .start = addr, .len = length }, .mode = UFFDIO_REGISTER_MODE_WP,
	};
	int error = tracker_open();

	if (!error && ioctl(tracker.fd, UFFDIO_REGISTER, &range) < 0)
		error = -errno;
	return error;
}

static int run_found(void *arg, uint64_t start, uint64_t end, bool zeros)
{
	(void)start, (void)end, (void)zeros;
	*(bool *)arg = true;
	return -ECANCELED;
}

static int track_changed_in(int pagemap, uint64_t addr, uint64_t length, const struct scan_to *to)
{
	bool any = false;
	int error = scan_in(pagemap, SCAN_PRIVATE, addr, length,
	                    &(struct scan_to){ .run = run_found, .arg = &any, .zeros = to->zeros });

	if (error && !any)
		return error;
	if (!any)
		return 0;
	/* Not possible, or registered with another userfaultfd (lazy): all may have changed. */
	error = tracker_mark(addr, length);
	if (!error)
		error = scan_in(pagemap, SCAN_CHANGED, addr, length, to);
	if (error && error != -ENOMEM) {
		if (to->again)
			to->again(to->arg);
		error = scan_in(pagemap, SCAN_PRIVATE, addr, length, to);
	}
	return error;
}

int track_changed(uint64_t addr, uint64_t length, const struct scan_to *to)
{
	int error, pagemap = scan_open();

	if (pagemap < 0)
		return pagemap;
	error = track_changed_in(pagemap, addr, length, to);
	close(pagemap);
	return error;
}

static int run_ignore(void *arg, uint64_t start, uint64_t end, bool zeros)
{
	(void)arg, (void)start, (void)end, (void)zeros;
	return 0;
}

int track_mark_unchanged(uint64_t addr, uint64_t length)
{
	int error = tracker_mark(addr, length);

	if (error)
		return error;
	return scan(SCAN_CHANGED, addr, length, &(struct scan_to){ .run = run_ignore });
}

int track_all(uint64_t addr, uint64_t length, const struct scan_to *to)
{
	/* Mark, then report: a page that is written in between is reported the next time, too. */
	track_mark_unchanged(addr, length);
	return scan(SCAN_PRIVATE, addr, length, to);
}

/* An inherited userfaultfd works on the parent's memory. */
void track_child(void)
{
	if (fd_still(&tracker))
		close(tracker.fd);
	tracker.fd = -1;
}
