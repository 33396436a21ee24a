/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * alloc_churn [PAIRS [THREADS]] - nanoseconds for one malloc and one free of small blocks
 *
 * Not linked with librmmap: run it plain, and with one allocator and another in LD_PRELOAD.
 * Prints the least of nine rounds, since whatever else runs on the machine only adds.
 */
#include <pthread.h>

#include "bench.h"

#define BLOCKS 256
#define SIZE_MASK 511
#define ROUNDS 9

static long pairs = 5000000;

static void *churn(void *arg)
{
	void *blocks[BLOCKS] = { 0 };
	uint32_t random = (uint32_t)(uintptr_t)arg * 2654435761u + 1;

	for (long i = 0; i < pairs; i++) {
		void **block;

		random = random * 1103515245u + 12345u;
		block = &blocks[random >> 24];
		free(*block);
		*block = malloc((random >> 8 & SIZE_MASK) + 1);
		if (!*block)
			bench_die("no memory");
	}
	for (int i = 0; i < BLOCKS; i++)
		free(blocks[i]);
	return NULL;
}

static double seconds(unsigned threads)
{
	pthread_t ids[64];
	double start = bench_now();

	for (unsigned i = 1; i < threads; i++)
		if (pthread_create(&ids[i], NULL, churn, (void *)(uintptr_t)i))
			bench_die("no thread");
	churn(NULL);
	for (unsigned i = 1; i < threads; i++)
		pthread_join(ids[i], NULL);
	return bench_now() - start;
}

int main(int argc, char **argv)
{
	unsigned threads = argc > 2 ? (unsigned)atoi(argv[2]) : 1;
	double best = 0;

	if (argc > 1)
		pairs = atol(argv[1]);
	if (pairs < 1 || threads < 1 || threads > 64)
		bench_die("usage: alloc_churn [PAIRS [THREADS, at most 64]]");
	for (int i = 0; i < ROUNDS; i++) {
		double s = seconds(threads);

		if (!i || s < best)
			best = s;
	}
	printf("%.2f ns a pair\n", best * 1e9 / (double)pairs / threads);
	return 0;
}
