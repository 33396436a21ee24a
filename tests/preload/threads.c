/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * threads - on 64 threads, in destructors of thread-locals and after them, in constructors of
 * libraries: every allocation lies in one slot, memory passes between threads
 */
#include "preload.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "ctor.h"

#define THREADS 64
#define ROUNDS 2000
#define BOX 512

static _Atomic(void *) box[BOX];        /* blocks on their way to another thread */
static unsigned the_slot;
static pthread_key_t early, late;

static void *take(size_t size, unsigned how)
{
	void *p = NULL;

	switch (how % 4) {
	case 0: p = malloc(size); break;
	case 1: p = calloc(1, size); break;
	case 2: CHECK(posix_memalign(&p, (size_t)16 << how % 8, size) == 0); break;
	case 3: p = realloc(malloc(size / 2), size); break;
	}
	CHECK(p && in_window(p) && slot_of(p) == the_slot);
	memset(p, (int)how, size < 64 ? size : 64);
	return p;
}

/* Comes again in each round of destructors, as long as there are any. */
static void destructor(void *arg)
{
	void *p = malloc(3000);

	OPAQUE(p);
	CHECK(p);
	if ((uintptr_t)arg < 3) {
		CHECK(in_window(p) && slot_of(p) == the_slot);
		pthread_setspecific(early, (char *)arg + 1);
		pthread_setspecific(late, (char *)arg + 1);
	}
	free(p);
	free(malloc(20000));
}

static void *worker(void *arg)
{
	unsigned state = (unsigned)(uintptr_t)arg * 2654435761u + 1;

	pthread_setspecific(early, (void *)1);
	pthread_setspecific(late, (void *)1);
	for (int i = 0; i < ROUNDS; i++) {
		size_t size;

		state = state * 1103515245u + 12345u;
		size = (state >> 8 & 0xfff) + 1;
		if (i % 50 == 0)
			size <<= 9;             /* to 2 MiB */
		if (i % 500 == 0)
			size = (size_t)9 << 20; /* above jemalloc's usual oversize threshold */
		free(atomic_exchange(&box[state % BOX], take(size, state >> 20)));
	}
	return NULL;
}

/* A thread that has freed many has a cache: it gets back what it freed last. */
static void *only_frees(void *arg)
{
	void **blocks = arg, *p;

	for (int i = 0; i < ROUNDS; i++)
		free(blocks[i]);
	p = malloc(90);
	CHECK(p == blocks[ROUNDS - 1]);
	free(p);
	return NULL;
}

static void frees(void)
{
	static void *blocks[ROUNDS];
	pthread_t thread;

	for (int i = 0; i < ROUNDS; i++)
		CHECK((blocks[i] = malloc(90)));
	CHECK(pthread_create(&thread, NULL, only_frees, blocks) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
}

static void ctor_memory(void)
{
	for (int i = 0; i < CTOR_BLOCKS; i++) {
		CHECK(ctor_blocks[i]);
		CHECK(in_window(ctor_blocks[i]) && slot_of(ctor_blocks[i]) == the_slot);
		free(ctor_blocks[i]);
	}
}

int main(void)
{
	pthread_t threads[THREADS];

	CHECK(pthread_key_create(&early, destructor) == 0);
	for (int i = 0; i < 40; i++)            /* beyond those that need no memory of their own */
		CHECK(pthread_key_create(&late, i == 39 ? destructor : NULL) == 0);
	the_slot = fresh_slot();
	ctor_memory();
	frees();
	for (int round = 0; round < 2; round++) {
		for (uintptr_t i = 0; i < THREADS; i++)
			CHECK(pthread_create(&threads[i], NULL, worker, (void *)i) == 0);
		for (int i = 0; i < THREADS; i++)
			CHECK(pthread_join(threads[i], NULL) == 0);
	}
	for (int i = 0; i < BOX; i++)
		free(box[i]);
	puts("ok");
	return 0;
}
