/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keep.c - the keeper's loop: it reads records, watches its worker, and forks the next one
 *
 * The keeper's one thread. It calls nothing of libfabric or libsodium and waits for nobody, because
 * no restart repairs what goes wrong in the keeper. For the same reason nothing is asserted here.
 * Allocates for records only.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/log.h"
#include "../../common/say.h"
#include "defaults.h"
#include "keep.h"

#define SECOND UINT64_C(1000000000)
#define RESTARTS_MAX 5                  /* within RESTARTS_NS; after more, rmmapd gives up */
#define RESTARTS_NS (10 * SECOND)
#define STOP_NS (2 * SECOND)            /* from KEEP_STOP to SIGKILL */
#define LOOK_NS (SECOND / 10)           /* from an event of inotify to the look at the socket: a
                                           program that removes the run directory removes the
                                           files in it first */
#define LOOK_AGAIN_NS SECOND            /* from a look that failed to the next one */
#define TELLERS_MAX 32                  /* children that write to consumers' stderr at a time */
#define TELL_SECONDS 5                  /* then SIGALRM ends such a child */

struct keep {
	keep_worker *worker_run;
	struct rmmapd *rmmapd;
	struct records *records;
	int signals;                    /* signalfd */
	int worker_fd;                  /* the keeper's end of the socket pair to the worker */
	pid_t worker;                   /* 0: none */
	unsigned tellers;               /* children that write to consumers' stderr now */
	uint64_t deaths[RESTARTS_MAX];  /* times of the last deaths of workers, a ring: the next
	                                   one goes to restarts % RESTARTS_MAX; 0: none yet */
	bool ready;                     /* a worker has served: the start has succeeded */
	bool displaced;                 /* another rmmapd serves the run directory now */
	uint64_t look_at;               /* when to look whether the socket is there; 0: not set */
	bool look_failed;               /* at the last look the socket was gone and could not be
	                                   bound, and the log has said so */
	bool draining;                  /* SIGTERM came */
	uint64_t stop_deadline;         /* after KEEP_STOP: when to kill the worker; 0: not sent */
	bool over;                      /* keep_run() returns status */
	int status;
};

/* ---- to the worker ---- */

/* An error means that the worker is dead: SIGCHLD tells of that. */
static void worker_command(struct keep *keep, enum keep_type type, const int *fds, unsigned count)
{
	struct keep_message message = { .type = type };

	rm_channel_send(keep->worker_fd, &message, sizeof(message), fds, count, 0);
}

static void worker_stop(struct keep *keep)
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

static int worker_fork(struct keep *keep)
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

static void worker_died(struct keep *keep, int wait_status)
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

/* Read all messages that are there now. */
static void worker_read(struct keep *keep)
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

/* ---- the run directory ---- */

/* False while this rmmapd leaves, since it has then removed the socket itself. */
static bool directory_is_looked_at(const struct keep *keep)
{
	return keep->rmmapd->listener >= 0 && !keep->stop_deadline && !keep->over &&
	       !keep->displaced;
}

/*
 * Look whether the socket is there, and bind it anew if not. A directory that was removed is made
 * anew only while there are publications or attachments. Without any, rmmapd ends soon, and the
 * user who removed the directory wants it gone.
 */
static void directory_look(struct keep *keep)
{
	int fds[2], ret = 0;

	if (directory_is_looked_at(keep))
		ret = start_look(keep->rmmapd, records_in_use(keep->records));
	fds[0] = keep->rmmapd->listener;
	fds[1] = keep->rmmapd->lock;
	if (ret == 1) {
		worker_command(keep, KEEP_LISTEN, fds, 2);
	} else if (ret == -EWOULDBLOCK) {
		keep->displaced = true;
		log_note("another rmmapd serves %s now: this one goes on for the processes that "
		         "are connected", keep->rmmapd->rundir);
	} else if (ret < 0 && !keep->look_failed) {
		log_note("the socket in %s is gone and cannot be bound anew: %s",
		         keep->rmmapd->rundir, rm_errno_text(-ret));
	}
	keep->look_failed = ret < 0;
	keep->look_at = ret < 0 && !keep->displaced ? rm_now_ns() + LOOK_AGAIN_NS : 0;
	if (keep->displaced && keep->rmmapd->watch >= 0) {
		close(keep->rmmapd->watch);
		keep->rmmapd->watch = -1;
	}
}

