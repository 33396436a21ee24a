/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_pager - page faults of this process, served by a worker in another one, whose other
 * host is fake_host.c's
 *
 * Each test is a process of its own, the consumer of pager_consumer.h. Here it reads and
 * writes in all orders; in pager_ahead.c it follows pointers, in pager_lost.c its worker is
 * killed, or loses its host, in pager_generations.c it maps what a killed one had.
 */
#include "pager_consumer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../src/common/huge.h"
#include "../../smaps.h"

static void test_in_order(void)
{
	struct message m;

	attach(can_poison, 0);
	walk();
	m = look();
	CHECK(m.counters.faults > 10);
	/* batches grow to 512 pages, and holes need no reads */
	CHECK(m.counters.faults < 300);
	CHECK(m.counters.fault_ns > 0);
	CHECK(m.counters.fetched_pages == (1 + 40) * 256 + 683);
	/* all data is here: nobody serves any more, and nobody needs to */
	CHECK(!still_served());
	CHECK(!(fcntl(line[0], F_GETFL) & O_ASYNC));
	kill(worker, SIGKILL);
	walk();
}

static void test_downwards(void)
{
	struct message m;

	attach(can_poison, 0);
	for (unsigned i = 4; i--;) {
		const struct rm_segment *s = &rm_table_segments(fake.table)[i];

		for (uint64_t at = s->addr + s->length; at > s->addr; at -= RM_PAGE)
			CHECK(word(at - RM_PAGE) == wanted(at - RM_PAGE));
	}
	m = look();
	CHECK(m.counters.faults < 400);
	CHECK(!still_served());
}

static void *random_walk(void *seed)
{
	uint64_t random = (uintptr_t)seed;

	for (int i = 0; i < 3000; i++) {
		const struct rm_segment *s;
		uint64_t addr;

		random = random * 6364136223846793005ull + 1442695040888963407ull;
		s = &rm_table_segments(fake.table)[random >> 62];
		addr = s->addr + (random >> 20) % (s->length / RM_PAGE) * RM_PAGE;
		CHECK(word(addr) == wanted(addr));
		if (i % 3)
			continue;
		/* each thread writes words of its own; they stay private to the process */
		((volatile uint64_t *)addr)[1 + (uintptr_t)seed] = random;
		CHECK(((volatile uint64_t *)addr)[1 + (uintptr_t)seed] == random);
	}
	return NULL;
}

static void test_random_in_four_threads(void)
{
	pthread_t threads[4];

	attach(can_poison, 0);
	for (uintptr_t i = 0; i < 4; i++)
		CHECK(!pthread_create(&threads[i], NULL, random_walk, (void *)(i + 1)));
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	walk();
}

static void test_writes_and_system_calls(void)
{
	uint64_t at = FAKE_BASE + 8 * 1048576;
	char buffer[64];
	int p[2];

	attach(can_poison, 0);
	*(volatile char *)(at + 100) = 5;       /* an absent page, then a hole */
	CHECK(word(at) == wanted(at) && *(volatile char *)(at + 100) == 5);
	*(volatile char *)(FAKE_BASE + 2 * 1048576 + 2 * RM_PAGE + 9) = 6;
	CHECK(word(FAKE_BASE + 2 * 1048576 + 2 * RM_PAGE) == 0);
	CHECK(*(volatile char *)(FAKE_BASE + 2 * 1048576 + 2 * RM_PAGE + 9) == 6);
	CHECK(!pipe(p));
	at += 4 * 1048576;
	CHECK(write(p[1], (void *)at, 8) == 8 && read(p[0], buffer, 64) == 8);
	CHECK(!memcmp(buffer, &(uint64_t){ wanted(at) }, 8));
	at += 4 * 1048576;
	CHECK(write(p[1], "read", 4) == 4 && read(p[0], (void *)(at + 50), 64) == 4);
	CHECK(word(at) == wanted(at) && !memcmp((void *)(at + 50), "read", 4));
}

