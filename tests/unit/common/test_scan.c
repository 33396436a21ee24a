/* SPDX-License-Identifier: BSD-2-Clause */
/* test_scan - which words point out of a snapshot, in which block, into what */
#include "../unit.h"

#include <elf.h>
#include <stdio.h>
#include <unistd.h>

#include "scan.h"

#define BASE (RM_WINDOW_BASE + RM_SLOT_SIZE)
#define HERE __attribute__((aligned(64)))

static const char literal[] = "text";
static int data = 1;

/* Two segments of two pages with a hole after the first page: 0 and 2 have data. */
static uint64_t pages[4][RM_PAGE / 8] HERE;
static uint64_t memory[4096] HERE;
static struct rm_table table;
static const char *wrong;

static const struct rm_place places[] = {
	{ 0x400000, 0x401000, 0, RM_PLACE_FILE | RM_PLACE_PROGRAM | RM_PLACE_EXEC, 8 },
	{ 0x401000, 0x402000, 0x1000, RM_PLACE_FILE | RM_PLACE_PROGRAM, 8 },
	{ 0x402000, 0x403000, 0x2000, RM_PLACE_FILE | RM_PLACE_PROGRAM | RM_PLACE_WRITE, 8 },
	{ 0x403000, 0x404000, 0, RM_PLACE_BSS | RM_PLACE_PROGRAM | RM_PLACE_WRITE, 8 },
	{ 0x7f0000000000, 0x7f0000001000, 0, RM_PLACE_FILE, 16 },
	{ 0x7f0000002000, 0x7f0000003000, 0, 0, 0 },
	{ 0x7f0000004000, 0x7f0000005000, 0, 0, 24 },
	{ 0x7ffff0000000, 0x7ffff1000000, 0, RM_PLACE_STACK | RM_PLACE_WRITE, 32 },
};
static const char names[] = "\0./me\0\0\0" "/no/me\0\0" "/no/lib\0" "[vdso]\0\0" "[stack]\0";

static int build(bool with_places)
{
	const uint64_t lengths[] = { 4 * RM_PAGE };
	size_t size = rm_table_size(lengths, 1, 2);
	struct rm_places_header *header = (void *)((char *)memory + size);

	memset(memory, 0, sizeof(memory));
	rm_table_layout(memory, lengths, 1, 2, BASE + 64);
	rm_table_segments(memory)[0] = (struct rm_segment){ BASE, 2 * RM_PAGE, 0, 0, 1 };
	rm_table_segments(memory)[1] =
		(struct rm_segment){ BASE + 8 * RM_PAGE, 2 * RM_PAGE, 2 * RM_PAGE, 0, 1 };
	rm_bit_set(rm_table_bitmap(memory, 0), 0);
	rm_bit_set(rm_table_bitmap(memory, 0), 2);
	if (with_places) {
		*header = (struct rm_places_header){ COUNT(places), sizeof(names) & ~7u, 0, 0 };
		memcpy(header + 1, places, sizeof(places));
		memcpy((char *)(header + 1) + sizeof(places), names, sizeof(names) & ~7u);
		rm_table_add_places(memory, sizeof(*header) + sizeof(places) +
		                            (sizeof(names) & ~7u));
	}
	size = ((struct rm_table_header *)memory)->size;
	return rm_table_check(memory, size, &table, &wrong);
}

static const void *segment_data(void *arg, const struct rm_segment *segment)
{
	(void)arg;
	return pages[segment->offset / RM_PAGE];
}

START_TEST(nothing)
{
	struct rm_scan scan;
	char text[200];

	ck_assert_int_eq(build(true), 0);
	pages[0][0] = BASE + 8;                         /* into the snapshot, */
	pages[0][1] = BASE + 2 * RM_PAGE - 1;           /* a hole of it too, */
	pages[0][2] = 5;                                /* numbers, */
	pages[0][3] = 0x404000;                         /* what follows a place, */
	pages[0][4] = RM_WINDOW_END;                    /* and the window, */
	pages[0][5] = BASE - 8 * RM_PAGE + 4;           /* no block, since not aligned */
	pages[1][0] = pages[3][511] = 0x400000;         /* holes are not looked at */
	rm_scan(&scan, &table, segment_data, NULL);
	ck_assert_uint_eq(scan.total, 0);
	ck_assert_uint_eq(scan.bytes, 2 * RM_PAGE);
	rm_scan_summary(&scan, text, sizeof(text));
	ck_assert_str_eq(text, "no words point out of the snapshot's 8 KiB");
}
END_TEST

