/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * split N FILE... - read texts, divide them into N parts of about the same
 * size, never inside a word, publish all parts and print the handle
 */
#include <stdio.h>
#include <stdlib.h>

#include "words.h"

int main(int argc, char **argv)
{
	long count = argc > 2 ? strtol(argv[1], NULL, 10) : 0;

	if (count < 1 || count > 1000) {
		fprintf(stderr, "usage: split N FILE... (N from 1 to 1000)\n");
		return 2;
	}
	return publish(deal_texts((size_t)count, argv + 2));
}
