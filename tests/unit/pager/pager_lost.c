/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pager_lost.c - test_pager's worker is killed, or its host is lost: the process that it
 * serves goes on, or is told
 */
#include "pager_consumer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Atomic uint64_t seen;

static void *wait_for_page(void *addr)
{
	seen = word((uintptr_t)addr);
	return NULL;
}

void test_new_worker(void)
{
	uint64_t here = FAKE_BASE + 7 * 1048576, waiting = FAKE_BASE + 20 * 1048576;
	pthread_t thread;

	attach(can_poison, 0);
	CHECK(word(here) == wanted(here));
	*(volatile uint64_t *)(here + 8) = 4711;
	ask((struct message){ .command = SLOW }, NULL, 0);
	CHECK(!pthread_create(&thread, NULL, wait_for_page, (void *)waiting));
	usleep(100000);
	CHECK(!seen);
	next_worker();
	pthread_join(thread, NULL);
	CHECK(seen == wanted(waiting));
	next_worker();                          /* and once more, with copies in place */
	CHECK(word(waiting + 3 * 1048576) == wanted(waiting + 3 * 1048576));
	CHECK(!ask((struct message){ .command = COMPLETE }, NULL, 0).error);
	CHECK(!look().served);
	kill(worker, SIGKILL);
	walk();
	CHECK(word(here + 8) == 4711);
}

static void *walk_some(void *seed)
{
	const struct rm_segment *s = &rm_table_segments(fake.table)[3];
	uint64_t random = (uintptr_t)seed, addr;

	for (int i = 0; i < 2000; i++) {
		random = random * 6364136223846793005ull + 1442695040888963407ull;
		addr = s->addr + (random >> 20) % (s->length / RM_PAGE) * RM_PAGE;
		CHECK(word(addr) == wanted(addr));
	}
	return NULL;
}

/* malloc has nothing in the worker: pages come all the same, to more than the reserve is for. */
void test_no_memory(void)
{
	pthread_t threads[48];

	attach(can_poison, 0);
	CHECK(word(FAKE_BASE) == wanted(FAKE_BASE));
	CHECK(!ask((struct message){ .command = STARVE }, NULL, 0).error);
	for (uintptr_t i = 0; i < 48; i++)
		CHECK(!pthread_create(&threads[i], NULL, walk_some, (void *)(i + 1)));
	for (unsigned i = 0; i < 48; i++)
		pthread_join(threads[i], NULL);
	CHECK(!*look().told);
	walk();
	CHECK(!still_served());
	kill(worker, SIGKILL);
	walk();
}

static void lose_host(bool poison)
{
	uint64_t here = FAKE_BASE + 7 * 1048576, gone = FAKE_BASE + 20 * 1048576;

	attach(poison, 0);
	CHECK(word(here) == wanted(here));
	CHECK(!*fake.told);
	ask((struct message){ .command = LOSE }, NULL, 0);
	CHECK(raises_sigbus(gone));
	CHECK(raises_sigbus(gone + 96));       /* and stays so */
	CHECK(raises_sigbus(gone + 5 * 1048576));
	CHECK(word(here + 8) == 0 && word(here) == wanted(here));
	look();
	/* once, with the short id */
	CHECK(strstr(fake.told, "publication abababab: ") && strstr(fake.told, "fake host"));
	CHECK(strchr(fake.told, '\n') == fake.told + strlen(fake.told) - 1);
	CHECK(ask((struct message){ .command = COMPLETE }, NULL, 0).error == -EHOSTUNREACH);
	/* marked as lost, nobody is needed; else it is served as before */
	CHECK(look().served == !poison);
	CHECK(word(here) == wanted(here) && raises_sigbus(gone + 6 * 1048576));
}

/* Its host is back for the next worker, which gives what was marked as lost, too. */
void test_lost_page(void)
{
	uint64_t gone = FAKE_BASE + 20 * 1048576;

	if (!can_poison)
		return;
	attach(true, 0);
	ask((struct message){ .command = LOSE }, NULL, 0);
	CHECK(raises_sigbus(gone));
	CHECK(look().served);
	next_worker();
	CHECK(word(gone + RM_PAGE) == wanted(gone + RM_PAGE));
	CHECK(!ask((struct message){ .command = COMPLETE }, NULL, 0).error);
	CHECK(!still_served());
	kill(worker, SIGKILL);
	walk();
}

void test_lost_host(void)
{
	if (can_poison)
		lose_host(true);
}

void test_lost_host_without_poison(void)
{
	lose_host(false);
}
