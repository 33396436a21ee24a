/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tune.c - what programs ask of an allocator beside memory
 *
 * jemalloc's mallctl, and those functions of glibc that would otherwise answer for a heap that is
 * not in use. malloc_info and malloc_stats stay glibc's, since they write to stdio. Any thread;
 * does not allocate, except what mallctl does.
 */
#include "heap.h"

#include <limits.h>
#include <malloc.h>
#include <string.h>

#include "jemalloc.h"
#include "pages.h"
#include "rmmap.h"

RM_EXPORT int rmmap_mallctl(const char *name, void *old, size_t *old_size, void *new,
                            size_t new_size)
{
	return rj_mallctl(name, old, old_size, new, new_size);
}

static size_t statistic_read(const char *name)
{
	size_t value = 0, size = sizeof(value);

	return rj_mallctl(name, &value, &size, NULL, 0) ? 0 : value;
}

RM_EXPORT struct mallinfo2 mallinfo2(void)
{
	struct mallinfo2 info;
	uint64_t epoch = 1;

	memset(&info, 0, sizeof(info));
	rj_mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch));
	info.arena = statistic_read("stats.mapped");
	info.uordblks = statistic_read("stats.allocated");
	info.fordblks = info.arena > info.uordblks ? info.arena - info.uordblks : 0;
	info.keepcost = statistic_read("stats.active");
	info.keepcost = info.keepcost > info.uordblks ? info.keepcost - info.uordblks : 0;
	return info;
}

static int int_at_most(size_t value)
{
	return value < INT_MAX ? (int)value : INT_MAX;
}

/* The fields are too narrow: a value that does not fit becomes the largest that does. */
RM_EXPORT struct mallinfo mallinfo(void)
{
	const struct mallinfo2 wide = mallinfo2();
	struct mallinfo info;

	memset(&info, 0, sizeof(info));
	info.arena = int_at_most(wide.arena);
	info.uordblks = int_at_most(wide.uordblks);
	info.fordblks = int_at_most(wide.fordblks);
	info.keepcost = int_at_most(wide.keepcost);
	return info;
}

/* All free pages go back, whatever pad is. Returns 1, as glibc does if it gave memory back. */
RM_EXPORT int malloc_trim(size_t pad)
{
	bool done;

	(void)pad;
	rj_mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
	done = rj_mallctl("arena." RJ_ALL_ARENAS ".purge", NULL, NULL, NULL, 0) == 0;
	pages_purge(false);
	return done;
}

/* glibc's parameters mean nothing here: they are accepted and have no effect. */
RM_EXPORT int mallopt(int parameter, int value)
{
	(void)parameter, (void)value;
	return 1;
}
