/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Publications that share pages, and what becomes of them: RMMAP_LIMIT, unpublish, expiry,
 * rmmapd's worker killed, and all of rmmapd killed. The publisher goes on in each case, and
 * what it publishes next is complete.
 */
#include "handoff.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#define WORDS (1u << 20)                /* 8 MiB */
#define PAGE_WORDS 512u

static uint64_t *words;

/* Each page says which round wrote it last. */
static void write_pages(unsigned every, uint64_t round)
{
	for (unsigned i = 0; i < WORDS; i += every * PAGE_WORDS)
		words[i] = round << 32 | i;
}

static uint64_t sum(const uint64_t *array)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < WORDS; i += PAGE_WORDS)
		total = total * 31 + array[i];
	return total;
}

static void publish(char handle[RMMAP_HANDLE_MAX], unsigned ttl_ms)
{
	struct rmmap_publish_options options = RMMAP_PUBLISH_OPTIONS_INIT;

	options.ttl_ms = ttl_ms;
	CHECK(rmmap_publish_with(words, &options, handle, RMMAP_HANDLE_MAX) == 0);
}

/* What another process finds in it is what was written here until the publish. */
static void check(const char *handle, uint64_t expected)
{
	char out[32];

	CHECK(run_self("sum", handle, out, sizeof(out)) == 0);
	CHECK(strtoull(out, NULL, 16) == expected);
}

static int sum_mode(const char *handle)
{
	const uint64_t *root = rmmap_attach(handle);

	CHECK(root);
	printf("%llx", (unsigned long long)sum(root));
	return 0;
}

static pid_t worker(void)
{
	pid_t pid = 0;

	CHECK(daemon_children(daemon_pid(), &pid, 1) >= 1);
	return pid;
}

static void wait_gone(pid_t pid)
{
	for (int i = 0; i < 6000 && !process_gone(pid); i++)
		nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
	CHECK(process_gone(pid));
}

/* ---- */

static void unpublish_in_any_order(void)
{
	char handles[4][RMMAP_HANDLE_MAX];
	uint64_t sums[4];

	for (unsigned i = 0; i < 4; i++) {
		write_pages(1 + i * 7, i + 1);
		publish(handles[i], 0);
		sums[i] = sum(words);
	}
	CHECK(rmmap_unpublish(handles[0]) == 0);
	check(handles[1], sums[1]);
	CHECK(rmmap_unpublish(handles[3]) == 0);
	check(handles[2], sums[2]);
	CHECK(rmmap_unpublish(handles[2]) == 0);
	check(handles[1], sums[1]);
	CHECK(rmmap_unpublish(handles[1]) == 0);
}

static void expiry(void)
{
	char brief[RMMAP_HANDLE_MAX], lasting[RMMAP_HANDLE_MAX], out[16];

	write_pages(1, 10);
	publish(brief, 200);
	write_pages(5, 11);
	publish(lasting, 0);
	nanosleep(&(struct timespec){ 0, 700000000 }, NULL);
	CHECK(run_self("gone", brief, out, sizeof(out)) == 0);
	check(lasting, sum(words));
	/* the last one is gone too, and the process goes on from there */
	CHECK(rmmap_unpublish(lasting) == 0);
	write_pages(9, 12);
	publish(lasting, 0);
	check(lasting, sum(words));
	CHECK(rmmap_unpublish(lasting) == 0);
}

static void worker_killed(void)
{
	char first[RMMAP_HANDLE_MAX], second[RMMAP_HANDLE_MAX];
	uint64_t before;
	pid_t pid;

	write_pages(3, 20);
	publish(first, 0);
	before = sum(words);
	pid = worker();
	CHECK(kill(pid, SIGKILL) == 0);
	wait_gone(pid);
	write_pages(4, 21);
	publish(second, 0);
	check(first, before);
	check(second, sum(words));
	/* nothing but what is held for this process is left, and a new worker has not even that */
	CHECK(rmmap_unpublish(first) == 0 && rmmap_unpublish(second) == 0);
	pid = worker();
	CHECK(kill(pid, SIGKILL) == 0);
	wait_gone(pid);
	write_pages(6, 22);
	publish(first, 0);
	check(first, sum(words));
	CHECK(rmmap_unpublish(first) == 0);
}

static void all_killed(void)
{
	char first[RMMAP_HANDLE_MAX], second[RMMAP_HANDLE_MAX], out[16];
	pid_t keeper, pid;

	write_pages(3, 30);
	publish(first, 0);
	keeper = daemon_pid();
	pid = worker();
	CHECK(kill(keeper, SIGSTOP) == 0 && kill(pid, SIGKILL) == 0 && kill(keeper, SIGKILL) == 0);
	wait_gone(pid);
	wait_gone(keeper);
	write_pages(4, 31);
	publish(second, 0);
	check(second, sum(words));
	CHECK(daemon_pid() != keeper);
	CHECK(run_self("gone", first, out, sizeof(out)) == 0);
	write_pages(8, 32);
	publish(first, 0);
	check(first, sum(words));
	CHECK(rmmap_unpublish(first) == 0 && rmmap_unpublish(second) == 0);
}

static int gone_mode(const char *handle)
{
	CHECK(rmmap_attach(handle) == NULL && errno == ENOENT);
	return 0;
}

/* In a run directory of its own, whose rmmapd may hold 24 MiB: two whole ones, not three. */
static int limit_mode(void)
{
	char handles[2][RMMAP_HANDLE_MAX], refused[RMMAP_HANDLE_MAX];
	uint64_t sums[2];

	for (unsigned i = 0; i < 2; i++) {
		write_pages(1, 40 + i);
		publish(handles[i], 0);
		sums[i] = sum(words);
	}
	write_pages(1, 42);
	for (unsigned i = 0; i < 3; i++) {
		CHECK(rmmap_publish(words, refused, sizeof(refused)) == -1);
		CHECK_ERROR(ENOSPC, "RMMAP_LIMIT");
		CHECK(refused[0] == '\0');
		write_pages(3, 43 + i);
	}
	check(handles[0], sums[0]);
	check(handles[1], sums[1]);
	CHECK(rmmap_unpublish(handles[1]) == 0);
	publish(handles[1], 0);
	check(handles[1], sum(words));
	check(handles[0], sums[0]);
	return 0;
}

static void limit(void)
{
	char *home = strdup(getenv("RMMAP_RUNDIR")), out[16];

	setenv("RMMAP_RUNDIR", other_rundir(), 1);
	setenv("RMMAP_LIMIT", "24M", 1);
	CHECK(run_self("limit", "", out, sizeof(out)) == 0);
	unsetenv("RMMAP_LIMIT");
	setenv("RMMAP_RUNDIR", home, 1);
	free(home);
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);

	words = calloc(WORDS, sizeof(*words));
	CHECK(words);
	if (mode && strcmp(mode, "sum") == 0)
		return sum_mode(argv[2]);
	if (mode && strcmp(mode, "gone") == 0)
		return gone_mode(argv[2]);
	if (mode && strcmp(mode, "limit") == 0)
		return limit_mode();
	unpublish_in_any_order();
	expiry();
	worker_killed();
	all_killed();
	limit();
	return 0;
}
