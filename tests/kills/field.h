/* SPDX-License-Identifier: BSD-2-Clause */
/* field.h - pages whose every word is known, and never 0 */
#ifndef KILLS_FIELD_H
#define KILLS_FIELD_H

#include <stdint.h>

#define FIELD_PAGE 4096u
#define FIELD_WORDS (FIELD_PAGE / sizeof(uint64_t))
#define FIELD_PAGES 256u        /* a power of two; many times what one fault brings */

static inline uint64_t field_word(uint64_t seed, uint64_t i)
{
	uint64_t x = (seed << 40) + i;

	x = (x ^ x >> 33) * UINT64_C(0xff51afd7ed558ccd);
	return (x ^ x >> 29) | 1;
}

#endif
