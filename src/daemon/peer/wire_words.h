/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire_words.h - numbers in messages between hosts: little-endian, at any alignment
 *
 * Pure: any thread, no allocation. The caller has checked that the bytes are there.
 */
#ifndef RM_WIRE_WORDS_H
#define RM_WIRE_WORDS_H

#include <stdint.h>

static inline void put32(uint8_t *out, uint32_t value)
{
	unsigned i;

	for (i = 0; i < 4; i++)
		out[i] = (uint8_t)(value >> 8 * i);
}

static inline void put64(uint8_t *out, uint64_t value)
{
	put32(out, (uint32_t)value);
	put32(out + 4, (uint32_t)(value >> 32));
}

static inline uint32_t get32(const uint8_t *in)
{
	return in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

static inline uint64_t get64(const uint8_t *in)
{
	return get32(in) | (uint64_t)get32(in + 4) << 32;
}

#endif
