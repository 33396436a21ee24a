/* SPDX-License-Identifier: BSD-2-Clause */
/* number.c - decimal numbers, and numbers of bytes with a unit */
#include "number.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/*
 * Decode the digits at *text into *out and move *text behind them, also if they do not fit
 * (-ERANGE).
 */
static int leading_number(const char **text, uint64_t *out)
{
	uint64_t n = 0;
	bool over = false;

	if (!is_digit(**text))
		return -EINVAL;
	for (; is_digit(**text); (*text)++)
		if (__builtin_mul_overflow(n, (uint64_t)10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(**text - '0'), &n))
			over = true;
	*out = n;
	return over ? -ERANGE : 0;
}

int rm_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t n;
	int error;

	if (!text)
		return -EINVAL;
	error = leading_number(&text, &n);
	if (*text)
		return -EINVAL;
	if (!error && (n < min || n > max))
		error = -ERANGE;
	if (!error)
		*out = n;
	return error;
}

/* The unit as a power of two, or -1. */
static int unit_shift(char unit)
{
	switch (unit) {
	case 0:
		return 0;
	case 'k': case 'K':
		return 10;
	case 'm': case 'M':
		return 20;
	case 'g': case 'G':
		return 30;
	case 't': case 'T':
		return 40;
	default:
		return -1;
	}
}

int rm_parse_bytes(const char *text, uint64_t *out)
{
	uint64_t n;
	int error, shift;

	if (!text)
		return -EINVAL;
	error = leading_number(&text, &n);
	shift = unit_shift(*text);
	if (error == -EINVAL || shift < 0 || (*text && text[1]))
		return -EINVAL;
	if (error || n > UINT64_MAX >> shift)
		return -ERANGE;
	*out = n << shift;
	return 0;
}
