/* SPDX-License-Identifier: BSD-2-Clause */
/* fake_fabric.c - see fake_host.h: reads that are copies, and what may be read */
#include "fake_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../../src/common/channel.h"
#include "../../../src/common/say.h"
#include "../../../src/daemon/base/container.h"
#include "../../../src/daemon/fabric/fabric.h"

struct later {                  /* a read under way */
	struct timer timer;
	struct fabric_read *read;
	int error;
	struct later *next;             /* while it is spare */
	struct later *older;            /* of all that were made, for fake_close() */
};

static struct later *spare, *made;

static struct later *later_make(void)
{
	struct later *later = calloc(1, sizeof *later);

	if (!later)
		abort();
	later->older = made;
	made = later;
	return later;
}

void fake_spare(unsigned count)
{
	struct later *later;

	for (; count; count--) {
		later = later_make();
		later->next = spare;
		spare = later;
	}
}

static struct later *new_later(void)
{
	struct later *later = spare;

	if (!later)
		return later_make();
	spare = later->next;
	*later = (struct later){ .older = later->older };
	return later;
}

void fake_reads_free(void)
{
	while (made) {
		struct later *later = made;

		made = later->older;
		free(later);
	}
	spare = NULL;
}

/* ---- what may be read ---- */

unsigned fake_make_regions(struct peer_region regions[FAKE_REGIONS])
{
	uint64_t part, at;
	unsigned count = 0;
	uint32_t i;

	for (i = 0; i < FAKE_LAYERS; i++) {
		part = fake.region_bytes ? fake.region_bytes : fake.lengths[i];
		for (at = 0; at < fake.lengths[i]; at += part)
			regions[count++] = (struct peer_region){
				.layer = i, .offset = at,
				.length = part < fake.lengths[i] - at ? part : fake.lengths[i] - at,
				.base = (uintptr_t)fake.source[i] + at, .key = fake.key };
	}
	for (i = 0; fake.room && i < count; i++) {
		regions[i].key = fake.keys[i];
		regions[i].keyless = !fake.keys[i];
		regions[i].base = fake.keys[i] ? regions[i].base : 0;
	}
	return count;
}

void fake_grant(unsigned i)
{
	static uint64_t last = 1000;
	unsigned k, oldest, held;

	if (!fake.keys[i]) {
		for (k = 0, held = 0, oldest = FAKE_REGIONS; k < FAKE_REGIONS; k++) {
			held += fake.keys[k] != 0;
			if (fake.keys[k] && (oldest == FAKE_REGIONS ||
			                     fake.granted[k] < fake.granted[oldest]))
				oldest = k;
		}
		if (held >= fake.room)
			fake.keys[oldest] = 0;
		fake.keys[i] = ++last;
	}
	fake.granted[i] = ++last;
}

void fake_take_keys(void)
{
	memset(fake.keys, 0, sizeof fake.keys);
}

static bool readable(const struct fabric_read *read)
{
	struct peer_region regions[FAKE_REGIONS];
	unsigned count, i;

	if (!fake.room)
		return read->key == fake.key;
	count = fake_make_regions(regions);
	for (i = 0; i < count; i++)
		if (fake.keys[i] == read->key && read->from >= regions[i].base &&
		    read->from + read->length <= regions[i].base + regions[i].length)
			return true;
	return false;
}

/* ---- fabric ---- */

static void read_over(struct timer *timer)
{
	struct later *later = container_of(timer, struct later, timer);
	struct fabric_read *read = later->read;
	int error = later->error;

	if (!error && !readable(read))
		error = -EACCES;
	fake.failed += error != 0;
	if (!error)
		memcpy(read->to, (const void *)(uintptr_t)read->from, read->length);
	fake.queued -= read->length;
	later->next = spare;
	spare = later;
	read->done(read, error);
}

void fabric_read(struct fabric *fabric, struct fabric_read *read)
{
	struct later *later = new_later();

	(void)fabric;
	fake.reads++;
	fake.read_bytes += read->length;
	fake.queued += read->length;
	if (fake.queued > fake.queued_max)
		fake.queued_max = fake.queued;
	later->timer.fire = read_over;
	later->read = read;
	if (fake.fail_reads) {
		fake.fail_reads--;
		later->error = -EIO;
	}
	if (fake.hang)
		later->error = -ETIMEDOUT;
	loop_timer(fake.context.loop, &later->timer,
	           fake.hang ? read->deadline : rm_now_ns() + fake.delay_ns);
}

int fabric_register(struct fabric *fabric, void *memory, size_t length,
                    struct fabric_region *region)
{
	(void)fabric;
	(void)memory;
	(void)length;
	memset(region, 0, sizeof *region);
	return 0;
}

void fabric_unregister(struct fabric *fabric, struct fabric_region *region)
{
	(void)fabric;
	(void)region;
}

void fabric_forget(struct fabric *fabric, const void *memory, size_t length)
{
	(void)fabric;
	(void)memory;
	(void)length;
}

void fabric_memlock_text(const struct fabric *fabric, char *text, size_t size)
{
	(void)fabric;
	rm_format(text, size, "the limit of locked memory");
}

bool fabric_busy(const struct fabric *fabric, const void *memory, size_t length)
{
	(void)fabric;
	(void)memory;
	(void)length;
	return fake.busy;
}
