/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lazy.c - a userfaultfd over an attachment, served by rmmapd
 *
 * Mappings are registered before anybody can touch them and handed to rmmapd.
 * The library keeps descriptors of its own: with the userfaultfd open somewhere,
 * a read of an absent page waits if rmmapd dies, instead of seeing zeros, until
 * the kernel's SIGBUS comes over the lifeline (a socket pair whose one end has
 * O_ASYNC, the other end of which only rmmapd has). It is armed once rmmapd has
 * said that it serves the attachment: until then nothing can be touched, so that
 * an rmmapd that goes is an error of the attach.
 *
 * Under attach.c's lock, but lazy_possible(), which any thread may ask.
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

/* Newer than the build host's headers may be. */
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
 * What stands in the way of every later attempt too: no right, or a kernel without it. Any other
 * error (EMFILE, ENFILE, ENOMEM) may be over at the next attach.
 */
static bool uffd_error_stays(int error)
{
	return error == -EPERM || error == -ENOTSUP;
}

/* Where the device cannot be opened for want of it, or of a right: -EPERM. */
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

/* One that also serves faults of system calls: user-mode-only would not do. 0 up, or -errno. */
static int uffd_open_plain(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0)
		return fd;
	return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno : uffd_open_device();
}

/* UFFDIO_API tells the features, but only the first call on a descriptor can choose. */
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
	/* 1: possible; 0: not asked yet; else -errno, for good. Racing askers agree. */
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
 * The own end is to signal this process when rmmapd's end closes, once arm_lifeline() was called.
 * rmmapd takes the owner away when it is done with the attachment, before it closes its end.
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
 * From here on rmmapd's death is this process's SIGBUS. One that died before that sent none: it
 * is seen here. A lifeline without an owner was given up by rmmapd, since nothing is absent any
 * more. 0; -ESTALE: rmmapd is gone; or -errno.
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
 * What lies in other attachments' mappings, or is left to own content, is not for rmmapd to
 * fill, or to give up: it is told what is, unless that is everything.
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

	*lazy = (struct lazy_link){ .uffd.fd = -1, .lifeline.fd = -1, .pager_end = -1, .ranges = -1 };
	fd = uffd_open(&lazy->features);
	if (fd < 0)
		return fd;
	error = fd_raise_and_mark(&lazy->uffd, fd);
	if (error)
		return error;
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
	if (fcntl(2, F_GETFD) >= 0)
		fds[call->x.fd_count++] = 2;
	error = client_call(&call->x);
	/* Only rmmapd may have this end, else the lifeline would not tell its death. */
	close(lazy->pager_end);
	lazy->pager_end = -1;
	if (lazy->ranges >= 0)
		close(lazy->ranges);
	lazy->ranges = -1;
	rm_format(why, RM_TEXT_MAX, "%s", error ? call->x.why : reply->error ? reply->text : "");
	/* An attachment that rmmapd has not heard of was another rmmapd's. */
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
