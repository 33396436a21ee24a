/* SPDX-License-Identifier: BSD-2-Clause */
/* reduce - add up all mappers' tables, print "COUNT WORD", the most frequent first */
#include "kinds.h"

int main(int argc, char **argv)
{
	const struct table *table;
	struct table *all;

	begin(&argc, argv);
	all = table_new();
	while ((table = take(&table_kind)))
		table_merge(all, table);
	print_table(all, stdout);
	return finish();
}
