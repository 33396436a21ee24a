/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * split N FILE... - read texts, divide them into N parts of about the same
 * size, never inside a word, publish them all and print the handle
 */
#include <stdio.h>
#include <stdlib.h>

#include "words.h"

/* The whole file in one piece of memory, which is published as it is. */
static char *read_file(const char *name, size_t *length)
{
	FILE *file = fopen(name, "rb");
	size_t room = 1 << 16;
	char *text = need(room);
	size_t got;

	*length = 0;
	if (!file) {
		perror(name);
		exit(1);
	}
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

/* Deal one text out to all parts: a piece ends where no word goes on. */
static void deal(struct parts *parts, const char *text, size_t length)
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

int main(int argc, char **argv)
{
	struct parts *parts = need(sizeof(*parts));
	long count = argc > 2 ? strtol(argv[1], NULL, 10) : 0;

	if (count < 1 || count > 1000) {
		fprintf(stderr, "usage: split N FILE... (N from 1 to 1000)\n");
		return 2;
	}
	parts->count = (size_t)count;
	parts->part = need(parts->count * sizeof(*parts->part));
	for (size_t i = 0; i < parts->count; i++)
		parts->part[i] = NULL;
	for (int i = 2; i < argc; i++) {
		size_t length;
		char *text = read_file(argv[i], &length);

		deal(parts, text, length);
	}
	return publish(parts);
}
