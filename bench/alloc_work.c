/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * alloc_work NAME [PERCENT] - one workload for malloc, of PERCENT (100) of its length
 *
 * Each follows the description of a well-known one, named beside it; none of their code.
 * Not linked with librmmap: bench/alloc runs it under one LD_PRELOAD and another.
 */
#include <pthread.h>
#include <stdbool.h>

#include "bench.h"

#define THREADS 4
#define LENGTH(n) ((n) * percent / 100 + 1)

static long percent = 100;

static uint32_t next(uint32_t *random)
{
	*random = *random * 1664525u + 1013904223u;
	return *random >> 8;
}

static void *get(size_t size)
{
	char *p = malloc(size);

	if (!p)
		bench_die("no memory");
	p[0] = (char)size;
	p[size - 1] = (char)size;
	return p;
}

static void threads(void *(*work)(void *), unsigned count)
{
	pthread_t ids[2 * THREADS];

	for (uintptr_t i = 0; i < count; i++)
		if (pthread_create(&ids[i], NULL, work, (void *)(i + 1)))
			bench_die("no thread");
	for (unsigned i = 0; i < count; i++)
		pthread_join(ids[i], NULL);
}

/* cfrac: numbers of a few words, made and dropped at once, some kept for longer */
static void cfrac(void)
{
	void *kept[512] = { 0 }, *last[4] = { 0 };
	uint32_t random = 1;

	for (long i = 0; i < LENGTH(12000000L); i++) {
		free(last[i & 3]);
		last[i & 3] = get(8 + next(&random) % 5 * 8);
		if (i % 16 == 0) {
			void **k = &kept[next(&random) % 512];

			free(*k);
			*k = get(40);
		}
	}
}

/* espresso: sets of 16 to 300 bytes, built in groups, released in groups, some grown */
static void espresso(void)
{
	static void *set[4096];
	uint32_t random = 2;

	for (long round = 0; round < LENGTH(2500L); round++) {
		unsigned from = next(&random) % 2048, count = 512 + next(&random) % 1536;

		for (unsigned i = from; i < from + count; i++) {
			free(set[i]);
			set[i] = get(16 + next(&random) % 284);
			if (i % 32 == 0 && !(set[i] = realloc(set[i], 700)))
				bench_die("no memory");
		}
		for (unsigned i = from; i < from + count; i += 2) {
			free(set[i]);
			set[i] = NULL;
		}
	}
}

/* sh6bench: runs of one size, freed partly in the order they came and partly backwards */
static void sh6(void)
{
	static void *block[4000];
	uint32_t random = 3;

	for (long round = 0; round < LENGTH(600L); round++) {
		size_t size = 1 + next(&random) % (round % 8 ? 100 : 1000);

		for (int i = 0; i < 4000; i++)
			block[i] = get(size);
		for (int i = 0; i < 4000; i += 2)
			free(block[i]);
		for (int i = 3999; i > 0; i -= 2)
			free(block[i]);
	}
}

/* rptest: sizes of 16 to 16000 bytes, most of them small, in random order */
static void rptest_work(uint32_t random, long length)
{
	void **block = calloc(8192, sizeof(*block));

	for (long i = 0; block && i < length; i++) {
		void **b = &block[next(&random) % 8192];
		unsigned shift = next(&random) % 10;

		free(*b);
		*b = get(16 + next(&random) % (16u << shift));
	}
	for (int i = 0; block && i < 8192; i++)
		free(block[i]);
	free(block);
}

static void rptest(void)
{
	rptest_work(4, LENGTH(4000000L));
}

static void *rptest_thread(void *arg)
{
	rptest_work((uint32_t)(uintptr_t)arg, LENGTH(1000000L));
	return NULL;
}

static void rptest_threads(void)
{
	threads(rptest_thread, THREADS);
}

/* buffers that grow by realloc to megabytes, as a reader of lines or files has them */
static void grow(void)
{
	for (long round = 0; round < LENGTH(60L); round++) {
		char *a = NULL, *b = NULL;

		for (size_t size = 64; size < (size_t)8 << 20; size += size / 4) {
			a = realloc(a, size);
			b = realloc(b, size / 2);
			if (!a || !b)
				bench_die("no memory");
			memset(a + size - size / 5, 1, size / 5);
		}
		free(a);
		free(b);
	}
}

/* malloc-large: blocks of 5 to 25 MiB, up to twenty at once, each touched */
static void large(void)
{
	void *block[20] = { 0 };
	uint32_t random = 5;

	for (long i = 0; i < LENGTH(200L); i++) {
		void **b = &block[next(&random) % 20];
		size_t size = ((size_t)5 << 20) + next(&random) % (20u << 20);

		free(*b);
		*b = get(size);
		for (size_t k = 0; k < size; k += 4096)
			((char *)*b)[k] = 1;
	}
}

/* glibc's bench-malloc-simple: so many of one size, then all freed */
static void simple(void)
{
	static const size_t sizes[] = { 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096 };
	static void *block[1600];

	for (long round = 0; round < LENGTH(2000L); round++) {
		size_t size = sizes[round % 10];

		for (int i = 0; i < 1600; i++)
			block[i] = get(size);
		for (int i = 0; i < 1600; i++)
			free(block[i]);
	}
}