START_TEST(each_kind)
{
	static const struct {
		uint64_t word;
		enum rm_stray_kind kind;
		const char *into;
	} table_[] = {
		{ 0x400000, RM_STRAY_PROGRAM, ".text of ./me" },
		{ 0x401fff, RM_STRAY_PROGRAM, ".rodata of ./me" },
		{ 0x402001, RM_STRAY_PROGRAM, ".data of ./me" },
		{ 0x403001, RM_STRAY_PROGRAM, ".bss of ./me" },
		{ 0x7f0000000008, RM_STRAY_FILE, ".rodata of /no/lib" },
		{ 0x7f0000002fff, RM_STRAY_MEMORY, "anonymous memory" },
		{ 0x7f0000004000, RM_STRAY_MEMORY, "[vdso]" },
		{ 0x7ffff0000010, RM_STRAY_STACK, "the stack" },
		{ BASE + RM_SLOT_SIZE, RM_STRAY_SLOT, "slot 2, outside of the snapshot" },
		{ BASE + 2 * RM_PAGE, RM_STRAY_SLOT, "slot 1, outside of the snapshot" },
	};
	struct rm_scan scan;
	char text[200];

	ck_assert_int_eq(build(true), 0);
	for (size_t i = 0; i < COUNT(table_); i++) {
		memset(pages, 0, sizeof(pages));
		pages[2][511] = table_[i].word;
		rm_scan(&scan, &table, segment_data, NULL);
		ck_assert_uint_eq(scan.total, 1);
		ck_assert_uint_eq(scan.found[table_[i].kind], 1);
		ck_assert_uint_eq(scan.first[0].addr, BASE + 9 * RM_PAGE - 8);
		rm_stray_target(&scan, &scan.first[0], true, text, sizeof(text));
		ck_assert_str_eq(text, table_[i].into);
	}
}
END_TEST

START_TEST(blocks)
{
	struct rm_scan scan;
	char text[200], wanted[200];

	ck_assert_int_eq(build(true), 0);
	memset(pages, 0, sizeof(pages));
	pages[0][10] = 0x401000;        /* behind root, which is at 64 */
	pages[0][200] = 0x401000;       /* behind what the second segment points to */
	pages[2][0] = BASE + 198 * 8;
	pages[2][1] = BASE + 197 * 8;
	pages[2][2] = BASE + 200 * 8 + 8;
	pages[2][3] = BASE + 199 * 8;
	pages[2][5] = BASE + 199 * 8 + 4;
	pages[2][4] = 0x401000;         /* nothing leads here */
	for (int i = 20; i < 40; i++)
		pages[2][i] = 0x7ffff0000010;
	rm_scan(&scan, &table, segment_data, NULL);
	ck_assert_uint_eq(scan.total, 23);
	ck_assert_uint_eq(scan.found[RM_STRAY_STACK], 20);
	ck_assert_uint_eq(scan.firsts, RM_SCAN_FIRST);
	ck_assert_uint_eq(scan.first[0].block, BASE + 64);
	ck_assert_uint_eq(scan.first[1].block, BASE + 198 * 8);
	rm_stray_describe(&scan, &scan.first[1], true, text, sizeof(text));
	snprintf(wanted, sizeof(wanted), "block at 0x%llx +16 -> .rodata of ./me",
	         (unsigned long long)BASE + 198 * 8);
	ck_assert_str_eq(text, wanted);
	rm_scan_summary(&scan, text, sizeof(text));
	ck_assert_str_eq(text, "23 words look like pointers out of the snapshot: "
	                 "3 into the program, 20 into the stack");

	memset(pages, 0, sizeof(pages));
	pages[2][5] = 0x401000;
	pages[2][6] = BASE + 8 * RM_PAGE + 5 * 8;
	rm_scan(&scan, &table, segment_data, NULL);
	ck_assert_uint_eq(scan.first[0].block, BASE + 8 * RM_PAGE + 5 * 8);     /* of 8 bytes */

	memset(pages, 0, sizeof(pages));
	pages[2][4] = 0x401000;
	((struct rm_table_header *)memory)->root = BASE + 9 * RM_PAGE;
	ck_assert_int_eq(rm_table_check(memory, ((struct rm_table_header *)memory)->size, &table,
	                                NULL), 0);
	rm_scan(&scan, &table, segment_data, NULL);
	rm_stray_describe(&scan, &scan.first[0], true, text, sizeof(text));
	snprintf(wanted, sizeof(wanted), "word at 0x%llx -> .rodata of ./me",
	         (unsigned long long)BASE + 8 * RM_PAGE + 4 * 8);
	ck_assert_str_eq(text, wanted);
}
END_TEST

/* Without places only the window can be judged. */
START_TEST(no_places)
{
	struct rm_scan scan;

	ck_assert_int_eq(build(false), 0);
	ck_assert_uint_eq(table.places.count, 0);
	memset(pages, 0, sizeof(pages));
	pages[0][0] = 0x401000;
	pages[0][1] = 0x7ffff0000010;
	pages[0][2] = BASE + RM_SLOT_SIZE;
	rm_scan(&scan, &table, segment_data, NULL);
	ck_assert_uint_eq(scan.total, 1);
	ck_assert_uint_eq(scan.found[RM_STRAY_SLOT], 1);
}
END_TEST

