/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - rmmap-function: signals, clients and handlers that take too long, the end
 *
 * The first thread: it loads the handler, waits for signals, and looks four times a second
 * after clients and handlers that take too long. All other threads have the signals blocked.
 */
#include "function.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "../common/standard.h"

#define TICK_NS 250000000L
#define DRAIN_TICK_NS 20000000L

/* ---- the end ---- */

static bool signalled(const sigset_t *signals, long ns)
{
	const struct timespec tick = { 0, ns };

	return sigtimedwait(signals, NULL, &tick) > 0;
}

/* Finish what waits or runs, while new events get 503. A second signal is the deadline. */
static int drain(const sigset_t *signals)
{
	uint64_t deadline = now_ns() + settings.drain_ns;
	unsigned stuck;

	http_draining = true;
	/* a handler whose client already got 504 may be in the middle of something, too */
	while ((work_count() || work_is_running()) && now_ns() < deadline &&
	       !signalled(signals, DRAIN_TICK_NS)) {
		work_cut(false);
		wait_check();
	}
	stuck = work_cut(true) || work_is_running();
	deadline = now_ns() + NS_PER_S;
	while (work_count() && now_ns() < deadline)
		signalled(signals, DRAIN_TICK_NS);
	work_forget();
	if (stuck) {
		say("ending while the handler runs: %s", settings.drain_ns ? "it did not return "
		    "within --drain" : "--drain is 0");
		_exit(1);
	}
	http_stop();
	handler_stop();
	return 0;
}

/* Of descriptors 0 to 2 what is closed would be taken by a client, who then reads what we say. */
static void take_closed(void)
{
	int fd = rm_standard_open("/", O_PATH | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	sigset_t signals;

	take_closed();
	settings_parse(argc, argv);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (handler_load() || http_start())
		return 1;
	while (!signalled(&signals, TICK_NS)) {
		work_cut(false);
		wait_check();
		work_forget();
	}
	return drain(&signals);
}