/* inotify tells of a change in the run directory: look at it in a moment. */
static void directory_changed(struct keep *keep)
{
	rm_rundir_watched(keep->rmmapd->watch);
	if (!keep->look_at && directory_is_looked_at(keep))
		keep->look_at = rm_now_ns() + LOOK_NS;
}

/* ---- signals ---- */

/* A child died: the worker, a teller, or one that the process had before it became rmmapd. */
static void children_reap(struct keep *keep)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != keep->worker) {
			keep->tellers -= keep->tellers > 0;
			continue;
		}
		worker_read(keep);      /* what it sent before it died */
		worker_died(keep, status);
	}
}

/* SIGTERM or SIGINT: drain at the first one, stop at the second one. */
static void keep_terminate(struct keep *keep)
{
	if (keep->draining) {
		log_line("asked twice to stop: stopping now");
		worker_stop(keep);
		return;
	}
	log_line("asked to stop: publications are served until their leases end, "
	         "for %u seconds at most", (unsigned)(keep->rmmapd->grace_ns / SECOND));
	keep->draining = true;
	worker_command(keep, KEEP_DRAIN, NULL, 0);
}

static void signals_read(struct keep *keep)
{
	struct signalfd_siginfo info;

	while (!keep->over && read(keep->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			children_reap(keep);
		else
			keep_terminate(keep);
	}
}

static int keep_open_signals(void)
{
	sigset_t set;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* ---- the loop ---- */

static int ms_until(uint64_t now, uint64_t then)
{
	return then > now ? (int)((then - now) / 1000000) + 1 : 0;
}

/*
 * Timeout for poll(): until the deadline after KEEP_STOP, else until the next look at the socket,
 * else -1. Kills the worker if the deadline has passed.
 */
static int wait_ms(struct keep *keep)
{
	uint64_t now = rm_now_ns();

	if (keep->stop_deadline && now >= keep->stop_deadline) {
		kill(keep->worker, SIGKILL);
		return 100;
	}
	if (keep->stop_deadline)
		return ms_until(now, keep->stop_deadline);
	if (!directory_is_looked_at(keep))
		return -1;
	if (keep->look_at)
		return ms_until(now, keep->look_at);
	return keep->rmmapd->watch < 0 ? START_LOOK_MS : -1;
}

static bool look_is_due(const struct keep *keep, int ready)
{
	return keep->look_at ? rm_now_ns() >= keep->look_at : ready == 0;
}

int keep_run(struct rmmapd *rmmapd, keep_worker *worker_run)
{
	struct keep keep = { .rmmapd = rmmapd, .worker_run = worker_run,
	                     .records = records_new(), .worker_fd = -1 };
	char limit[256] = "";
	int ret;

	keep.signals = keep_open_signals();
	ret = keep.records ? keep.signals : -ENOMEM;
	if (ret >= 0)
		ret = worker_fork(&keep);
	if (ret < 0) {
		if (ret == -ENOMEM)
			defaults_memory(limit, sizeof(limit));
		log_line("no worker can be started: %s%s", rm_errno_text(-ret), limit);
		start_unlisten(rmmapd);
		return 1;
	}
	while (!keep.over) {
		struct pollfd in[3] = {
			{ .fd = keep.signals, .events = POLLIN },
			{ .fd = keep.worker_fd, .events = POLLIN },
			{ .fd = rmmapd->watch, .events = POLLIN },      /* if there is one */
		};
		int n = poll(in, 3, wait_ms(&keep));

		if (n < 0 && errno != EINTR)
			break;
		if (in[1].revents & POLLIN)
			worker_read(&keep);
		/* The worker is about to die. Wait for SIGCHLD: worker_fd stays ready until then. */
		if (in[1].revents & POLLHUP)
			poll(in, 1, 1000);
		if (in[0].revents & POLLIN)
			signals_read(&keep);
		if (in[2].revents & POLLIN)
			directory_changed(&keep);
		if (look_is_due(&keep, n))
			directory_look(&keep);
	}
	return keep.status;
}
