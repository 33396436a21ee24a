/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lazy.c - a userfaultfd over an attachment, served by rmmapd
 *
 * Mappings are registered before anybody can touch them, and the userfaultfd is handed to rmmapd.
 * The library keeps a duplicate open: then a read of an absent page waits if rmmapd dies, instead
 * of reading zeros. The wait ends by a SIGBUS that the kernel sends over the lifeline, a socket
 * pair of which this process's end has O_ASYNC, and only rmmapd has the other end. The lifeline is
 * armed when rmmapd has said that it serves the attachment. Nobody can touch the memory before, so
 * if rmmapd dies earlier the attach fails.
 *
 * Under attached_lock(), except for lazy_possible(), which any thread may call. Allocates in struct
 * array and own pages.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../common/say.h"
#include "internal.h"

/* The build host's headers may be older. */
#ifndef UFFD_FEATURE_MINOR_SHMEM
#define UFFD_FEATURE_MINOR_SHMEM (1 << 10)
#endif
#ifndef UFFDIO_REGISTER_MODE_MINOR
#define UFFDIO_REGISTER_MODE_MINOR ((uint64_t)1 << 2)
#endif
#define FEATURE_POISON (UINT64_C(1) << 14)
#define DEVICE_NEW _IO(0xAA, 0x00)      /* USERFAULTFD_IOC_NEW */
#define NEEDED (UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MINOR_SHMEM)
#define COMPLETE_NS UINT64_C(30000000000)

/*
 * Will every later attempt fail, too? Yes without the right, or if the kernel lacks the feature.
 * Any other error (EMFILE, ENFILE, ENOMEM) may be gone at the next attach.
 */
static bool uffd_error_stays(int error)
{
	return error == -EPERM || error == -ENOTSUP;
}

/* Open a userfaultfd by its device. -EPERM if there is no device, or no right to it. */
static int uffd_open_device(void)
{
	int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC), error, fd;

	if (device < 0)
		return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno : -EPERM;
	fd = ioctl(device, DEVICE_NEW, O_CLOEXEC | O_NONBLOCK);
	error = -errno;
	close(device);
	return fd >= 0 ? fd : error == -EINVAL || error == -ENOTTY ? -EPERM : error;
}

/*
 * Open a userfaultfd that also serves faults of system calls, which a user-mode-only one does not.
 * A descriptor, or -errno.
 */
static int uffd_open_plain(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0)
		return fd;
	return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno : uffd_open_device();
}

/*
 * UFFDIO_API reports the features, but only the first call on a descriptor can choose some. So one
 * descriptor asks, and a second one chooses.
 */
static int uffd_open(uint32_t *features)
{
	struct uffdio_api api = { .api = UFFD_API };
	uint64_t offered;
	int fd = uffd_open_plain();

	if (fd < 0)
		return fd;
	if (ioctl(fd, UFFDIO_API, &api) < 0)
		api.features = 0;
	close(fd);
	offered = api.features;
	if ((offered & NEEDED) != NEEDED)
		return -ENOTSUP;
	fd = uffd_open_plain();
	if (fd < 0)
		return fd;
	api = (struct uffdio_api){ .api = UFFD_API,
	                           .features = NEEDED | (offered & FEATURE_POISON) };
	if (ioctl(fd, UFFDIO_API, &api) < 0) {
		close(fd);
		return -ENOTSUP;
	}
	*features = offered & FEATURE_POISON ? RM_UFFD_POISON : 0;
	return fd;
}

int lazy_possible(void)
{
	/* 1: possible; 0: not known yet; else -errno, for good. Threads that race agree. */
	static int known;
	int answer = __atomic_load_n(&known, __ATOMIC_RELAXED);

	if (!answer) {
		uint32_t features;
		int fd = uffd_open(&features);

		if (fd >= 0)
			close(fd);
		answer = fd >= 0 ? 1 : fd;
		if (answer > 0 || uffd_error_stays(answer))
			__atomic_store_n(&known, answer, __ATOMIC_RELAXED);
	}
	return answer > 0 ? 0 : answer;
}

