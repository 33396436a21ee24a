/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * words.h - what splitter, mappers and reducer hand to each other
 *
 * A word is a longest run of ASCII letters and digits and of bytes above 127
 * (so UTF-8 letters stay whole); A to Z count as a to z. That is what
 * LC_ALL=C tr A-Z a-z | LC_ALL=C tr -cs 'a-z0-9\200-\377' '\n' makes of a text.
 */
#ifndef WORDS_H
#define WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* splitter -> mappers: for each part a list of pieces of text */
struct piece {
	struct piece *next;
	const char *text;
	size_t length;
};

struct parts {
	size_t count;
	struct piece **part;
};

/* mapper -> reducer: a hash table of strings */
struct entry {
	struct entry *next;             /* in the same bucket */
	char *word;
	unsigned long count;
};

struct table {
	size_t entries, buckets;
	struct entry **bucket;
};

struct table *table_new(void);
void table_free(struct table *table);
/* Count word (length bytes, no NUL among them) count times more. */
void table_add(struct table *table, const char *word, size_t length, unsigned long count);
/* Add the counts of a table to those of another. */
void table_merge(struct table *all, const struct table *table);
/* "COUNT WORD", the most frequent first. */
void print_table(const struct table *table, FILE *out);
/* The words of a text. */
void count_words(struct table *table, const struct piece *piece);
struct parts *parts_new(size_t count);
/* All but the texts themselves. */
void parts_free(struct parts *parts);
/* Deal one text out to all parts, pointing into it: a piece ends where no word goes on. */
void deal_text(struct parts *parts, const char *text, size_t length);
/* Read texts and divide each into so many parts of about the same size, never inside a word. */
struct parts *deal_texts(size_t count, char **files);

/* The byte as a part of a word (in lower case), or 0 if it parts words. */
static inline char word_byte(char byte)
{
	if (byte >= 'A' && byte <= 'Z')
		return (char)(byte - 'A' + 'a');
	if ((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || (byte & 0x80))
		return byte;
	return 0;
}

/* malloc that ends the program where there is no memory */
void *need(size_t bytes);
/* Publish root and print the handle on standard output; the exit status of main. */
int publish(const void *root);
/* Attach the handle on the next line of standard input: false at its end; ends on errors. */
bool attach_next(void **root);

#endif
