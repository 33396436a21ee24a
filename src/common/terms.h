/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * terms.h - the terms of a publication: how many may attach it, and how long it lives
 *
 * A publisher chooses them. They then travel as one value: in RM_PUBLISH, in the record of
 * the publication, and in the order that moves it to another host. A new term is a new field
 * here and in terms.c, which has its default and its bytes for another host.
 *
 * Any thread, at any time; nothing allocates.
 */
#ifndef RM_TERMS_H
#define RM_TERMS_H

#include <stdbool.h>
#include <stdint.h>

#define RM_TTL_NONE UINT32_MAX                          /* ttl_ms: the publication never expires */
#define RM_TTL_MAX_S (UINT32_MAX / 1000 - 1)            /* the longest time to live in seconds */

struct rm_terms {
	uint32_t readers;               /* attaches that are admitted in all; 0: any number */
	uint32_t ttl_ms;                /* life while nobody has it attached, or RM_TTL_NONE;
	                                   0: not chosen yet, never so in a publication */
};

/* The chosen terms, with those that were not chosen taken from the defaults. */
struct rm_terms rm_terms_or(struct rm_terms chosen, struct rm_terms defaults);

#define RM_TERMS_BYTES 8                                /* of terms between hosts */
/* Terms as bytes for another host: each field in order, little-endian. */
void rm_terms_put(struct rm_terms terms, uint8_t out[RM_TERMS_BYTES]);
struct rm_terms rm_terms_get(const uint8_t in[RM_TERMS_BYTES]);

/* The terms of a copy that takes a publication's place after it has admitted so many. */
struct rm_terms rm_terms_left(struct rm_terms terms, uint32_t admitted);

/* True if nobody further may attach a publication that has admitted so many. */
bool rm_terms_used_up(struct rm_terms terms, uint32_t admitted);

/*
 * Decode a time to live, "none" or a number of seconds from 1 to RM_TTL_MAX_S, as RMMAP_TTL
 * and --ttl have it. 0 or -EINVAL, -ERANGE; *ttl_ms is set with 0 only.
 */
int rm_terms_parse_ttl(const char *text, uint32_t *ttl_ms);

#endif