static int fd_raise_and_mark(struct fd_mark *mark, int fd)
{
	fd = fd_raise(fd);
	if (fd < 0)
		return fd;
	fd_mark(mark, fd);
	return 0;
}

/*
 * Make the socket pair. Once lifeline_arm() was called, the kernel signals this process when
 * rmmapd's end closes. When rmmapd is done with the attachment, it takes the owner away
 * (F_SETOWN 0) before it closes its end.
 */
static int lifeline_make(struct lazy_link *lazy)
{
	int ends[2], error;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return -errno;
	if (fcntl(ends[0], F_SETOWN, getpid()) < 0 || fcntl(ends[0], F_SETSIG, SIGBUS) < 0) {
		error = -errno;
		close(ends[0]);
		close(ends[1]);
		return error;
	}
	error = fd_raise_and_mark(&lazy->lifeline, ends[0]);
	if (error)
		close(ends[1]);
	else
		lazy->pager_end = ends[1];
	return error;
}

/*
 * From now on rmmapd's death means SIGBUS. If it died before, no signal was sent, but the hang-up
 * is seen here. If rmmapd has taken the owner away, it gave the lifeline up, since no page is
 * absent any more. 0; -ESTALE: rmmapd is gone; or -errno.
 */
static int lifeline_arm(const struct lazy_link *lazy)
{
	struct pollfd look = { .fd = lazy->lifeline.fd };

	if (!fd_still(&lazy->lifeline))
		return -EBADF;
	if (fcntl(look.fd, F_SETFL, O_ASYNC | O_NONBLOCK) < 0)
		return -errno;
	if (poll(&look, 1, 0) <= 0 || !(look.revents & POLLHUP))
		return 0;
	return fcntl(look.fd, F_GETOWN) == 0 ? 0 : -ESTALE;
}

static int uffd_register_runs(const struct lazy_link *lazy, const struct array *runs)
{
	const struct run *run = runs->data;

	for (size_t i = 0; i < runs->count; i++, run++) {
		struct uffdio_register r = {
			.range = { run->addr, run->length },
			.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR,
		};

		if (run->shared)
			continue;
		if (ioctl(lazy->uffd.fd, UFFDIO_REGISTER, &r) < 0)
			return -errno;
		/* A child would read zeros in absent pages: see attach_prefork(). */
		if (madvise((void *)(uintptr_t)run->addr, run->length, MADV_DONTFORK) < 0)
			return -errno;
	}
	return 0;
}

/*
 * Make the list of registered ranges for rmmapd, unless everything is registered. Memory of other
 * attachments' mappings, and memory left to own content, is not rmmapd's to fill or to give up.
 */
static int ranges_make(struct lazy_link *lazy, const struct mapped *mapped)
{
	struct array ranges = { .item = sizeof(struct rm_wire_range) };
	const struct run *run = mapped->runs.data;
	struct rm_wire_range *last = NULL;
	uint64_t left = 0;

	for (uint32_t i = 0; i < mapped->table.segment_count; i++)
		left += mapped->table.segments[i].length;
	for (size_t i = 0; i < mapped->runs.count; i++) {
		if (run[i].shared)
			continue;
		if (!last || last->addr + last->length != run[i].addr) {
			last = array_add(&ranges);
			if (!last) {
				array_free(&ranges);
				return -ENOMEM;
			}
			last->addr = run[i].addr;
		}
		last->length += run[i].length;
		left -= run[i].length;
	}
	if (left) {
		lazy->ranges = sealed_copy("rmmap-ranges", ranges.data, ranges.count * ranges.item);
		lazy->features |= RM_UFFD_RANGES;
	}
	array_free(&ranges);
	return left && lazy->ranges < 0 ? lazy->ranges : 0;
}

