/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 01_publish - build a list, a tree and strings with malloc, and publish them
 *
 * cc -o 01_publish 01_publish.c $(pkg-config --cflags --libs rmmap)
 * ./01_publish | ./02_attach
 *
 * The program may end at once: rmmapd keeps the publication.
 */
#include <rmmap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shapes.h"

static void *need_memory(void *memory)
{
	if (!memory) {
		perror("malloc");
		exit(1);
	}
	return memory;
}

static struct planet *planet_new(const char *name, struct planet *next)
{
	struct planet *p = need_memory(malloc(sizeof(*p)));

	/* A string literal is in the program, not in the heap, so it would not be published. */
	p->name = need_memory(strdup(name));
	p->next = next;
	return p;
}

static struct tree *tree_new(long from, long to)
{
	struct tree *t;

	if (from > to)
		return NULL;
	t = need_memory(malloc(sizeof(*t)));
	t->number = (from + to) / 2;
	t->left = tree_new(from, t->number - 1);
	t->right = tree_new(t->number + 1, to);
	return t;
}

int main(void)
{
	struct shapes *shapes = need_memory(malloc(sizeof(*shapes)));
	char handle[RMMAP_HANDLE_MAX];

	shapes->planets = planet_new("Venus", planet_new("Earth", planet_new("Mars", NULL)));
	shapes->tree = tree_new(1, 1000);

	if (rmmap_publish(shapes, handle, sizeof(handle)) < 0) {
		fprintf(stderr, "01_publish: %s\n", rmmap_error());
		return 1;
	}
	puts(handle);
	return 0;
}
