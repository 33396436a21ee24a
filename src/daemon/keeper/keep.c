/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keep.c - the keeper's loop: it watches its worker, the run directory and signals
 *
 * The keeper's one thread. It calls nothing of libfabric or libsodium and waits for nobody, because
 * no restart repairs what goes wrong in the keeper. For the same reason nothing is asserted here.
 * Allocates for records only.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/log.h"
#include "../../common/say.h"
#include "defaults.h"
#include "internal.h"

#define SECOND UINT64_C(1000000000)
#define LOOK_NS (SECOND / 10)           /* from an event of inotify to the look at the socket: a
                                           program that removes the run directory removes the
                                           files in it first */
#define LOOK_AGAIN_NS SECOND            /* from a look that failed to the next one */

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
