/* SPDX-License-Identifier: BSD-2-Clause */
/* need.c - malloc for programs that cannot go on without */
#include <stdio.h>
#include <stdlib.h>

#include "words.h"

void *need(size_t bytes)
{
	void *memory = malloc(bytes);

	if (!memory) {
		perror("malloc");
		exit(1);
	}
	return memory;
}
