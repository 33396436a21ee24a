/* SPDX-License-Identifier: BSD-2-Clause */
/* merge - print the result of each rule, and how many different trades were objected to */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "finra.h"

#define VERDICTS_MAX 1000

static int by_rule(const void *a, const void *b)
{
	const struct verdict *x = *(struct verdict *const *)a, *y = *(struct verdict *const *)b;
	const int order = strcmp(x->rule, y->rule);

	return order ? order : (x->level > y->level) - (x->level < y->level);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* How many trades there are in all verdicts, each counted once. */
static size_t count_trades(struct verdict *const *verdicts, size_t count, size_t flags)
{
	char **ids = need((flags + 1) * sizeof(*ids));
	size_t n = 0, different = 0;

	for (size_t i = 0; i < count; i++)
		for (const struct flag *flag = verdicts[i]->first; flag; flag = flag->next)
			ids[n++] = flag->id;
	qsort(ids, n, sizeof(*ids), by_text);
	for (size_t i = 0; i < n; i++)
		different += !i || strcmp(ids[i - 1], ids[i]) != 0;
	return different;
}

int main(int argc, char **argv)
{
	static struct verdict *verdicts[VERDICTS_MAX];
	size_t count = 0, flags = 0;

	begin(&argc, argv);
	while (count < VERDICTS_MAX && (verdicts[count] = take(&verdict_kind)))
		flags += verdicts[count++]->flagged;
	qsort(verdicts, count, sizeof(*verdicts), by_rule);
	for (size_t i = 0; i < count; i++)
		printf("%s %u: %zu trades, %s first\n", verdicts[i]->rule, verdicts[i]->level,
		       verdicts[i]->flagged, verdicts[i]->first ? verdicts[i]->first->id : "none");
	printf("%zu trades are objected to\n", count_trades(verdicts, count, flags));
	return finish();
}