/* glibc's bench-malloc-thread: threads, each with a working set of its own */
static void *thread_work(void *arg)
{
	void *block[1024] = { 0 };
	uint32_t random = (uint32_t)(uintptr_t)arg;

	for (long i = 0; i < LENGTH(6000000L); i++) {
		void **b = &block[next(&random) % 1024];

		free(*b);
		*b = get(4 + next(&random) % 1000 * (next(&random) % 8 == 0 ? 16 : 1));
	}
	for (int i = 0; i < 1024; i++)
		free(block[i]);
	return NULL;
}

static void thread(void)
{
	threads(thread_work, THREADS);
}

/* larson: a thread works on what an earlier one left, and ends; the next takes it over */
#define LARSON_BLOCKS 5000
static void *larson_block[THREADS][LARSON_BLOCKS];

static void *larson_work(void *arg)
{
	void **block = larson_block[(uintptr_t)arg - 1];
	uint32_t random = (uint32_t)(uintptr_t)arg;

	for (long i = 0; i < 200000; i++) {
		void **b = &block[next(&random) % LARSON_BLOCKS];

		free(*b);
		*b = get(8 + next(&random) % 500);
	}
	return NULL;
}

static void larson(void)
{
	for (long round = 0; round < LENGTH(30L); round++) {
		void *first[LARSON_BLOCKS];

		threads(larson_work, THREADS);
		memcpy(first, larson_block[0], sizeof(first));
		memmove(larson_block[0], larson_block[1], sizeof(first) * (THREADS - 1));
		memcpy(larson_block[THREADS - 1], first, sizeof(first));
	}
}

/* cache-scratch: each thread writes to a small block that the main thread allocated */
static void *scratch_work(void *arg)
{
	void **given = arg;
	char *p = *given;

	for (long i = 0; i < LENGTH(60000L); i++) {
		for (int k = 0; k < 500; k++)
			p[k % 8]++;
		free(p);
		p = get(8);
	}
	free(p);
	return NULL;
}

static void scratch(void)
{
	pthread_t ids[THREADS];
	void *given[THREADS];

	for (int i = 0; i < THREADS; i++)
		given[i] = get(8);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&ids[i], NULL, scratch_work, &given[i]))
			bench_die("no thread");
	for (int i = 0; i < THREADS; i++)
		pthread_join(ids[i], NULL);
}

/* cache-thrash: threads with small blocks of their own, written to again and again */
static void *thrash_work(void *arg)
{
	(void)arg;
	for (long i = 0; i < LENGTH(60000L); i++) {
		char *p = get(8);

		for (int k = 0; k < 500; k++)
			p[k % 8]++;
		free(p);
	}
	return NULL;
}

static void thrash(void)
{
	threads(thrash_work, THREADS);
}

/* xmalloc: half of the threads allocate, the others free what they are handed */
#define BATCH 512
#define QUEUE 16
static void *queue[QUEUE][BATCH];
static int queued;
static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t queue_changed = PTHREAD_COND_INITIALIZER;

static void pass(void *batch[BATCH], int full, int to)
{
	pthread_mutex_lock(&queue_lock);
	while (queued == full)
		pthread_cond_wait(&queue_changed, &queue_lock);
	if (to > 0)
		memcpy(queue[queued++], batch, sizeof(queue[0]));
	else
		memcpy(batch, queue[--queued], sizeof(queue[0]));
	pthread_cond_broadcast(&queue_changed);
	pthread_mutex_unlock(&queue_lock);
}

static void *xmalloc_work(void *arg)
{
	bool producer = (uintptr_t)arg % 2;
	uint32_t random = (uint32_t)(uintptr_t)arg;
	void *batch[BATCH];

	for (long i = 0; i < LENGTH(6000L); i++) {
		for (int k = 0; producer && k < BATCH; k++)
			batch[k] = get(16 + next(&random) % 240);
		pass(batch, producer ? QUEUE : 0, producer ? 1 : -1);
		for (int k = 0; !producer && k < BATCH; k++)
			free(batch[k]);
	}
	return NULL;
}

static void xmalloc(void)
{
	threads(xmalloc_work, THREADS);
}

static const struct { const char *name; void (*run)(void); } workloads[] = {
	{ "cfrac", cfrac }, { "espresso", espresso }, { "sh6bench", sh6 }, { "rptest", rptest },
	{ "realloc", grow }, { "malloc-large", large }, { "simple", simple },
	{ "thread", thread }, { "rptest-threads", rptest_threads }, { "larson", larson },
	{ "cache-scratch", scratch }, { "cache-thrash", thrash }, { "xmalloc", xmalloc },
};

int main(int argc, char **argv)
{
	if (argc > 2)
		percent = atol(argv[2]);
	for (size_t i = 0; argc > 1 && i < sizeof(workloads) / sizeof(workloads[0]); i++)
		if (!strcmp(argv[1], workloads[i].name)) {
			workloads[i].run();
			return 0;
		}
	bench_die("usage: alloc_work NAME [PERCENT]; see bench/README for the names");
}
