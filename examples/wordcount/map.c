/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * map I - attach the splitter's texts (handle on standard input), count the
 * words of part I (from 0) into a hash table, publish it and print its handle
 */
#include <stdio.h>
#include <stdlib.h>

#include "words.h"

int main(int argc, char **argv)
{
	struct table *table = table_new();
	struct parts *parts;
	void *root;
	size_t mine;

	if (argc != 2) {
		fprintf(stderr, "usage: map I < HANDLE\n");
		return 2;
	}
	mine = strtoul(argv[1], NULL, 10);
	if (!attach_next(&root)) {
		fprintf(stderr, "map: no handle on standard input\n");
		return 1;
	}
	parts = root;
	if (mine >= parts->count) {
		fprintf(stderr, "map: there are only %zu parts\n", parts->count);
		return 1;
	}
	for (const struct piece *piece = parts->part[mine]; piece; piece = piece->next)
		count_words(table, piece);
	return publish(table);
}
