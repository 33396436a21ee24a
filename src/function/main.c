/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - rmmap-function: signals, deadlines, the end
 *
 * The first thread loads the handler, waits for signals, and checks four times a second for clients
 * and handlers that take too long. The signals are blocked before other threads start, so that all
 * of them have them blocked.
 */
#include "function.h"

#include <signal.h>
#include <unistd.h>

#include "../common/standard.h"

#define TICK_NS 250000000L
#define DRAIN_TICK_NS 20000000L

/* ---- the end ---- */

/* Wait for a signal, but no longer than ns. True if one came. */
static bool signal_came(const sigset_t *signals, long ns)
{
	const struct timespec tick = { 0, ns };

	return sigtimedwait(signals, NULL, &tick) > 0;
}

/*
 * Finish the queued and running jobs, while new events get 503. Ends at the deadline (--drain) or
 * with a second signal. Returns the exit status, or calls _exit() if a handler does not return.
 */
static int jobs_drain(const sigset_t *signals)
{
	uint64_t deadline = now_ns() + settings.drain_ns;
	unsigned stuck;

	http_draining = true;
	/* also wait for handlers whose clients already got 504: they may be writing something */
	while ((work_count() || work_is_running()) && now_ns() < deadline &&
	       !signal_came(signals, DRAIN_TICK_NS)) {
		work_cut(false);
		wait_check();
	}
	/* Clients get their 503 now, and a second to receive it. */
	stuck = work_cut(true) || work_is_running();
	deadline = now_ns() + NS_PER_S;
	while (work_count() && now_ns() < deadline)
		signal_came(signals, DRAIN_TICK_NS);
	work_forget();
	if (stuck) {
		say("ending while the handler runs: %s", settings.drain_ns ? "it did not return "
		    "within --drain" : "--drain is 0");
		_exit(1);
	}
	/*
	 * In this order: no event can come in any more when the handler's stop function is
	 * called.
	 */
	http_stop();
	handler_stop();
	return 0;
}

int main(int argc, char **argv)
{
	sigset_t signals;

	/* else a client's socket could become standard error, and the client read our messages */
	rm_standard_occupy();
	settings_parse(argc, argv);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	/* A client or a reader of the log that goes away is an error of write(). */
	signal(SIGPIPE, SIG_IGN);
	if (handler_load() || http_start())
		return 1;
	while (!signal_came(&signals, TICK_NS)) {
		work_cut(false);
		wait_check();
		work_forget();
	}
	return jobs_drain(&signals);
}
