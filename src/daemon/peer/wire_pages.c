/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer_wire_pages.c - the bodies of PEER_PAGES and PEER_GRANTED: numbers of 64 bits
 *
 * Pure: no globals, no allocation.
 */
#include <errno.h>
#include <string.h>

#include "wire.h"
#include "wire_words.h"

static void put(uint8_t *out, unsigned i, uint64_t value)
{
	put64(out + 8 * i, value);
}

static uint64_t get(const uint8_t *body, unsigned i)
{
	return get64(body + 8 * i);
}

#define PAGES_WORDS 5

size_t peer_put_pages(const struct peer_pages_body *in, uint8_t *out)
{
	uint32_t i;

	put(out, 0, in->layer);
	put(out, 1, in->count);
	put(out, 2, in->page);
	put(out, 3, in->leave);
	put(out, 4, in->done_count);
	for (i = 0; i < in->done_count; i++)
		put(out, PAGES_WORDS + i, in->done[i]);
	return 8 * (PAGES_WORDS + (size_t)in->done_count);
}

int peer_get_pages(const uint8_t *body, size_t size, struct peer_pages_body *out)
{
	uint32_t i;

	memset(out, 0, sizeof(*out));
	if (size < 8 * PAGES_WORDS || get(body, 0) > UINT32_MAX || get(body, 1) > PEER_PAGES_MAX ||
	    get(body, 2) > RM_LAYER_MAX / RM_PAGE || get(body, 3) > 1 ||
	    get(body, 4) > PEER_DONE_MAX || size != 8 * (PAGES_WORDS + get(body, 4)))
		return -EINVAL;
	out->layer = (uint32_t)get(body, 0);
	out->count = (uint32_t)get(body, 1);
	out->page = get(body, 2);
	out->leave = get(body, 3);
	out->done_count = (uint32_t)get(body, 4);
	for (i = 0; i < out->done_count; i++)
		out->done[i] = get(body, PAGES_WORDS + i);
	return 0;
}

size_t peer_put_granted(const struct peer_granted_body *in, uint8_t *out)
{
	put(out, 0, in->here);
	put(out, 1, in->base);
	put(out, 2, in->key);
	return 24;
}

int peer_get_granted(const uint8_t *body, size_t size, struct peer_granted_body *out)
{
	if (size != 24 || get(body, 0) > 1)
		return -EINVAL;
	out->here = get(body, 0);
	out->base = get(body, 1);
	out->key = get(body, 2);
	return 0;
}
