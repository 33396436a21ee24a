/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * words.h - the structures that splitter, mappers and reducer pass to each other
 *
 * A word is a longest run of ASCII letters, digits and bytes above 127, so that
 * UTF-8 letters are not divided; A to Z count as a to z. These are the words that
 * LC_ALL=C tr A-Z a-z | LC_ALL=C tr -cs 'a-z0-9\200-\377' '\n' prints.
 * One thread.
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
/* Add count to the count of a word of length bytes, which has no NUL in it. */
void table_add(struct table *table, const char *word, size_t length, unsigned long count);
/* Add the counts of a table to those of another. */
void table_merge(struct table *all, const struct table *table);
/* Print "COUNT WORD" for each, the most frequent first. */
void print_table(const struct table *table, FILE *out);
/* Count the words of a piece of text. */
void count_words(struct table *table, const struct piece *piece);
struct parts *parts_new(size_t count);
/* Free the parts and their pieces, but not the texts. */
void parts_free(struct parts *parts);
/* Divide a text between all parts. Pieces point into it, and end between words. */
void deal_text(struct parts *parts, const char *text, size_t length);
/* Read files and divide each into count parts of about the same size, never inside a word. */
struct parts *deal_texts(size_t count, char **files);

/* The byte in lower case if it belongs to a word, or 0 if it separates words. */
static inline char word_byte(char byte)
{
	if (byte >= 'A' && byte <= 'Z')
		return (char)(byte - 'A' + 'a');
	if ((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || (byte & 0x80))
		return byte;
	return 0;
}

/* malloc() that ends the program if there is no memory. */
void *need(size_t bytes);
/* Publish root and print the handle on standard output. Returns the exit status of main. */
int publish(const void *root);
/* Attach the handle in the next line of standard input. False at its end; exits on errors. */
bool attach_next(void **root);

#endif
