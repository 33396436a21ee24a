/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire_pages.c - the bodies of PEER_PAGES and PEER_GRANTED: numbers of 64 bits
 *
 * PEER_PAGES: layer, count, page, leave (0 or 1), done_count, and that many numbers.
 * PEER_GRANTED: here (0 or 1), base, key.
 *
 * Pure: no globals, no allocation.
 */
#include <errno.h>
#include <string.h>

#include "wire.h"
#include "wire_words.h"

static void word_put(uint8_t *out, unsigned i, uint64_t value)
{
	put64(out + 8 * i, value);
}

static uint64_t word_get(const uint8_t *body, unsigned i)
{
	return get64(body + 8 * i);
}

#define PAGES_WORDS 5           /* before the done numbers */

size_t peer_put_pages(const struct peer_pages_body *in, uint8_t *out)
{
	uint32_t i;

	word_put(out, 0, in->layer);
	word_put(out, 1, in->count);
	word_put(out, 2, in->page);
	word_put(out, 3, in->leave);
	word_put(out, 4, in->done_count);
	for (i = 0; i < in->done_count; i++)
		word_put(out, PAGES_WORDS + i, in->done[i]);
	return 8 * (PAGES_WORDS + (size_t)in->done_count);
}

int peer_get_pages(const uint8_t *body, size_t size, struct peer_pages_body *out)
{
	uint32_t i;

	memset(out, 0, sizeof(*out));
	if (size < 8 * PAGES_WORDS || word_get(body, 0) > UINT32_MAX ||
	    word_get(body, 1) > PEER_PAGES_MAX ||
	    word_get(body, 2) > RM_LAYER_MAX / RM_PAGE || word_get(body, 3) > 1 ||
	    word_get(body, 4) > PEER_DONE_MAX || size != 8 * (PAGES_WORDS + word_get(body, 4)))
		return -EINVAL;
	out->layer = (uint32_t)word_get(body, 0);
	out->count = (uint32_t)word_get(body, 1);
	out->page = word_get(body, 2);
	out->leave = word_get(body, 3);
	out->done_count = (uint32_t)word_get(body, 4);
	for (i = 0; i < out->done_count; i++)
		out->done[i] = word_get(body, PAGES_WORDS + i);
	return 0;
}

size_t peer_put_granted(const struct peer_granted_body *in, uint8_t *out)
{
	word_put(out, 0, in->here);
	word_put(out, 1, in->base);
	word_put(out, 2, in->key);
	return 24;
}

int peer_get_granted(const uint8_t *body, size_t size, struct peer_granted_body *out)
{
	if (size != 24 || word_get(body, 0) > 1)
		return -EINVAL;
	out->here = word_get(body, 0);
	out->base = word_get(body, 1);
	out->key = word_get(body, 2);
	return 0;
}
