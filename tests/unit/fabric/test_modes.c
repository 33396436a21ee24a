/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_modes.c - memory.c and the posting of reads, for whatever mr_mode a provider has
 */
#include <errno.h>
#include <string.h>

#include "fake_provider.h"

START_TEST(keys)
{
	struct fabric_region a, b;
	size_t bytes;

	/* ours to choose: random, never longer than the provider takes */
	for (bytes = 1; bytes <= 8; bytes++) {
		begin(0, bytes, 1 << 20);
		ck_assert_int_eq(fabric_register(&it.fabric, it.memory, 4096, &a), 0);
		ck_assert_uint_eq(a.key, it.last->asked_key);
		ck_assert(bytes == 8 || a.key >> bytes * 8 == 0);
		ck_assert_uint_eq(a.base, 0);
		ck_assert_uint_eq(it.last->access, FI_REMOTE_READ);
		ck_assert(!it.last->bound);
		it.clashes = 3;
		ck_assert_int_eq(fabric_register(&it.fabric, it.memory, 4096, &b), 0);
		it.clashes = 1000;
		fabric_unregister(&it.fabric, &b);
		ck_assert_int_eq(fabric_register(&it.fabric, it.memory, 4096, &b), -FI_ENOKEY);
		fabric_unregister(&it.fabric, &a);
		end();
	}
	/* the provider's: what it says afterwards */
	begin(FI_MR_PROV_KEY | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED, 4, 1 << 20);
	it.next_key = 0x1234;
	ck_assert_int_eq(fabric_register(&it.fabric, it.memory + 4096, 4096, &a), 0);
	ck_assert_uint_eq(it.last->asked_key, 0);
	ck_assert_uint_eq(a.key, 0x1234);
	ck_assert_uint_eq(a.base, (uintptr_t)it.memory + 4096);
	fabric_unregister(&it.fabric, &a);
	/* it says that it has none */
	it.next_key = FI_KEY_NOTAVAIL;
	ck_assert_int_eq(fabric_register(&it.fabric, it.memory, 4096, &a), -FI_ENOKEY);
	ck_assert(!a.mr && !it.open);
	end();
}
END_TEST

START_TEST(endpoint)
{
	struct fabric_region region;

	begin(FI_MR_ENDPOINT, 8, 1 << 20);
	ck_assert_int_eq(fabric_register(&it.fabric, it.memory, 4096, &region), 0);
	ck_assert(it.last->bound && it.last->enabled);
	fabric_unregister(&it.fabric, &region);
	end();
}
END_TEST

/* A provider whose keys cannot be closed is not used. */
START_TEST(probe)
{
	struct fabric_region region;

	begin(FI_MR_ENDPOINT, 8, 1 << 20);
	it.fabric.slab = it.memory;
	ck_assert_int_eq(fabric_mr_probe(&it.fabric), 0);
	ck_assert_uint_eq(it.open, 0);
	it.close_error = -FI_EBUSY;
	ck_assert_int_eq(fabric_mr_probe(&it.fabric), -EKEYREVOKED);
	region.mr = &it.last->mr;
	region.length = 0;
	it.close_error = 0;
	fabric_unregister(&it.fabric, &region);
	it.limit = 0;
	ck_assert_int_eq(fabric_mr_probe(&it.fabric), -FI_ENOMEM);
	end();
}
END_TEST

START_TEST(not_local)
{
	struct fabric_read read;

	begin(FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY, 4, 0);
	ask(&read, 0, 6);
	ck_assert(fabric_reads_post(&it.fabric));
	ck_assert_uint_eq(it.read_count, 2);    /* max_msg_size is 4 pages here */
	ck_assert_ptr_null(it.reads[0].desc);
	ck_assert_uint_eq(it.reads[0].length, 4 * 4096);
	ck_assert_uint_eq(it.reads[1].length, 2 * 4096);
	ck_assert_uint_eq(it.reads[1].from, 1000 + 4 * 4096);
	complete(1);
	complete(0);
	result_count = 0;
	ck_assert(fabric_reads_finish(&it.fabric));
	ck_assert(result_count == 1 && !results[0]);
	end();
}
END_TEST

