/* SPDX-License-Identifier: BSD-2-Clause */
/* test_loop - timers in order, and callbacks that remove and free what they like */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../../../src/daemon/base/loop.h"
#include "../../../src/daemon/base/container.h"
#include "../unit.h"
#include "channel.h"

#define MS UINT64_C(1000000)

static struct loop *loop;

/* ---- timers ---- */

struct numbered {
	struct timer timer;
	uint64_t due;
};
static struct numbered timers[500];
static uint64_t last_due;
static unsigned fired;

static void in_order(struct timer *timer)
{
	struct numbered *n = container_of(timer, struct numbered, timer);

	ck_assert_uint_ge(n->due, last_due);
	ck_assert_uint_ge(rm_now_ns(), n->due);
	ck_assert_uint_eq(timer->index, 0);
	last_due = n->due;
	fired++;
}

static void stop(struct timer *timer)
{
	(void)timer;
	loop_stop(loop);
}

START_TEST(timers_in_order)
{
	struct timer end = { .fire = stop };
	uint64_t seed = 88172645463325252, now = rm_now_ns();
	unsigned expected = 0;

	loop = loop_new();
	for (size_t i = 0; i < COUNT(timers); i++) {
		timers[i].timer.fire = in_order;
		timers[i].due = now + unit_random(&seed) % (50 * MS);
		loop_timer(loop, &timers[i].timer, timers[i].due);
	}
	for (size_t i = 0; i < COUNT(timers); i++) {
		if (i % 3 == 0) {               /* moved */
			timers[i].due = now + unit_random(&seed) % (50 * MS);
			loop_timer(loop, &timers[i].timer, timers[i].due);
		}
		if (i % 5 == 0)
			loop_timer_cancel(loop, &timers[i].timer);
		else
			expected++;
	}
	loop_timer_cancel(loop, &timers[0].timer);      /* twice is once */
	loop_timer(loop, &end, now + 60 * MS);
	loop_run(loop);
	ck_assert_uint_eq(fired, expected);
	loop_free(loop);
}
END_TEST

static unsigned again_count;

/* Also on a machine that is busy just then. */
static void stop_after_some(struct timer *timer)
{
	if (again_count > 1)
		loop_stop(loop);
	else
		loop_timer(loop, timer, rm_now_ns() + MS);
}

static void again(struct timer *timer)
{
	again_count++;
	loop_timer(loop, timer, rm_now_ns());
}

/* A timer that is always due does not keep the others from theirs. */
START_TEST(timer_sets_itself)
{
	struct timer busy = { .fire = again }, end = { .fire = stop_after_some };

	loop = loop_new();
	loop_timer(loop, &busy, rm_now_ns());
	loop_timer(loop, &end, rm_now_ns() + 20 * MS);
	loop_run(loop);
	ck_assert_uint_gt(again_count, 1);
	loop_free(loop);
}
END_TEST

/* ---- sources ---- */

static struct source *sources[10];
static unsigned calls;

static struct source *new_source(void (*ready)(struct source *, uint32_t))
{
	struct source *source = calloc(1, sizeof(*source));

	source->fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	source->ready = ready;
	ck_assert_int_eq(loop_add(loop, source, EPOLLIN), 0);
	return source;
}

static void end_source(struct source *source)
{
	loop_remove(loop, source);
	close(source->fd);
	memset(source, 0xff, sizeof(*source));
	free(source);
}

static void stop_when_called(struct timer *timer)
{
	if (calls)
		loop_stop(loop);
	else
		loop_timer(loop, timer, rm_now_ns() + MS);
}

/* All are ready in one batch: whoever is called first ends all others and itself. */
static void end_all(struct source *source, uint32_t events)
{
	ck_assert_uint_eq(events, EPOLLIN);
	ck_assert(source->live);
	calls++;
	for (size_t i = 0; i < COUNT(sources); i++)
		end_source(sources[i]);
}

START_TEST(sources_freed_in_a_callback)
{
	struct timer end = { .fire = stop_when_called };

	loop = loop_new();
	for (size_t i = 0; i < COUNT(sources); i++)
		sources[i] = new_source(end_all);
	loop_timer(loop, &end, rm_now_ns() + 20 * MS);
	loop_run(loop);
	ck_assert_uint_eq(calls, 1);
	loop_free(loop);
}
END_TEST

static void count_and_stop(struct source *source, uint32_t events)
{
	uint64_t value;

	(void)events;
	calls++;
	ck_assert_int_eq(read(source->fd, &value, sizeof(value)), sizeof(value));
	loop_stop(loop);
}

START_TEST(events_can_be_changed)
{
	struct timer end = { .fire = stop };
	struct source *source;

	loop = loop_new();
	source = new_source(count_and_stop);
	ck_assert_int_eq(loop_change(loop, source, 0), 0);
	loop_timer(loop, &end, rm_now_ns() + 20 * MS);
	loop_run(loop);
	ck_assert_uint_eq(calls, 0);
	ck_assert_int_eq(loop_change(loop, source, EPOLLIN), 0);
	loop_run(loop);
	ck_assert_uint_eq(calls, 1);
	end_source(source);
	loop_free(loop);
}
END_TEST

/* ---- pollers ---- */

static struct poller *gone;
static unsigned polled, armed;

static bool poll_a_while(struct poller *poller)
{
	(void)poller;
	return ++polled < 5;
}

static bool arm(struct poller *poller)
{
	(void)poller;
	ck_assert_uint_ge(polled, 5);
	return ++armed > 3;
}

static bool remove_other(struct poller *poller)
{
	if (gone)
		loop_poller_remove(loop, gone);
	gone = NULL;
	loop_poller_remove(loop, poller);
	return false;
}

static void stop_when_armed(struct timer *timer)
{
	if (armed > 3)
		loop_stop(loop);
	else
		loop_timer(loop, timer, rm_now_ns() + MS);
}

START_TEST(pollers_before_sleeping)
{
	struct poller poller = { .poll = poll_a_while, .arm = arm };
	struct timer end = { .fire = stop_when_armed };

	loop = loop_new();
	loop_poller(loop, &poller);
	loop_timer(loop, &end, rm_now_ns() + 20 * MS);
	loop_run(loop);
	ck_assert_uint_ge(armed, 4);
	ck_assert_uint_lt(polled, 100);         /* it slept */
	loop_free(loop);
}
END_TEST

START_TEST(pollers_removed_in_a_round)
{
	struct poller second = { .poll = poll_a_while }, first = { .poll = remove_other };
	struct timer end = { .fire = stop };

	loop = loop_new();
	loop_poller(loop, &second);
	loop_poller(loop, &first);              /* asked before it */
	gone = &second;
	loop_timer(loop, &end, rm_now_ns() + 20 * MS);
	loop_run(loop);
	ck_assert_uint_eq(polled, 0);
	loop_free(loop);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ timers_in_order, 0 }, { timer_sets_itself, 0 }, { sources_freed_in_a_callback, 0 },
		{ events_can_be_changed, 0 }, { pollers_before_sleeping, 0 },
		{ pollers_removed_in_a_round, 0 },
	};

	return unit_run("loop", tests, COUNT(tests));
}
