/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * retaken - large blocks that are freed and taken again while another thread publishes: what is
 * written to them by then is in the next publication, which nobody disturbs
 */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "handoff.h"

#define BLOCKS 300
#define SIZE ((size_t)9 << 20)          /* given back at once */
#define WORDS 8                         /* written of each, on pages of their own */
#define ROUNDS 3
#define PROCESSES 4

struct table {
	char *block[BLOCKS];
	uint64_t value[BLOCKS];
};

static struct table *table;
static atomic_bool going;

static uint64_t *word(const struct table *t, int block, int i)
{
	return (uint64_t *)(void *)(t->block[block] + ((size_t)i << 20));
}

static void fill(int block, uint64_t value)
{
	for (int i = 0; i < WORDS; i++)
		*word(table, block, i) = value;
	table->value[block] = value;
}

static void *take_anew(void *round)
{
	usleep((unsigned)(getpid() * 7919 % 3000));
	for (int b = 0; b < BLOCKS; b++) {
		free(table->block[b]);
		table->block[b] = malloc(SIZE);
		CHECK(table->block[b]);
		fill(b, (uint64_t)(uintptr_t)round << 32 | (unsigned)b);
	}
	atomic_store(&going, false);
	return NULL;
}

static int verify(const char *handle)
{
	const struct table *t = rmmap_attach(handle);

	CHECK(t);
	for (int b = 0; b < BLOCKS; b++)
		for (int i = 0; i < WORDS; i++)
			if (*word(t, b, i) != t->value[b]) {
				fprintf(stderr, "block %d, word %d: %llx\n", b, i,
				        (unsigned long long)*word(t, b, i));
				return 1;
			}
	return 0;
}

static int produce_rounds(void)
{
	char handle[RMMAP_HANDLE_MAX], out[256];
	pthread_t thread;

	table = calloc(1, sizeof(*table));
	CHECK(table);
	for (int b = 0; b < BLOCKS; b++) {
		table->block[b] = malloc(SIZE);
		CHECK(table->block[b]);
		fill(b, (unsigned)b);
	}
	CHECK(rmmap_publish(table, handle, sizeof(handle)) == 0);
	for (uintptr_t round = 1; round <= ROUNDS; round++) {
		atomic_store(&going, true);
		CHECK(pthread_create(&thread, NULL, take_anew, (void *)round) == 0);
		while (atomic_load(&going)) {
			CHECK(rmmap_publish(table, handle, sizeof(handle)) == 0);
			CHECK(rmmap_unpublish(handle) == 0);
		}
		CHECK(pthread_join(thread, NULL) == 0);
		CHECK(rmmap_publish(table, handle, sizeof(handle)) == 0);
		CHECK(run_self("verify", handle, out, sizeof(out)) == 0);
		CHECK(rmmap_unpublish(handle) == 0);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);
	char out[256];

	if (mode && strcmp(mode, "produce") == 0)
		return produce_rounds();
	if (mode)
		return verify(argv[2]);
	for (int i = 0; i < PROCESSES; i++)
		CHECK(run_self("produce", "", out, sizeof(out)) == 0);
	return 0;
}
