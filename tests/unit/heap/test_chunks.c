/* SPDX-License-Identifier: BSD-2-Clause */
/* test_chunks - tables of what jemalloc uses: made in time or never, and what is counted */
#include "../../../src/common/segment.h"
#include "../../../src/lib/heap/chunks.h"
#include "../unit.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define SLOT 3
#define ADDR (rm_slot_base(SLOT) + 8 * RM_HUGE)

static void use(uint64_t addr, uint64_t length)
{
	uint64_t dirty[CHUNK_WORDS];

	chunk_use(chunk_at(addr), addr, length, dirty);
	for (unsigned i = 0; i < CHUNK_WORDS; i++)
		ck_assert_uint_eq(dirty[i], 0);
}

/*
 * Memory came into use when there was no room for a table. One that is made later would say that it
 * is free, and it would be given back.
 */
START_TEST(no_late_table)
{
	struct rlimit before, none;

	ck_assert_int_eq(getrlimit(RLIMIT_AS, &before), 0);
	none = before;
	none.rlim_cur = 4096;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &none), 0);
	chunks_add_slot(ADDR);
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &before), 0);
	ck_assert_ptr_null(chunk_at(ADDR));
	chunks_add_slot(ADDR);
	ck_assert_ptr_null(chunk_at(ADDR));
	ck_assert(!chunks_unused(ADDR, RM_HUGE));
	chunks_add_slot(rm_slot_base(SLOT + 1));
	ck_assert_ptr_nonnull(chunk_at(rm_slot_base(SLOT + 1)));
}
END_TEST

/* What a child has from its parent does not count, and may be freed. */
START_TEST(inherited)
{
	uint64_t own = rm_slot_base(SLOT + 1);

	chunks_add_slot(ADDR);
	use(ADDR, 100 * RM_PAGE);
	ck_assert_uint_eq(chunk_totals.used, 100);
	chunks_inherit();
	ck_assert_uint_eq(chunk_totals.used, 0);
	chunks_add_slot(own);
	use(own, 7 * RM_PAGE);
	chunk_free(chunk_at(ADDR), ADDR, 60 * RM_PAGE);
	ck_assert_uint_eq(chunk_totals.used, 7);
	ck_assert_uint_eq(chunk_at(ADDR)->used_pages, 40);
	chunk_free(chunk_at(own), own, 7 * RM_PAGE);
	ck_assert_uint_eq(chunk_totals.used, 0);
}
END_TEST

/* Also where transparent_hugepage/enabled is "always", a table takes what is touched of it. */
START_TEST(small_pages)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	unsigned long from, to, table;
	bool in = false, small = false;
	char line[512];

	if (access("/sys/kernel/mm/transparent_hugepage", F_OK)) {
		printf("skipped: this kernel has no transparent huge pages\n");
		return;
	}
	chunks_add_slot(ADDR);
	table = (uintptr_t)chunk_at(ADDR);
	ck_assert_ptr_nonnull(smaps);
	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			in = table >= from && table < to;
		if (in && strncmp(line, "VmFlags:", 8) == 0)
			small = strstr(line, " nh") != NULL;
	}
	fclose(smaps);
	ck_assert(small);
}
END_TEST

/* What jemalloc uses, against a plain array of pages. */
START_TEST(used)
{
	static bool is[3 * CHUNK_PAGES], was[3 * CHUNK_PAGES];
	uint64_t bitmap[3 * CHUNK_WORDS], count = 0;
	const char *p = (const char *)(uintptr_t)rm_slot_base(900);

	chunks_add_slot((uintptr_t)p);
	ck_assert(!chunks_unused((uintptr_t)rm_slot_base(901), RM_PAGE));
	srandom(1);
	for (int round = 0; round < 20000; round++) {
		unsigned from = (unsigned)random() % COUNT(is), n = 1 + (unsigned)random() % 90;
		uint64_t dirty[CHUNK_WORDS];
		bool add = random() % 2;

		if (n > CHUNK_PAGES - from % CHUNK_PAGES)
			n = CHUNK_PAGES - from % CHUNK_PAGES;
		if (add)
			chunk_use(chunk_at((uintptr_t)p + from * RM_PAGE),
			          (uintptr_t)p + from * RM_PAGE, n * RM_PAGE, dirty);
		else
			chunk_free(chunk_at((uintptr_t)p + from * RM_PAGE),
			           (uintptr_t)p + from * RM_PAGE, n * RM_PAGE);
		for (unsigned i = from; i < from + n; i++) {
			if (add)
				ck_assert_int_eq(rm_bit(dirty, i % CHUNK_PAGES), was[i]);
			count += (uint64_t)add - is[i];
			is[i] = add;
			was[i] = !add;
		}
		ck_assert_uint_eq(chunk_totals.used, count);
	}
	memset(bitmap, 0, sizeof(bitmap));
	chunks_used((uintptr_t)p, 3 * RM_HUGE, bitmap);
	for (unsigned i = 0; i < COUNT(is); i++) {
		ck_assert_int_eq(rm_bit(bitmap, i), is[i]);
		ck_assert_int_eq(chunks_unused((uintptr_t)p + i * RM_PAGE, RM_PAGE), !is[i]);
	}
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = { { no_late_table, 0 }, { inherited, 0 }, { small_pages, 0 },
	                                   { used, 0 } };

	return unit_run("chunks", tests, COUNT(tests));
}
