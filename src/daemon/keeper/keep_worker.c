/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keep_worker.c - the keeper's worker: its birth, what it sends and is sent, its death
 *
 * The keeper's one thread; see keep.c. Allocates for records only.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/log.h"
#include "../../common/say.h"
#include "internal.h"

#define SECOND UINT64_C(1000000000)
#define RESTARTS_NS (10 * SECOND)
#define STOP_NS (2 * SECOND)            /* from KEEP_STOP to SIGKILL */
#define TELLERS_MAX 32                  /* children that write to consumers' stderr at a time */
#define TELL_SECONDS 5                  /* then SIGALRM ends such a child */

/* ---- to the worker ---- */

void worker_command(struct keep *keep, enum keep_type type, const int *fds, unsigned count)
{
	struct keep_message message = { .type = type };

	rm_channel_send(keep->worker_fd, &message, sizeof(message), fds, count, 0);
}

void worker_stop(struct keep *keep)
{
	worker_command(keep, KEEP_STOP, NULL, 0);
	if (!keep->stop_deadline)
		keep->stop_deadline = rm_now_ns() + STOP_NS;
}

static void keep_end(struct keep *keep, int status)
{
	start_unlisten(keep->rmmapd);
	keep->status = status;
	keep->over = true;
}

/* ---- a worker's birth and death ---- */

static void worker_main(struct keep *keep, int fd)
{
	/* Signals stay blocked: one that came before the worker has its signalfd would end it. */
	close(keep->signals);
	if (keep->rmmapd->watch >= 0)
		close(keep->rmmapd->watch);
	prctl(PR_SET_NAME, "rmmapd");
	/* No exit handlers: libraries have registered them for a process that was not forked. */
	_exit(keep->worker_run(keep->rmmapd, fd, keep->records));
}

int worker_fork(struct keep *keep)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	keep->worker = fork();
	if (keep->worker < 0) {
		int error = errno;

		keep->worker = 0;
		close(pair[0]);
		close(pair[1]);
		return -error;
	}
	if (!keep->worker) {
		close(pair[0]);
		worker_main(keep, pair[1]);
	}
	close(pair[1]);
	keep->worker_fd = pair[0];
	if (keep->draining)
		worker_command(keep, KEEP_DRAIN, NULL, 0);
	return 0;
}

/* Note a death. True if more than RESTARTS_MAX workers died within RESTARTS_NS. */
static bool died_too_often(struct keep *keep)
{
	uint64_t now = rm_now_ns();
	uint64_t *slot = &keep->deaths[keep->rmmapd->restarts % RESTARTS_MAX];
	bool often = *slot && now - *slot < RESTARTS_NS;

	*slot = now;
	return often;
}

void worker_died(struct keep *keep, int wait_status)
{
	int error;

	close(keep->worker_fd);
	keep->worker = 0;
	if (keep->stop_deadline) {
		keep_end(keep, 0);
		return;
	}
	/* The first worker could not start and has logged why: the next one would fail, too. */
	if (!keep->ready && WIFEXITED(wait_status)) {
		keep_end(keep, 1);
		return;
	}
	if (died_too_often(keep)) {
		log_line("the worker died %d times within 10 seconds: giving up; what was published "
		         "is gone, the next publish starts a new rmmapd", RESTARTS_MAX + 1);
		keep_end(keep, 1);
		return;
	}
	keep->rmmapd->restarts++;
	keep->rmmapd->death = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;
	log_line("the worker died (%s %d): starting another one, number %u",
	         WIFSIGNALED(wait_status) ? "signal" : "exit status",
	         WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : WEXITSTATUS(wait_status),
	         keep->rmmapd->restarts);
	error = worker_fork(keep);
	if (error < 0) {
		log_line("no other worker can be started: %s", rm_errno_text(-error));
		keep_end(keep, 1);
	}
}

/* ---- from the worker ---- */

/*
 * Write to a consumer's standard error in a child, since the write may wait for as long as nobody
 * reads the pipe. The child closes all other descriptors: the lock and the clients' sockets must
 * not stay open in it.
 */
static void consumer_tell(struct keep *keep, int fd, const char *text, size_t length)
{
	pid_t pid = keep->tellers < TELLERS_MAX ? fork() : -1;

	if (pid < 0)
		return;
	if (pid > 0) {
		keep->tellers++;
		return;
	}
	signal(SIGALRM, SIG_DFL);
	alarm(TELL_SECONDS);
	dup2(fd, STDERR_FILENO);
	close_range(STDERR_FILENO + 1, ~0u, 0);
	_exit(write(STDERR_FILENO, text, length) < 0);
}

/*
 * The worker has nothing left to serve. Once the socket is unlinked no process can connect any
 * more. A process that connected before is in the listener's queue, and would wait for an answer
 * in vain. If there is one, the exit is called off, and the worker gets a new listener and the
 * connections from the queue. Those that do not fit one message are
 * closed with the old listener.
 */
static void worker_leaves(struct keep *keep)
{
	int fds[KEEP_FDS_MAX];
	unsigned n = 1;

	if (keep->draining || keep->rmmapd->served >= 0) {
		worker_stop(keep);
		return;
	}
	start_unlisten(keep->rmmapd);
	while (n < KEEP_FDS_MAX) {
		fds[n] = accept4(keep->rmmapd->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fds[n] < 0)
			break;
		n++;
	}
	if (n == 1) {
		worker_stop(keep);
		return;
	}
	close(keep->rmmapd->listener);
	if (start_listen(keep->rmmapd) == 0) {
		fds[0] = keep->rmmapd->listener;
		worker_command(keep, KEEP_STAY, fds, n);
	} else {
		worker_stop(keep);
	}
	for (unsigned i = 1; i < n; i++)
		close(fds[i]);
}

/* Descriptors of a message are closed, except those of KEEP_PUT, which become the record's. */
static void message_handle(struct keep *keep, const uint8_t *message, size_t size, const int *fds,
                           unsigned count)
{
	struct keep_message head;
	const uint8_t *data = message + sizeof(head);
	unsigned taken = 0;

	memcpy(&head, message, sizeof(head));
	if (head.length == size - sizeof(head)) {
		if (head.type == KEEP_PUT) {
			if (records_put(keep->records, head.record, head.number, data, head.length,
			                fds, count) < 0)
				log_line("no memory to keep a record");
			taken = count;
		} else if (head.type == KEEP_DELETE) {
			records_delete(keep->records, head.number);
		} else if (head.type == KEEP_TELL && count == 1) {
			consumer_tell(keep, fds[0], (const char *)data, head.length);
		} else if (head.type == KEEP_READY) {
			keep->ready = true;
			log_ready();
		} else if (head.type == KEEP_LEAVE) {
			worker_leaves(keep);
		}
	}
	for (unsigned i = taken; i < count; i++)
		close(fds[i]);
}

void worker_read(struct keep *keep)
{
	uint8_t message[KEEP_MESSAGE_MAX];
	int fds[RM_CHANNEL_FDS_MAX];
	unsigned count;

	for (;;) {
		ssize_t n = rm_channel_recv(keep->worker_fd, message, sizeof(message), fds, &count, 0);

		if (n == -EMSGSIZE || n == -EMFILE) {
			log_line("no descriptors left to keep a record's: raise the limit "
			         "(ulimit -n, LimitNOFILE=)");
			continue;
		}
		if (n < (ssize_t)sizeof(struct keep_message))
			return;
		message_handle(keep, message, (size_t)n, fds, count);
	}
}
