/* SPDX-License-Identifier: BSD-2-Clause */
/* map - count the words of this mapper's part into a hash table */
#include "kinds.h"

int main(int argc, char **argv)
{
	const struct parts *parts;
	struct table *table;

	begin(&argc, argv);
	parts = take_one(&parts_kind, "text");
	table = table_new();
	for (const struct piece *piece = parts->part[self.part]; piece; piece = piece->next)
		count_words(table, piece);
	hand_over(&table_kind, table);
	return finish();
}
