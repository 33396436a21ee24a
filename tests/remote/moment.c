/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * moment WHEN HANDLE SUM COMMAND - attach lazily; something happens around its RM_LAZY
 *
 * WHEN   sent      COMMAND runs before the first one leaves, once the layers are mapped
 *        answered  COMMAND runs after its answer came, before the library has seen it
 *        unsent    the message fails, as for want of memory
 *        short     there is no descriptor for a userfaultfd, and at a second attach there is
 *
 * Prints "attached" and sums the array up, or the error as the other programs do. The two
 * functions here stand before libc's for librmmap too.
 */
#include "../handoff/handoff.h"
#include "remote.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../src/common/wire.h"

#define EXPORT __attribute__((visibility("default")))

static const char *when, *command;
static uint64_t lazy_seq;               /* of the first RM_LAZY; 0: none was sent yet */

static void happen(const char *moment)
{
	if (strcmp(when, moment) == 0)
		CHECK(remote_shell(command) == 0);
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	const struct rm_wire *head = m->msg_iov[0].iov_base;

	if (m->msg_iov[0].iov_len == sizeof(struct rm_wire_attachment) &&
	    head->magic == RM_WIRE_MAGIC && head->type == RM_LAZY && !lazy_seq) {
		lazy_seq = head->seq;
		happen("sent");
		if (strcmp(when, "unsent") == 0) {
			errno = ENOMEM;
			return -1;
		}
	}
	return syscall(SYS_sendmsg, fd, m, flags);
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
	ssize_t n = syscall(SYS_recvmsg, fd, m, flags);
	const struct rm_wire *head = m->msg_iov[0].iov_base;

	if (n == (ssize_t)sizeof(struct rm_wire_reply) && head->magic == RM_WIRE_MAGIC &&
	    head->type == RM_REPLY && lazy_seq && head->seq == lazy_seq) {
		lazy_seq = UINT64_MAX;
		happen("answered");
	}
	return n;
}

/* With a connection that is there already: what lacks is a descriptor for the userfaultfd. */
static void attach_short(const char *handle)
{
	char own[RMMAP_HANDLE_MAX];
	struct rlimit limit;
	rlim_t before;
	int lowest;

	CHECK(rmmap_publish(calloc(1, 64), own, sizeof(own)) == 0);
	lowest = open("/", O_PATH | O_CLOEXEC);
	CHECK(lowest >= 0 && close(lowest) == 0);
	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	before = limit.rlim_cur;
	limit.rlim_cur = (rlim_t)lowest;
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	CHECK(!remote_attach("lazy", handle));
	CHECK(remote_failed() == 4);
	limit.rlim_cur = before;
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

int main(int argc, char **argv)
{
	void *root;
	uint64_t sum;

	if (argc != 5)
		return 2;
	when = argv[1];
	command = argv[4];
	if (strcmp(when, "short") == 0)
		attach_short(argv[2]);
	root = remote_attach("lazy", argv[2]);
	if (!root)
		return remote_failed();
	puts("attached");
	CHECK(lazy_seq);                /* else nothing happened */
	sum = structure_sum("array", root);
	if (sum != strtoull(argv[3], NULL, 10)) {
		printf("the checksum is %" PRIu64 ", not %s\n", sum, argv[3]);
		return 3;
	}
	remote_counters();
	CHECK(rmmap_detach(root) == 0);
	return 0;
}