#define BREAK(statement) do { \
	struct rm_table_header *t = (void *)memory; \
	struct rm_places_header *h; \
	struct rm_place *p; \
	char *text; \
	ck_assert_int_eq(build(false), 0); \
	h = (void *)((char *)memory + t->size); \
	ck_assert_int_eq(build(true), 0); \
	p = (void *)(h + 1); \
	text = (char *)(p + COUNT(places)); \
	(void)p; \
	(void)text; \
	statement; \
	wrong = NULL; \
	ck_assert_msg(rm_table_check(memory, t->size, &table, &wrong) == -EINVAL && wrong, \
	              "%s passed", #statement); \
} while (0)

START_TEST(bad_places)
{
	BREAK(h->count++);
	BREAK(h->count--);
	BREAK(h->count = UINT32_MAX);
	BREAK(h->count = RM_PLACES_MAX + 1);
	BREAK(h->text_size += 8);
	BREAK(h->text_size -= 8);
	BREAK(h->text_size = 0);
	BREAK(h->text_size = UINT32_MAX - 7);
	BREAK(h->cut = 2);
	BREAK(t->size -= 8);
	BREAK(t->size += 8);
	BREAK(p[0].end = p[0].start);
	BREAK(p[1].start--);
	BREAK(p[2].name = h->text_size);
	BREAK(p[2].name = UINT32_MAX);
	BREAK(text[0] = 'x');
	BREAK(text[h->text_size - 1] = 'x');
}
END_TEST

/* Of this very program, whose sections are known. */
static void section(const void *address, const char *want)
{
	unsigned long start, end, offset;
	char line[4400], path[4200], rights[8], text[4400];
	FILE *maps = fopen("/proc/self/maps", "r");
	struct rm_places known = { .count = 1 };
	struct rm_place place = { 0 };
	char names_[4300] = "";

	ck_assert_ptr_nonnull(maps);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %7s %lx %*s %*s %4199s", &start, &end, rights, &offset,
		           path) != 5 || (uintptr_t)address < start || (uintptr_t)address >= end)
			continue;
		snprintf(names_ + 2, sizeof(names_) - 2, "%s", path);
		place = (struct rm_place){ start, end, offset, RM_PLACE_FILE, 2 };
		place.flags |= rights[1] == 'w' ? RM_PLACE_WRITE : 0;
		place.flags |= rights[2] == 'x' ? RM_PLACE_EXEC : 0;
	}
	fclose(maps);
	ck_assert_uint_ne(place.end, 0);
	known.place = &place;
	known.text = names_;
	rm_place_describe(&known, &place, (uintptr_t)address, true, text, sizeof(text));
	ck_assert_msg(!strncmp(text, want, strlen(want)) && text[strlen(want)] == ' ', "%s: %s",
	              want, text);
}

START_TEST(sections)
{
	section(literal, ".rodata");
	section((const void *)(uintptr_t)section, ".text");
	section(&data, ".data");
	section((const void *)(uintptr_t)getpid, ".text");
}
END_TEST

/* Files that are no ELF files, or damaged ones: the rights of the mapping tell. */
START_TEST(no_sections)
{
	char path[] = "/tmp/rmmap-scan-XXXXXX", names_[64] = "", text[100];
	int fd = mkstemp(path);
	Elf64_Ehdr elf = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64 },
		.e_shentsize = sizeof(Elf64_Shdr), .e_shnum = 65535, .e_shoff = UINT64_MAX - 8,
		.e_shstrndx = 65535 };
	struct rm_place place = { 0x1000, 0x2000, 0, RM_PLACE_FILE, 2 };
	struct rm_places known = { &place, names_, 1, false };

	ck_assert_int_ge(fd, 0);
	strcpy(names_ + 2, path);
	for (int round = 0; round < 3; round++) {
		rm_place_describe(&known, &place, 0x1008, true, text, sizeof(text));
		ck_assert_int_eq(strncmp(text, ".rodata of /tmp", 15), 0);
		ck_assert_int_eq(pwrite(fd, &elf, sizeof(elf), 0), sizeof(elf));
		elf.e_shoff = 0;
	}
	unlink(path);
	close(fd);
	strcpy(names_ + 2, "/dev/zero");
	rm_place_describe(&known, &place, 0x1008, true, text, sizeof(text));
	ck_assert_str_eq(text, ".rodata of /dev/zero");
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ nothing, 0 }, { each_kind, 0 }, { blocks, 0 }, { no_places, 0 }, { bad_places, 0 },
		{ sections, 0 }, { no_sections, 0 },
	};

	return unit_run("scan", tests, COUNT(tests));
}
