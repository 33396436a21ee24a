/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * eager_fetch - attach a 256 MiB publication of another run directory eagerly,
 * time it, and print the seconds. bench/spine starts it beside bare_read.
 *
 *   eager_fetch publish MIB     prints a handle
 *   eager_fetch attach < HANDLE prints the seconds, after verifying the content
 */
#include <rmmap.h>

#include "bench.h"

struct block {
	size_t words;
	uint64_t *data;
};

static int publish(size_t mib)
{
	struct block *block = malloc(sizeof *block);
	char handle[RMMAP_HANDLE_MAX];

	if (!block)
		bench_die("out of memory");
	block->words = (mib << 20) / sizeof *block->data;
	block->data = malloc(mib << 20);
	if (!block->data)
		bench_die("out of memory");
	for (size_t i = 0; i < block->words; i++)
		block->data[i] = i * 0x9e3779b97f4a7c15u;
	if (rmmap_publish(block, handle, sizeof handle))
		bench_die(rmmap_error());
	puts(handle);
	return 0;
}

static int attach(void)
{
	struct rmmap_attach_options options = RMMAP_ATTACH_OPTIONS_INIT;
	char handle[RMMAP_HANDLE_MAX];
	const struct block *block;
	double start, taken;

	if (!fgets(handle, sizeof handle, stdin))
		bench_die("no handle on standard input");
	options.flags = RMMAP_EAGER;
	start = bench_now();
	block = rmmap_attach_with(handle, &options);
	taken = bench_now() - start;
	if (!block)
		bench_die(rmmap_error());
	for (size_t i = 0; i < block->words; i++)
		if (block->data[i] != i * 0x9e3779b97f4a7c15u)
			bench_die("wrong content");
	printf("%.6f\n", taken);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "publish") == 0)
		return publish((size_t)atoi(argv[2]));
	if (argc == 2 && strcmp(argv[1], "attach") == 0)
		return attach();
	fprintf(stderr, "usage: eager_fetch publish MIB | attach\n");
	return 2;
}
