/* SPDX-License-Identifier: BSD-2-Clause */
/* backing_steps.c - steps of the tests of the heap's spans */
#include "backing_steps.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

struct array spans;

char *base(void)
{
	return (char *)rm_slot_base(900);
}

char *grow(char *at, size_t length)
{
	ck_assert_int_eq(backing_map((uintptr_t)at, length, HEAP), 0);
	return at;
}

/* A shared heap of one span; byte i of each page says which page it is. */
char *shared(size_t length)
{
	char *p;

	backing_init(true, true);
	p = grow(base(), length);
	for (size_t at = 0; at < length; at += RM_PAGE)
		memset(p + at, (int)(at / RM_PAGE % 100 + 1), RM_PAGE);
	return p;
}

bool filled(const char *p, int value, size_t length)
{
	return p[0] == (char)value && !memcmp(p, p + 1, length - 1);
}

bool intact(const char *p, size_t from, size_t to)
{
	for (size_t at = from; at < to; at += RM_PAGE)
		if (!filled(p + at, (int)(at / RM_PAGE % 100 + 1), RM_PAGE))
			return false;
	return true;
}

const struct span *frozen(size_t count)
{
	array_free(&spans);
	ck_assert_int_eq(backing_freeze(&spans), 0);
	for (size_t i = 1; i < spans.count; i++) {
		const struct span *s = (const struct span *)spans.data + i;

		ck_assert_uint_ge(s->addr, s[-1].addr + s[-1].length);
	}
	if (count)
		ck_assert_uint_eq(spans.count, count);
	return spans.data;
}

void check_span(const struct span *s, int kind, const char *from, size_t size, bool fresh)
{
	ck_assert_int_eq(s->kind, kind);
	ck_assert_uint_eq(s->addr, (uintptr_t)from);
	ck_assert_uint_eq(s->length, size);
	ck_assert_uint_eq(s->heap, HEAP);
	ck_assert_int_eq(s->fresh, fresh);
}

int file_of(uint32_t number, size_t expected)
{
	uint8_t id[RM_ID_BYTES];
	uint64_t length;
	int fd;

	ck_assert(backing_file(number, id, &length, &fd));
	ck_assert_uint_eq(length, expected);
	ck_assert_int_eq(fcntl(fd, F_GET_SEALS), SEALS);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	return fd;
}

char *mapped(int fd, size_t length)
{
	char *p = mmap(NULL, length, PROT_READ, MAP_PRIVATE, fd, 0);

	ck_assert_ptr_ne(p, MAP_FAILED);
	return p;
}

/* How many mappings of this process say so in their line. */
int lines(const char *words)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	int count = 0;

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f))
		count += strstr(line, words) != NULL;
	fclose(f);
	return count;
}

void close_all(void)
{
	for (int fd = 3; fd < 4096; fd++)
		close(fd);
}
