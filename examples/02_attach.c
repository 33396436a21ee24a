/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 02_attach - attach the publication of 01_publish and walk the structure
 *
 * cc -o 02_attach 02_attach.c $(pkg-config --cflags --libs rmmap)
 * ./01_publish | ./02_attach
 *
 * The handle comes on standard input: it is a secret, and everyone can see the arguments of a
 * process in ps.
 */
#include <rmmap.h>
#include <stdio.h>

#include "shapes.h"

static long tree_sum(const struct tree *tree)
{
	return tree ? tree_sum(tree->left) + tree->number + tree_sum(tree->right) : 0;
}

int main(void)
{
	char handle[RMMAP_HANDLE_MAX + 1];    /* and a newline */
	const struct planet *planet;
	struct shapes *shapes;

	if (!fgets(handle, sizeof(handle), stdin)) {
		fprintf(stderr, "02_attach: no handle on standard input\n");
		return 1;
	}
	shapes = rmmap_attach(handle);
	if (!shapes) {
		fprintf(stderr, "02_attach: %s\n", rmmap_error());
		return 1;
	}

	for (planet = shapes->planets; planet; planet = planet->next)
		printf("%s\n", planet->name);
	printf("sum of the tree: %ld\n", tree_sum(shapes->tree));
	return 0;
}