int lazy_register(struct lazy_link *lazy, const struct mapped *mapped)
{
	int error, fd;

	*lazy = (struct lazy_link){
		.uffd.fd = -1, .lifeline.fd = -1, .pager_end = -1, .ranges = -1,
	};
	fd = uffd_open(&lazy->features);
	if (fd < 0)
		return fd;
	error = fd_raise_and_mark(&lazy->uffd, fd);
	if (error)
		return error;
	/* From here on lazy_close() has something to close. */
	lazy->active = true;
	error = uffd_register_runs(lazy, &mapped->runs);
	if (!error)
		error = ranges_make(lazy, mapped);
	if (!error)
		error = lifeline_make(lazy);
	if (error)
		lazy_close(lazy);
	return error;
}

int lazy_hand_over(struct lazy_link *lazy, uint64_t attachment, unsigned era, char *why)
{
	struct rm_wire_attachment m = {
		.head.type = RM_LAZY, .attachment = attachment, .features = lazy->features,
	};
	int fds[5] = { lazy->uffd.fd, lazy->lifeline.fd, lazy->pager_end };
	struct call *call = call_new(&m, sizeof(m), RM_REPLY);
	const struct rm_wire_reply *reply;
	int error;

	if (!call)
		return -ENOMEM;
	reply = (const void *)call->message;
	call->x.era = era;
	call->x.fds = fds;
	call->x.fd_count = 3;
	if (lazy->ranges >= 0)
		fds[call->x.fd_count++] = lazy->ranges;
	/*
	 * So that rmmapd can say there why a page is lost. Last, since only the number of
	 * descriptors tells that it is missing.
	 */
	if (fcntl(2, F_GETFD) >= 0)
		fds[call->x.fd_count++] = 2;
	error = client_call(&call->x);
	/* Only rmmapd may have this end, or its death would not close it. */
	close(lazy->pager_end);
	lazy->pager_end = -1;
	if (lazy->ranges >= 0)
		close(lazy->ranges);
	lazy->ranges = -1;
	rm_format(why, RM_TEXT_MAX, "%s", error ? call->x.why : reply->error ? reply->text : "");
	/* An attachment that this rmmapd does not know was another rmmapd's. */
	if (!error && reply->error)
		error = reply->error == ENOENT ? -ESTALE : -reply->error;
	call_free(call);
	if (error)
		return error;
	error = lifeline_arm(lazy);
	if (error)
		rm_format(why, RM_TEXT_MAX, "%s", error == -ESTALE ? "rmmapd ended as soon as it "
		          "had answered; see its log (RMMAP_LOG=FILE)" : rm_errno_text(-error));
	return error;
}

int lazy_complete(uint64_t attachment, unsigned era)
{
	struct rm_wire_attachment m = { .head.type = RM_COMPLETE, .attachment = attachment };
	struct call *call = call_new(&m, sizeof(m), RM_REPLY);
	int error;

	if (!call)
		return -ENOMEM;
	call->x.era = era;
	call->x.timeout_ns = COMPLETE_NS;
	error = client_call(&call->x);
	if (!error)
		error = -((const struct rm_wire_reply *)(const void *)call->message)->error;
	call_free(call);
	return error;
}

void lazy_release(struct lazy_link *lazy, const struct array *runs)
{
	const struct run *run = runs->data;

	for (size_t i = 0; i < runs->count; i++, run++) {
		struct uffdio_range range = { run->addr, run->length };

		if (run->shared)
			continue;
		if (fd_still(&lazy->uffd))
			ioctl(lazy->uffd.fd, UFFDIO_UNREGISTER, &range);
		madvise((void *)(uintptr_t)run->addr, run->length, MADV_DOFORK);
	}
	lazy_close(lazy);
}

void lazy_close(struct lazy_link *lazy)
{
	if (!lazy->active)
		return;
	if (lazy->pager_end >= 0)
		close(lazy->pager_end);
	if (lazy->ranges >= 0)
		close(lazy->ranges);
	if (lazy->lifeline.fd >= 0 && fd_still(&lazy->lifeline))
		close(lazy->lifeline.fd);
	if (lazy->uffd.fd >= 0 && fd_still(&lazy->uffd))
		close(lazy->uffd.fd);
	lazy->active = false;
}