START_TEST(local)
{
	struct fabric_read read, next;
	struct fake_mr *first;

	begin(FI_MR_LOCAL | FI_MR_ALLOCATED, 8, sizeof(it.memory));
	ask(&read, 3, 2);
	read.around = it.memory + 2 * 4096;
	read.around_length = 6 * 4096;
	fabric_reads_post(&it.fabric);
	first = it.last;
	ck_assert(it.reads[0].desc == first);
	ck_assert_uint_eq(first->start, (uintptr_t)it.memory + 2 * 4096);
	ck_assert_uint_eq(first->length, 6 * 4096);
	ck_assert_uint_eq(first->access, FI_READ);
	/* in it: not registered again; partly in it: by itself, without what is around */
	ask(&next, 5, 3);
	fabric_reads_post(&it.fabric);
	ck_assert(it.reads[1].desc == first && it.open == 1);
	complete(0);
	complete(1);
	ask(&read, 7, 2);
	read.around = it.memory;
	read.around_length = 4096;
	fabric_reads_post(&it.fabric);
	ck_assert(it.reads[2].desc == it.last && it.open == 2);
	ck_assert_uint_eq(it.last->start, (uintptr_t)it.memory + 7 * 4096);
	ck_assert_uint_eq(it.last->length, 2 * 4096);
	/* unmapped: what is under way there stays */
	fabric_forget(&it.fabric, it.memory, sizeof(it.memory));
	ck_assert_uint_eq(it.open, 1);
	complete(2);
	fabric_forget(&it.fabric, it.memory, sizeof(it.memory));
	ck_assert_uint_eq(it.open, 0);
	fabric_reads_finish(&it.fabric);
	end();
}
END_TEST

/* RLIMIT_MEMLOCK: the oldest idle one goes; with all in use it waits; with none it fails. */
START_TEST(eviction)
{
	struct fabric_read reads[4];
	struct fabric_region region;

	begin(FI_MR_LOCAL | FI_MR_ALLOCATED, 8, 4 * 4096);
	ask(&reads[0], 0, 2);
	ask(&reads[1], 8, 2);
	fabric_reads_post(&it.fabric);
	ck_assert_uint_eq(it.read_count, 2);
	ask(&reads[2], 16, 3);
	fabric_reads_post(&it.fabric);
	ck_assert(it.read_count == 2 && it.peer.stalled);
	complete(0);
	it.peer.stalled = false;
	fabric_reads_post(&it.fabric);
	ck_assert_uint_eq(it.read_count, 2);    /* one is idle, which is not enough */
	complete(1);
	it.peer.stalled = false;
	fabric_reads_post(&it.fabric);
	ck_assert_uint_eq(it.read_count, 3);
	ck_assert_uint_eq(it.open, 1);
	complete(2);
	/* what others are to read goes before what is idle */
	ck_assert_int_eq(fabric_register(&it.fabric, it.memory, 4 * 4096, &region), 0);
	ck_assert_uint_eq(it.open, 1);
	result_count = 0;
	fabric_reads_finish(&it.fabric);
	ask(&reads[3], 0, 1);
	fabric_reads_post(&it.fabric);
	fabric_reads_post(&it.fabric);
	ck_assert_uint_eq(it.read_count, 3);
	fabric_reads_finish(&it.fabric);
	ck_assert(result_count == 4 && !results[2] && results[3] == -ENOMEM);
	fabric_unregister(&it.fabric, &region);
	end();
}
END_TEST

/* What is around a read is more than may be locked: the read itself is registered. */
START_TEST(around_is_too_much)
{
	struct fabric_read read;

	begin(FI_MR_LOCAL, 8, 4 * 4096);
	ask(&read, 8, 2);
	read.around = it.memory;
	read.around_length = 16 * 4096;
	fabric_reads_post(&it.fabric);
	ck_assert(it.read_count == 1 && it.open == 1);
	ck_assert_uint_eq(it.fabric.registered, 2 * 4096);
	complete(0);
	fabric_reads_finish(&it.fabric);
	end();
}
END_TEST

START_TEST(words)
{
	char text[256];

	begin(0, 8, 0);
	strcpy(it.fabric.addr.provider, "verbs;ofi_rxm");
	it.fabric.registered = 3 << 20;
	fabric_memlock_text(&it.fabric, text, sizeof(text));
	ck_assert(strstr(text, "verbs;ofi_rxm") && strstr(text, "3072 KiB") &&
	          strstr(text, "ulimit -l"));
	it.fabric.registered = 0;
	end();
}
END_TEST

/* A read that finds no room asks for what others may read to be given up. */
static bool make_room(void *arg)
{
	struct fabric_region *region = arg;

	if (!region->mr)
		return false;
	fabric_unregister(&it.fabric, region);
	return true;
}

START_TEST(room)
{
	struct fabric_region region;
	struct fabric_read read;

	begin(FI_MR_LOCAL, 8, 4 * 4096);
	it.fabric.events = (struct fabric_events){ .arg = &region, .room = make_room };
	ck_assert_int_eq(fabric_register(&it.fabric, it.memory, 4 * 4096, &region), 0);
	ask(&read, 8, 2);
	fabric_reads_post(&it.fabric);
	ck_assert(it.read_count == 1 && !region.mr && it.open == 1);
	complete(0);
	fabric_reads_finish(&it.fabric);
	end();
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ keys, 0 }, { endpoint, 0 }, { not_local, 0 }, { local, 0 }, { eviction, 0 },
		{ around_is_too_much, 0 }, { words, 0 }, { probe, 0 }, { room, 0 },
	};

	return unit_run("modes", tests, COUNT(tests));
}
