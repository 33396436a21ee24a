/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reduce - attach the tables of all mappers (their handles on standard input,
 * one a line), add them up, print "COUNT WORD", the most frequent first
 */
#include <stdio.h>

#include "words.h"

int main(void)
{
	struct table *all = table_new();
	void *root;

	while (attach_next(&root))
		table_merge(all, root);
	print_table(all, stdout);
	return fflush(stdout) ? 1 : 0;
}
