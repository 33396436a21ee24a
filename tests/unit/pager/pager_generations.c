/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pager_generations.c - the process of test_pager maps caches of an earlier worker: what is
 * absent there comes by copies, whoever fetched it, and is never read as zeros
 *
 * Each test ends with no worker: what was said to be complete must be in what is mapped.
 */
#include "pager_consumer.h"

#include <signal.h>
#include <sys/resource.h>

#define SOMEWHERE (FAKE_BASE + 20 * 1048576)

static void alone(void)
{
	kill(worker, SIGKILL);
	walk();
}

static void other_fetches_all(void)
{
	CHECK(!ask((struct message){ .command = OTHER }, NULL, 0).error);
}

static void complete(void)
{
	CHECK(!ask((struct message){ .command = COMPLETE }, NULL, 0).error);
	CHECK(!still_served());
}

/* The worker that answered the attach is gone when it is asked to serve. */
void test_served_by_the_next(void)
{
	attach_map(can_poison, 0);
	next_worker();
	attach_serve(can_poison);
	CHECK(word(SOMEWHERE) == wanted(SOMEWHERE));
	complete();
	alone();
}

/* And the one that serves has all pages, in another file. */
void test_complete_for_the_next(void)
{
	attach_map(can_poison, 0);
	next_worker();
	other_fetches_all();
	attach_serve(can_poison);
	CHECK(look().served);
	CHECK(word(SOMEWHERE) == wanted(SOMEWHERE));
	CHECK(look().served);
	complete();
	alone();
}

/* The last worker finds complete caches, and does not make them anew. */
void test_others_fetch_between_deaths(void)
{
	attach(can_poison, 0);
	CHECK(word(SOMEWHERE) == wanted(SOMEWHERE));
	*(volatile uint64_t *)(SOMEWHERE + 8) = 4711;
	next_worker();
	other_fetches_all();
	next_worker();
	CHECK(look().served);
	CHECK(word(SOMEWHERE + 1048576) == wanted(SOMEWHERE + 1048576));
	complete();
	CHECK(*(volatile uint64_t *)(SOMEWHERE + 8) == 4711);
	*(volatile uint64_t *)(SOMEWHERE + 8) = 0;
	alone();
}

/* Pages come one by one; with the last it is served to the end. */
void test_copies_without_completion(void)
{
	attach(can_poison, 0);
	next_worker();
	CHECK(word(SOMEWHERE) == wanted(SOMEWHERE));
	other_fetches_all();
	next_worker();
	CHECK(look().served);
	walk();
	/* some were left for a fault of which nobody knows: see ahead.c */
	walk();
	CHECK(!still_served());
	alone();
}

/* The record says that the next worker's files are mapped. The kernel knows that they are not. */
void test_other_file(void)
{
	attach(can_poison, 0);
	CHECK(word(SOMEWHERE) == wanted(SOMEWHERE));
	ask((struct message){ .command = TRUST }, NULL, 0);
	look();
	next_worker();
	CHECK(word(SOMEWHERE + 1048576) == wanted(SOMEWHERE + 1048576));
	complete();
	alone();
}

/* The same, and nothing is touched before it seems to be complete. */
void test_other_file_untouched(void)
{
	attach_map(can_poison, 0);
	ask((struct message){ .command = TRUST }, NULL, 0);
	look();
	next_worker();
	other_fetches_all();
	attach_serve(can_poison);
	CHECK(look().served);
	complete();
	alone();
}

/*
 * What was counted says that nothing is left. The worker ends rather than that it lets go, and
 * the next one gives all by copies.
 */
void test_about_to_read_zeros(void)
{
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	attach(can_poison, 0);
	CHECK(word(SOMEWHERE) == wanted(SOMEWHERE));
	ask((struct message){ .command = FORGET }, NULL, 0);
	CHECK(ended_by() == SIGABRT);
	next_worker();
	CHECK(word(SOMEWHERE + 1048576) == wanted(SOMEWHERE + 1048576));
	complete();
	alone();
}

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
	(void)number;
	signals++;
}

/* And where that was so already it is not tried again: SIGBUS, and all stays registered. */
void test_about_to_read_zeros_again(void)
{
	struct sigaction action = { .sa_handler = count_signal };
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	CHECK(!sigaction(SIGBUS, &action, NULL));
	attach(can_poison, 0);
	ask((struct message){ .command = FORGET }, NULL, 0);
	CHECK(ended_by() == SIGABRT);
	next_worker();
	CHECK(!signals);
	ask((struct message){ .command = FORGET }, NULL, 0);
	CHECK(look().served && signals == 1);
	walk();
	CHECK(ask((struct message){ .command = COMPLETE }, NULL, 0).error == -EIO);
	CHECK(look().served);
}
