/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crc32c.c - CRC-32C (Castagnoli) over any bytes
 *
 * Pure: any thread, no allocation, no system call.
 */
#include "crc32c.h"

#include <stdbool.h>
#include <string.h>

#if defined(__aarch64__)
#include <sys/auxv.h>
#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif
#endif

/* Any processor: four bits at a time, with a table of 64 bytes. */
static uint32_t crc_by_table(uint32_t crc, const uint8_t *p, size_t length)
{
	static const uint32_t table[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
		0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
		0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};

	while (length--) {
		crc ^= *p++;
		crc = table[crc & 15] ^ crc >> 4;
		crc = table[crc & 15] ^ crc >> 4;
	}
	return crc;
}

#if defined(__x86_64__)

#define HAS_INSTRUCTION (__builtin_cpu_init(), __builtin_cpu_supports("sse4.2"))

/* Eight bytes at a time; the caller has checked that the processor has the instruction. */
__attribute__((target("sse4.2")))
static uint32_t crc_by_words(uint32_t crc, const uint8_t *p, size_t words)
{
	uint64_t sum = crc, word;

	for (; words; words--, p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum = __builtin_ia32_crc32di(sum, word);
	}
	return (uint32_t)sum;
}

#elif defined(__aarch64__) && !defined(__AARCH64EB__)

#define HAS_INSTRUCTION (getauxval(AT_HWCAP) & HWCAP_CRC32)

static uint32_t crc_by_words(uint32_t crc, const uint8_t *p, size_t words)
{
	uint64_t word;

	for (; words; words--, p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		__asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %1" : "+r" (crc) : "r" (word));
	}
	return crc;
}

#else

#define HAS_INSTRUCTION false

static uint32_t crc_by_words(uint32_t crc, const uint8_t *p, size_t words)
{
	return crc_by_table(crc, p, words * sizeof(uint64_t));
}

#endif

uint32_t rm_crc32c(uint32_t crc, const void *data, size_t length)
{
	const uint8_t *p = data;
	size_t words = HAS_INSTRUCTION ? length / sizeof(uint64_t) : 0;

	crc = crc_by_words(~crc, p, words);
	return ~crc_by_table(crc, p + words * sizeof(uint64_t), length - words * sizeof(uint64_t));
}
