/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * paging - what is attached lazily from another run directory, and touched in some order
 *
 *   paging publish list|nodes|array MIB     prints a handle
 *       list: nodes of 64 bytes, in random order; nodes: of a page each, in random order;
 *       array: words, none of which is an address
 *   paging walk HOW [PERCENT] < HANDLE      prints seconds, faults, pages fetched
 *       chase: from node to node. Of an array: up: all of it; runs: PERCENT, in runs of 64
 *       pages; random: PERCENT, a page here and a page there
 *
 * The time is that of the walk alone. The environment says what is prefetched, and by which way.
 */
#include <rmmap.h>

#include "bench.h"

#define PAGE 4096
#define RUN 64

struct node {
	struct node *next;
	uint64_t value;
};

struct block {
	uint64_t bytes, size;           /* of a node */
	char *data;
};

static uint64_t state = 0x9e3779b97f4a7c15u;

static uint64_t draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

static struct node *node_at(const struct block *block, uint64_t i)
{
	return (struct node *)(void *)(block->data + i * block->size);
}

/* One cycle through all nodes, by Sattolo's shuffle. */
static void link_nodes(const struct block *block)
{
	const uint64_t count = block->bytes / block->size;
	uint64_t *order = malloc(count * sizeof *order);

	if (!order)
		bench_die("out of memory");
	for (uint64_t i = 0; i < count; i++)
		order[i] = i;
	for (uint64_t i = count - 1; i > 0; i--) {
		const uint64_t j = draw() % i, kept = order[i];

		order[i] = order[j];
		order[j] = kept;
	}
	for (uint64_t i = 0; i < count; i++)
		*node_at(block, i) = (struct node){ node_at(block, order[i]), i };
	free(order);
}

static int publish(const char *kind, uint64_t mib)
{
	struct block *block = malloc(sizeof *block);
	char handle[RMMAP_HANDLE_MAX];

	if (!block)
		bench_die("out of memory");
	block->bytes = mib << 20;
	block->size = strcmp(kind, "list") == 0 ? 64 : strcmp(kind, "nodes") == 0 ? PAGE : 0;
	block->data = aligned_alloc(PAGE, block->bytes);
	if (!block->data)
		bench_die("out of memory");
	for (uint64_t i = 0; i < block->bytes / 8; i++)
		((uint64_t *)(void *)block->data)[i] = i + 1;
	if (block->size)
		link_nodes(block);
	if (rmmap_publish(block, handle, sizeof handle))
		bench_die(rmmap_error());
	puts(handle);
	return 0;
}

static void chase(const struct block *block)
{
	const uint64_t count = block->bytes / block->size;
	const struct node *node = node_at(block, 0);
	uint64_t sum = 0;

	for (uint64_t i = 0; i < count; i++, node = node->next)
		sum += node->value;
	if (node != node_at(block, 0) || sum != count * (count - 1) / 2)
		bench_die("wrong content");
}

static void look(const struct block *block, uint64_t page)
{
	const volatile uint64_t *word = (const uint64_t *)(const void *)(block->data + page * PAGE);

	if (word[7] != page * (PAGE / 8) + 8)
		bench_die("wrong content");
}

static void touch(const struct block *block, const char *how, uint64_t percent)
{
	const uint64_t pages = block->bytes / PAGE, wanted = pages * percent / 100;

	if (strcmp(how, "up") == 0)
		for (uint64_t i = 0; i < pages; i++)
			look(block, i);
	else if (strcmp(how, "random") == 0)
		for (uint64_t i = 0; i < wanted; i++)
			look(block, draw() % pages);
	else if (strcmp(how, "runs") == 0)
		for (uint64_t i = 0; i < wanted / RUN; i++) {
			const uint64_t from = draw() % (pages / RUN) * RUN;

			for (uint64_t j = from; j < from + RUN; j++)
				look(block, j);
		}
	else
		bench_die("there is no such walk");
}

static int walk(const char *how, uint64_t percent)
{
	struct rmmap_attach_options options = RMMAP_ATTACH_OPTIONS_INIT;
	struct rmmap_stats stats = { .size = sizeof stats };
	char handle[RMMAP_HANDLE_MAX];
	const struct block *block;
	double start;

	if (!fgets(handle, sizeof handle, stdin))
		bench_die("no handle on standard input");
	options.flags = RMMAP_LAZY;
	block = rmmap_attach_with(handle, &options);
	if (!block)
		bench_die(rmmap_error());
	start = bench_now();
	if (strcmp(how, "chase") == 0)
		chase(block);
	else
		touch(block, how, percent);
	start = bench_now() - start;
	if (rmmap_stats(&stats))
		bench_die(rmmap_error());
	printf("%.6f %llu %llu\n", start, (unsigned long long)stats.faults,
	       (unsigned long long)stats.fetched_pages);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "publish") == 0)
		return publish(argv[2], (uint64_t)atoi(argv[3]));
	if ((argc == 3 || argc == 4) && strcmp(argv[1], "walk") == 0)
		return walk(argv[2], argc == 4 ? (uint64_t)atoi(argv[3]) : 2);
	fprintf(stderr, "usage: paging publish KIND MIB | walk HOW [PERCENT]\n");
	return 2;
}
