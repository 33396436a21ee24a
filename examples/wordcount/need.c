/* SPDX-License-Identifier: BSD-2-Clause */
/* need.c - a malloc that ends the program if there is no memory */
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
