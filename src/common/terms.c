/* SPDX-License-Identifier: BSD-2-Clause */
/* terms.c - defaults and limits of a publication's terms, and the text of a time to live */
#include "terms.h"

#include <endian.h>
#include <string.h>

#include "number.h"

struct rm_terms rm_terms_or(struct rm_terms chosen, struct rm_terms defaults)
{
	if (!chosen.readers)
		chosen.readers = defaults.readers;
	if (!chosen.ttl_ms)
		chosen.ttl_ms = defaults.ttl_ms;
	return chosen;
}

void rm_terms_put(struct rm_terms terms, uint8_t out[RM_TERMS_BYTES])
{
	uint32_t words[] = { htole32(terms.readers), htole32(terms.ttl_ms) };

	_Static_assert(sizeof(words) == RM_TERMS_BYTES, "RM_TERMS_BYTES");
	memcpy(out, words, sizeof(words));
}

struct rm_terms rm_terms_get(const uint8_t in[RM_TERMS_BYTES])
{
	uint32_t words[RM_TERMS_BYTES / 4];

	memcpy(words, in, sizeof(words));
	return (struct rm_terms){ .readers = le32toh(words[0]), .ttl_ms = le32toh(words[1]) };
}

struct rm_terms rm_terms_left(struct rm_terms terms, uint32_t admitted)
{
	/* readers that are used up stay: 0 would admit any number */
	if (terms.readers > admitted)
		terms.readers -= admitted;
	return terms;
}

bool rm_terms_used_up(struct rm_terms terms, uint32_t admitted)
{
	return terms.readers && admitted >= terms.readers;
}

int rm_terms_parse_ttl(const char *text, uint32_t *ttl_ms)
{
	uint64_t seconds;
	int error;

	if (text && !strcmp(text, "none")) {
		*ttl_ms = RM_TTL_NONE;
		return 0;
	}
	error = rm_parse_number(text, 1, RM_TTL_MAX_S, &seconds);
	if (!error)
		*ttl_ms = (uint32_t)seconds * 1000;
	return error;
}
