/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * attach_walk HANDLE - attach what `publish chain` published and walk through it; prints the
 * seconds of the attach, and of both. A program of its own: it does not publish
 */
#include <rmmap.h>
#include <stdio.h>

#include "bench.h"

#define BLOCK (64 * 1024)

int main(int argc, char **argv)
{
	double begin = bench_now(), attached;
	char **blocks = argc == 2 ? rmmap_attach(argv[1]) : NULL;
	unsigned sum = 0;

	if (!blocks) {
		fprintf(stderr, "attach_walk: %s\n", rmmap_error());
		return 1;
	}
	attached = bench_now() - begin;
	for (size_t i = 0; blocks[i]; i++)
		for (size_t at = 0; at < BLOCK; at += 64)
			sum += (unsigned char)blocks[i][at];
	printf("%.6f %.6f %u\n", attached, bench_now() - begin, sum & 1);
	return 0;
}
