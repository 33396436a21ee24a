/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz.h - what a harness gives
 *
 * The same two functions serve libFuzzer (make fuzz CC=clang) and driver.c, with
 * which make check runs every harness for a second or so. A harness aborts where
 * something is found that must not be; both are called over and over in one process.
 */
#ifndef RM_FUZZ_H
#define RM_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FUZZ_INPUT_MAX 16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * The n-th input to begin with, made by code: its length, at most FUZZ_INPUT_MAX, or 0
 * if there are no more.
 */
size_t fuzz_seed(unsigned n, uint8_t data[FUZZ_INPUT_MAX]);

#define MUST(condition) do { \
	if (!(condition)) \
		fuzz_fail(__FILE__, __LINE__, #condition); \
} while (0)

static inline void fuzz_fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: %s does not hold\n", file, line, what);
	abort();
}

/* An input as a text, with a NUL after it. The caller frees it. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	MUST(text != NULL);
	memcpy(text, data, size);
	text[size] = 0;
	return text;
}

/* For fuzz_seed(), where the inputs are texts; the NUL is no part of them. */
static inline size_t fuzz_seed_text(const char *const *seeds, size_t count, unsigned n,
                                    uint8_t data[FUZZ_INPUT_MAX])
{
	size_t size;

	if (n >= count)
		return 0;
	size = strlen(seeds[n]);
	memcpy(data, seeds[n], size);
	return size;
}

#endif
