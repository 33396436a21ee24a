/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire_data.c - the body of PEER_DATA: a part of a small publication's pages
 *
 *    0  total u32: bytes of all its pages with data, one after the other
 *    4  index u16, count u16: this is message index of count
 *    8  runs: position u32, length u32, bytes. Positions and lengths are multiples of 8, runs
 *       ascend and do not overlap. Bytes in no run of any message are zeros.
 *
 * Pure: no globals, no allocation.
 */
#include <errno.h>
#include <string.h>

#include "wire.h"
#include "wire_words.h"

#define HEAD 8
#define RUN 8                   /* a run's numbers: so it pays to end one before 16 zeros */
#define MOST (PEER_BODY_MAX & ~(size_t)7)       /* bytes of a body, in whole words */

/* size is at most 2 * RUN. */
static bool words_are_zero(const uint8_t *data, size_t size)
{
	static const uint8_t none[RUN * 2];

	return !memcmp(data, none, size);
}

/* The end of the run that begins at at and has at most room bytes. */
static uint32_t run_end(const uint8_t *data, uint32_t total, uint32_t at, size_t room)
{
	uint32_t end = at + 8, last = room < total - at ? at + (uint32_t)room : total;

	while (end < last &&
	       !words_are_zero(data + end, last - end < RUN * 2 ? last - end : RUN * 2))
		end += 8;
	return end;
}

size_t peer_put_data(const uint8_t *data, uint32_t total, uint32_t *at, uint8_t *out)
{
	size_t size = HEAD;
	uint32_t end;

	put32(out, total);
	put32(out + 4, 0);
	for (; *at < total; *at = end) {
		end = *at + 8;
		if (words_are_zero(data + *at, 8))
			continue;
		if (size + RUN + 8 > MOST)
			break;
		end = run_end(data, total, *at, MOST - size - RUN);
		put32(out + size, *at);
		put32(out + size + 4, end - *at);
		memcpy(out + size + RUN, data + *at, end - *at);
		size += RUN + end - *at;
	}
	return size;
}

void peer_number_data(uint8_t *out, uint16_t index, uint16_t count)
{
	put32(out + 4, index | (uint32_t)count << 16);
}

int peer_get_data(const uint8_t *body, size_t size, struct peer_data_body *out)
{
	uint32_t at, length, next = 0;

	memset(out, 0, sizeof(*out));
	if (size < HEAD)
		return -EINVAL;
	out->total = get32(body);
	out->index = (uint16_t)get32(body + 4);
	out->count = (uint16_t)(get32(body + 4) >> 16);
	if (!out->total || out->total % RM_PAGE || out->total > PEER_DATA_MAX ||
	    out->count > PEER_PARTS_MAX || out->index >= out->count)
		return -EINVAL;
	out->runs = body + HEAD;
	out->size = size -= HEAD;
	for (body += HEAD; size; body += RUN + length, size -= RUN + length) {
		if (size < RUN)
			return -EINVAL;
		at = get32(body);
		length = get32(body + 4);
		if (!length || (at | length) % 8 || at < next || at >= out->total ||
		    length > out->total - at || length > size - RUN)
			return -EINVAL;
		next = at + length;
	}
	return 0;
}

void peer_take_data(const struct peer_data_body *in, uint8_t *data)
{
	const uint8_t *run = in->runs, *end = in->runs + in->size;

	for (; run < end; run += RUN + get32(run + 4))
		memcpy(data + get32(run), run + RUN, get32(run + 4));
}
