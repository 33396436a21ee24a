/* SPDX-License-Identifier: BSD-2-Clause */
/* handoff.c - publishes to standard output, attaches handles from standard input */
#include <rmmap.h>
#include <stdio.h>
#include <stdlib.h>

#include "words.h"

int publish(const void *root)
{
	char handle[RMMAP_HANDLE_MAX];

	if (rmmap_publish(root, handle, sizeof(handle)) < 0) {
		fprintf(stderr, "cannot publish: %s\n", rmmap_error());
		return 1;
	}
	return puts(handle) < 0 || fflush(stdout) ? 1 : 0;
}

bool attach_next(void **root)
{
	char handle[RMMAP_HANDLE_MAX + 1];    /* and a newline */

	if (!fgets(handle, sizeof(handle), stdin))
		return false;
	*root = rmmap_attach(handle);
	if (!*root) {
		fprintf(stderr, "cannot attach: %s\n", rmmap_error());
		exit(1);
	}
	return true;
}
