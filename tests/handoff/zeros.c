/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * zeros - memory from calloc() is zero, here and for whoever attaches it, in memory that is
 * shared, frozen or anonymous, whatever was given back and taken again around publishes;
 * and what a block holds it goes on holding; what was given back is not published again
 */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handoff.h"

#define BLOCKS 160
#define ROUNDS 12
#define OPERATIONS 150
#define THREADS 3

struct block {
	unsigned char *data;
	size_t size;
	unsigned char fill;             /* all bytes but those that only calloc() wrote; 0: zeros */
};

struct table {
	struct block blocks[BLOCKS];
	uint64_t random;
};

static volatile bool stop;

static uint64_t draw(struct table *t)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return t->random;
}

/* Mostly small, now and then of many pages: it is those that are given back in between. */
static size_t draw_size(struct table *t)
{
	uint64_t r = draw(t);

	switch (r % 16) {
	case 0: return ((size_t)1 << 20) + r / 16 % ((size_t)5 << 20);
	case 1: case 2: case 3: return 4096 + r / 16 % 300000;
	default: return 1 + r / 16 % 6000;
	}
}

static bool holds(const struct block *block)
{
	return !block->data || (block->data[0] == block->fill &&
		!memcmp(block->data, block->data + 1, block->size - 1));
}

static void change(struct table *t)
{
	struct block *block = &t->blocks[draw(t) % BLOCKS];

	CHECK(holds(block));
	if (block->data && draw(t) % 4) {
		free(block->data);
		block->data = NULL;
		return;
	}
	free(block->data);
	block->size = draw_size(t);
	block->fill = draw(t) % 2 ? (unsigned char)(draw(t) % 255 + 1) : 0;
	block->data = block->fill ? malloc(block->size) : calloc(1, block->size);
	CHECK(block->data);
	if (block->fill)
		memset(block->data, block->fill, block->size);
	CHECK(holds(block));
}

static bool all_hold(const struct table *t)
{
	for (int i = 0; i < BLOCKS; i++)
		if (!holds(&t->blocks[i])) {
			fprintf(stderr, "block %d (%zu bytes at %p): not all %d\n", i,
			        t->blocks[i].size, (void *)t->blocks[i].data, t->blocks[i].fill);
			return false;
		}
	return true;
}

static void *churn(void *arg)
{
	struct table *t = calloc(1, sizeof(*t));

	CHECK(t);
	t->random = (uintptr_t)arg;
	while (!stop) {
		change(t);
		usleep(1000);           /* what changes is copied by each publish */
	}
	CHECK(all_hold(t));
	return NULL;
}

/* Not by fork(), which would freeze the heap as well. */
static void check_elsewhere(char *handle)
{
	char self[] = "self", mode[] = "check", *argv[] = { self, mode, handle, NULL };
	extern char **environ;
	int status;
	pid_t pid;

	CHECK(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ) == 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int check_mode(const char *handle)
{
	const struct table *t = rmmap_attach(handle);

	CHECK(t);
	return all_hold(t) ? 0 : 1;
}

/* With an odd seed beside other threads. */
static int produce_blocks(const char *seed)
{
	char handle[RMMAP_HANDLE_MAX], before[RMMAP_HANDLE_MAX] = "";
	struct table *t = calloc(1, sizeof(*t));
	pthread_t threads[THREADS];
	int thread_count = atoi(seed) % 2 ? THREADS : 0;

	CHECK(t);
	t->random = strtoull(seed, NULL, 10) * 0x9e3779b97f4a7c15u + 1;
	for (int i = 0; i < thread_count; i++)
		CHECK(!pthread_create(&threads[i], NULL, churn, (void *)(uintptr_t)(t->random + i)));
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < OPERATIONS; i++)
			change(t);
		CHECK(rmmap_publish(t, handle, sizeof(handle)) == 0);
		check_elsewhere(handle);
		CHECK(!before[0] || rmmap_unpublish(before) == 0);
		strcpy(before, handle);
	}
	stop = true;
	for (int i = 0; i < thread_count; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	CHECK(all_hold(t));
	return 0;
}

/* One large block, given back and taken again between publishes: zeros each time. */
static int produce_one(void)
{
	const size_t size = 6 << 20;
	struct table *t = calloc(1, sizeof(*t));
	char handle[RMMAP_HANDLE_MAX];

	for (int round = 0; round < 8; round++) {
		struct block *block = t->blocks;

		free(block->data);
		block->size = size;
		block->fill = round % 2 ? 0 : (unsigned char)(round + 1);
		block->data = block->fill ? malloc(size) : calloc(1, size);
		CHECK(block->data && (block->fill || holds(block)));
		if (block->fill)
			memset(block->data, block->fill, size);
		CHECK(rmmap_publish(t, handle, sizeof(handle)) == 0);
		check_elsewhere(handle);
	}
	return 0;
}

static uint64_t published(void)
{
	struct rmmap_stats stats = { .size = sizeof(stats) };

	CHECK(rmmap_stats(&stats) == 0);
	return stats.published_bytes;
}

/* 64 MiB, published, freed and given back: they are in no later publication. */
static int produce_freed(void)
{
	static char *blocks[64];
	char handle[RMMAP_HANDLE_MAX];
	uint64_t before;

	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 64; i++) {
			blocks[i] = malloc(1 << 20);
			CHECK(blocks[i]);
			memset(blocks[i], 'f', 1 << 20);
		}
		before = published();
		CHECK(rmmap_publish(blocks[0], handle, sizeof(handle)) == 0);
		CHECK(published() - before >= 64 << 20);
		for (int i = 1; i < 64; i++)
			free(blocks[i]);
		malloc_trim(0);
		before = published();
		CHECK(rmmap_publish(blocks[0], handle, sizeof(handle)) == 0);
		CHECK(published() - before < 8 << 20);
		free(blocks[0]);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);
	static const char *const heaps[] = { "shared", "anon" };
	static const char *const decays[] = { "dirty_decay_ms:0,muzzy_decay_ms:0",
	                                      "dirty_decay_ms:0,muzzy_decay_ms:50", "" };
	static const char *const alone[] = { "0", "2", "4", "6", "8", "10" };
	static const char *const threaded[] = { "1", "3", "5", "7", "9", "11" };
	char text[64];

	if (mode && strcmp(mode, "check") == 0)
		return check_mode(argv[2]);
	if (mode && strcmp(mode, "blocks") == 0)
		return produce_blocks(argv[2]);
	if (mode && strcmp(mode, "one") == 0)
		return produce_one();
	if (mode && strcmp(mode, "freed") == 0)
		return produce_freed();
	for (int i = 0; i < 6; i++) {
		setenv("RMMAP_HEAP", heaps[i % 2], 1);
		setenv("RMMAP_MALLOC_CONF", decays[i / 2], 1);
		CHECK(run_self("one", "", text, sizeof(text)) == 0);
		CHECK(run_self("freed", "", text, sizeof(text)) == 0);
		CHECK(run_self("blocks", alone[i], text, sizeof(text)) == 0);
		CHECK(run_self("blocks", threaded[i], text, sizeof(text)) == 0);
	}
	return 0;
}
