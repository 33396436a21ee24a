/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * number.h - numbers in texts: options, environment variables, addresses
 *
 * Pure: no locale, no errno, no allocation. Any thread, at any time. Decoding is fuzzed.
 */
#ifndef RM_NUMBER_H
#define RM_NUMBER_H

#include <stdint.h>

/*
 * Both decode the whole text; white space and signs are refused. They return 0; -EINVAL if the
 * text is NULL or no number; -ERANGE if the number is too small or too large. *out is set only
 * with 0.
 */

/* A decimal number from min to max. */
int rm_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *out);
/* A number of bytes, such as "64M": K, M, G and T, in either case, are powers of 1024. */
int rm_parse_bytes(const char *text, uint64_t *out);

#endif
