/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * unknown.c - finds variables that begin with RMMAP_ and have no meaning
 *
 * Without this check a misspelt name has no effect and nobody is told. Any thread, at any time;
 * nothing allocates.
 */
#include "options.h"

#include <string.h>

#include "say.h"

#define PREFIX "RMMAP_"
#define NAME_LONG 32                    /* longer names resemble none in the table */
#define DISTANCE_MAX 2                  /* a typing error has no more edits */

static unsigned number_least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Levenshtein distance: how many insertions, deletions and changes turn a into b. */
static unsigned name_distance(const char *a, size_t a_length, const char *b)
{
	unsigned row[NAME_LONG + 1], before, above;
	size_t b_length = strlen(b);

	if (a_length > NAME_LONG || b_length > NAME_LONG)
		return DISTANCE_MAX + 1;
	for (size_t j = 0; j <= b_length; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= a_length; i++) {
		before = row[0];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_length; j++) {
			above = row[j];
			row[j] = number_least(number_least(above, row[j - 1]) + 1,
			                      before + (a[i - 1] != b[j - 1]));
			before = above;
		}
	}
	return row[b_length];
}

/* The name in the table that was probably meant, or NULL. */
static const char *option_nearest(const char *name, size_t length)
{
	unsigned best = DISTANCE_MAX + 1;
	const char *found = NULL;

	for (size_t i = 0; i < rm_option_count; i++) {
		unsigned d = name_distance(name, length, rm_option_table[i].name);

		if (d < best) {
			best = d;
			found = rm_option_table[i].name;
		}
	}
	return found;
}

static bool option_known(const char *name, size_t length)
{
	for (size_t i = 0; i < rm_option_count; i++)
		if (strlen(rm_option_table[i].name) == length &&
		    !memcmp(rm_option_table[i].name, name, length))
			return true;
	return false;
}

/* Only printable names are listed: the text goes to terminals and logs. */
static bool name_printable(const char *name, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return false;
	return true;
}

unsigned rm_options_unknown(char **environment, bool secure, char *text, size_t size)
{
	size_t prefix = strlen(PREFIX), at = 0, length;
	unsigned count = 0;
	const char *like;

	text[0] = '\0';
	for (char **e = environment; e && *e && !secure; e++) {
		if (strncmp(*e, PREFIX, prefix) != 0)
			continue;
		length = strcspn(*e, "=");
		if (option_known(*e, length) || !name_printable(*e, length))
			continue;
		count++;
		like = option_nearest(*e, length);
		if (at + 1 < size)
			at += rm_format(text + at, size - at, "%s%.*s%s%s%s", at ? ", " : "",
			                (int)length, *e, like ? " (did you mean " : "",
			                like ? like : "", like ? "?)" : "");
	}
	return count;
}
