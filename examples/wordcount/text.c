/* SPDX-License-Identifier: BSD-2-Clause */
/* text.c - the computations of splitter, mappers and reducer */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "words.h"

/* Read a whole file into one block of memory, which is published as it is. */
static char *text_read_file(const char *name, size_t *length)
{
	FILE *file = fopen(name, "rb");
	struct stat st;
	size_t room = 1 << 16, got;
	char *text;

	*length = 0;
	if (!file) {
		perror(name);
		exit(1);
	}
	/* allocate the whole size at once: each realloc() would leave a freed copy in the heap,
	   and freed memory is published too */
	if (!fstat(fileno(file), &st) && st.st_size > 0)
		room = (size_t)st.st_size + 1;
	text = need(room);
	while ((got = fread(text + *length, 1, room - *length, file)) > 0) {
		*length += got;
		if (*length == room) {
			room *= 2;
			text = realloc(text, room);
			if (!text) {
				perror("realloc");
				exit(1);
			}
		}
	}
	if (ferror(file)) {
		perror(name);
		exit(1);
	}
	fclose(file);
	return text;
}

struct parts *parts_new(size_t count)
{
	struct parts *parts = need(sizeof(*parts));

	parts->count = count;
	parts->part = need(count * sizeof(*parts->part));
	for (size_t i = 0; i < count; i++)
		parts->part[i] = NULL;
	return parts;
}

void parts_free(struct parts *parts)
{
	for (size_t i = 0; i < parts->count; i++) {
		struct piece *next;

		for (struct piece *piece = parts->part[i]; piece; piece = next) {
			next = piece->next;
			free(piece);
		}
	}
	free(parts->part);
	free(parts);
}

void deal_text(struct parts *parts, const char *text, size_t length)
{
	size_t from = 0;

	for (size_t i = 0; i < parts->count; i++) {
		size_t to = length / parts->count * (i + 1);
		struct piece *piece;

		if (to < from)
			to = from;
		if (i + 1 == parts->count)
			to = length;
		while (to < length && word_byte(text[to]))
			to++;
		piece = need(sizeof(*piece));
		piece->text = text + from;
		piece->length = to - from;
		piece->next = parts->part[i];
		parts->part[i] = piece;
		from = to;
	}
}

struct parts *deal_texts(size_t count, char **files)
{
	struct parts *parts = parts_new(count);

	for (; *files; files++) {
		size_t length;
		char *text = text_read_file(*files, &length);

		deal_text(parts, text, length);
	}
	return parts;
}

void count_words(struct table *table, const struct piece *piece)
{
	size_t room = 64, length = 0;
	char *word = need(room);

	for (size_t i = 0; i <= piece->length; i++) {
		char byte = i < piece->length ? word_byte(piece->text[i]) : 0;

		if (byte) {
			if (length == room) {
				room *= 2;
				word = realloc(word, room);
				if (!word) {
					perror("realloc");
					exit(1);
				}
			}
			word[length++] = byte;
		} else if (length) {
			table_add(table, word, length, 1);
			length = 0;
		}
	}
	free(word);
}

void table_merge(struct table *all, const struct table *table)
{
	for (size_t i = 0; i < table->buckets; i++)
		for (const struct entry *e = table->bucket[i]; e; e = e->next)
			table_add(all, e->word, strlen(e->word), e->count);
}

static int by_count(const void *a, const void *b)
{
	const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return strcmp(x->word, y->word);
}

void print_table(const struct table *table, FILE *out)
{
	struct entry **sorted = need((table->entries + 1) * sizeof(struct entry *));
	size_t n = 0;

	for (size_t i = 0; i < table->buckets; i++)
		for (struct entry *e = table->bucket[i]; e; e = e->next)
			sorted[n++] = e;
	qsort(sorted, n, sizeof(struct entry *), by_count);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%lu %s\n", sorted[i]->count, sorted[i]->word);
	free(sorted);
}