static void test_own_memory_in_between(void)
{
	uint64_t own = FAKE_BASE + 10 * 1048576 + 5 * RM_PAGE;

	attach(can_poison, own);
	for (uint64_t at = own - 40 * RM_PAGE; at < own + 400 * RM_PAGE; at += RM_PAGE) {
		if (at == own)
			CHECK(word(at) == 0x7777777777777777ull);
		else if (at != own + RM_PAGE)   /* unmapped */
			CHECK(word(at) == wanted(at));
	}
	CHECK(!ask((struct message){ .command = COMPLETE }, NULL, 0).error);
	CHECK(word(own) == 0x7777777777777777ull);
	CHECK(!look().served);
}

static void test_complete(void)
{
	attach(can_poison, 0);
	CHECK(word(FAKE_BASE) == wanted(FAKE_BASE));
	CHECK(look().served);
	CHECK(!ask((struct message){ .command = COMPLETE }, NULL, 0).error);
	CHECK(!look().served);
	kill(worker, SIGKILL);
	walk();
}

/*
 * The block in which one page was asked for by nobody: present in the file, and absent. It is
 * never seen before it is filled, whoever dies, and is mapped as one where it came whole.
 */
static void test_blocks(void)
{
	uint64_t at = FAKE_BASE + 6 * 1048576, end = at + 12 * 1048576;

	if (rm_huge_probe())
		return;
	prefetch = RM_PREFETCH_SEQUENTIAL;
	attach(can_poison, 0);
	for (; at < end; at += RM_PAGE)
		CHECK(word(at) == wanted(at));
	CHECK(smaps_huge_kb("rmmap-cache", " rw-p ") >= 2048);
	CHECK(look().served);
	next_worker();
	/* what was unregistered stays as it is; the rest comes as copies */
	for (at = FAKE_BASE + 6 * 1048576; at < end + 4 * 1048576; at += RM_PAGE)
		CHECK(word(at) == wanted(at));
	CHECK(!ask((struct message){ .command = COMPLETE }, NULL, 0).error);
	kill(worker, SIGKILL);
	walk();
}

static int run(const char *name, void (*test)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		alarm(60);
		test();
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status) {
		printf("FAIL %s (status %x)\n", name, status);
		return 1;
	}
	printf("ok   %s\n", name);
	return 0;
}

int main(void)
{
	int failed = 0, fd = open_uffd(true);

	setvbuf(stdout, NULL, _IOLBF, 0);
	can_poison = fd >= 0;
	if (fd < 0)
		fd = open_uffd(false);
	if (fd < 0) {
		printf("SKIP: userfaultfd is not allowed here (%s)\n", strerror(errno));
		return 77;
	}
	close(fd);
	printf("UFFDIO_POISON: %s\n", can_poison ? "yes" : "no, its test is left out");
	failed += run("in order", test_in_order);
	failed += run("downwards", test_downwards);
	failed += run("random, 4 threads", test_random_in_four_threads);
	failed += run("writes and system calls", test_writes_and_system_calls);
	failed += run("own memory in between", test_own_memory_in_between);
	failed += run("complete", test_complete);
	failed += run("blocks", test_blocks);
	failed += run("chain", test_chain);
	failed += run("chain, without pointers", test_chain_without_pointers);
	failed += run("nothing ahead", test_nothing_ahead);
	failed += run("hostile pages", test_hostile_pages);
	failed += run("left and waited for", test_left_and_waited_for);
	failed += run("new worker", test_new_worker);
	failed += run("served by the next worker", test_served_by_the_next);
	failed += run("complete for the next worker", test_complete_for_the_next);
	failed += run("others fetch between deaths", test_others_fetch_between_deaths);
	failed += run("copies without completion", test_copies_without_completion);
	failed += run("other file", test_other_file);
	failed += run("other file, untouched", test_other_file_untouched);
	failed += run("about to read zeros", test_about_to_read_zeros);
	failed += run("about to read zeros again", test_about_to_read_zeros_again);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)     /* malloc of their own */
	failed += run("no memory", test_no_memory);
#endif
	failed += run("lost page", test_lost_page);
	failed += run("lost host", test_lost_host);
	failed += run("lost host, no poison", test_lost_host_without_poison);
	return failed != 0;
}
