/* SPDX-License-Identifier: BSD-2-Clause */
/* fake_host.c - see fake_host.h: its publication, and its loop */
#include "fake_parts.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../../../src/common/channel.h"
#include "../../../src/common/segment.h"
#include "../../../src/daemon/store/store.h"

#define MIB ((uint64_t)1 << 20)

struct fake fake;
void (*fake_fill)(void);

/* ---- the publication ---- */

uint64_t fake_word(uint32_t layer, uint64_t page)
{
	return (uint64_t)(layer + 1) << 40 | (page + 1);
}

bool fake_hole(uint32_t layer, uint64_t page)
{
	return layer == 1 && page % 3 == 2;
}

static void fill_layer(uint32_t layer)
{
	uint64_t pages = fake.lengths[layer] / RM_PAGE, page;
	uint64_t *bitmap = rm_table_bitmap(fake.table, layer), *word;

	fake.source[layer] = mmap(NULL, fake.lengths[layer], PROT_READ | PROT_WRITE,
	                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (page = 0; page < pages; page++) {
		if (fake_hole(layer, page))
			continue;
		rm_bit_set(bitmap, page);
		word = (uint64_t *)(void *)(fake.source[layer] + page * RM_PAGE);
		word[0] = word[RM_PAGE / 8 - 1] = fake_word(layer, page);
	}
}

static void make_table(void)
{
	static const struct rm_segment segments[] = {
		{ FAKE_BASE, 1 * MIB, 0, 0, 0 },
		{ FAKE_BASE + 2 * MIB, 4 * MIB, 0, 1, 0 },
		{ FAKE_BASE + 6 * MIB, 30 * MIB, 0, 2, 0 },
		{ FAKE_BASE + 64 * MIB, 10 * MIB, 30 * MIB, 2, 0 },
	};
	uint32_t i;

	fake.lengths[0] = 1 * MIB;
	fake.lengths[1] = 4 * MIB;
	fake.lengths[2] = 40 * MIB;
	fake.table_size = rm_table_size(fake.lengths, FAKE_LAYERS, 4);
	fake.table = calloc(1, fake.table_size);
	rm_table_layout(fake.table, fake.lengths, FAKE_LAYERS, 4, FAKE_BASE + 64);
	memcpy(rm_table_segments(fake.table), segments, sizeof segments);
	for (i = 0; i < FAKE_LAYERS; i++)
		fill_layer(i);
	if (fake_fill)
		fake_fill();
}

static uint64_t evict(void *arg)
{
	(void)arg;
	return fake.remotes ? remotes_evict(fake.remotes) : 0;
}

void fake_open(void)
{
	memset(&fake, 0, sizeof fake);
	fake.keeper_socket = -1;
	fake.key = 1;
	fake.readers_left = UINT_MAX;
	memset(fake.handle.id, 0xab, RM_ID_BYTES);
	memset(fake.handle.secret, 0x5e, RM_SECRET_BYTES);
	strcpy(fake.handle.fabric.provider, "fake");
	make_table();
	fake.context.loop = loop_new();
	fake.context.limit.holders.evict = evict;
	fake.context.keeper = (struct keeper *)&fake;
	fake.remotes = remotes_new(&fake.context, NULL);
	fake.counters.refs = 1;
	for (unsigned i = 0; i < 4; i++) {
		fake.attachment[i].number = i + 1;
		fake.attachment[i].counters = &fake.counters;
		fake.attachment[i].save = fake_save;
		fake.attachment[i].pidfd = -1;
	}
}

void fake_close(void)
{
	uint32_t i;

	remotes_free(fake.remotes);
	loop_free(fake.context.loop);
	for (i = 0; i < FAKE_LAYERS; i++)
		munmap(fake.source[i], fake.lengths[i]);
	fake_reads_free();
	free(fake.table);
}

static void stop(struct timer *timer)
{
	(void)timer;
	loop_stop(fake.context.loop);
}

void fake_run(uint64_t ms)
{
	struct timer timer = { .fire = stop };

	loop_timer(fake.context.loop, &timer, rm_now_ns() + ms * 1000000);
	loop_run(fake.context.loop);
	loop_timer_cancel(fake.context.loop, &timer);
}

void fake_wake(void)
{
	loop_stop(fake.context.loop);
}

/* ---- the store, which has nothing ---- */

void layers_let_go(struct layers *layers)
{
	(void)layers;
}

bool layers_hold_file(struct layers *layers, const struct rm_layer_desc *desc, int fd)
{
	(void)layers;
	(void)desc;
	(void)fd;
	return false;
}
