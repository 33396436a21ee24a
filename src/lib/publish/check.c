/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check.c - RMMAP_CHECK: reports, at a publish, words of the snapshot that point out of it
 *
 * Any thread, under publish.c's lock. Allocates in own pages. Reads the heap itself, which is safe
 * for memory that the snapshot contains: the heap is never unmapped.
 */
#include "../../common/say.h"
#include "../../common/scan.h"
#include "internal.h"
#include "../heap/freed.h"

/* Where to read a segment: the memory itself, whose content the layer has had a moment ago. */
static const void *segment_here(void *arg, const struct rm_segment *segment)
{
	(void)arg;
	return (const void *)(uintptr_t)segment->addr;
}

static void scan_report(const struct rm_scan *scan, char *text)
{
	rm_scan_summary(scan, text, RM_STRAY_TEXT_MAX);
	rm_say_fd(2, "rmmap: check: %s", text);
	for (unsigned i = 0; i < scan->firsts; i++) {
		rm_stray_describe(scan, &scan->first[i], true, text, RM_STRAY_TEXT_MAX);
		rm_say_fd(2, "rmmap: check: %s", text);
	}
}

static void root_report_freed(uint64_t root)
{
	if (freed_holds((const void *)(uintptr_t)root))
		rm_say_fd(2, "rmmap: check: root (0x%llx) is a block that was freed: who attaches "
		          "this finds what was left there; publish before free()", (unsigned long
		                                                                    long)root);
}

void check_snapshot(const struct snapshot *snapshot)
{
	/*
	 * In own pages: a thread's stack may be small. The table is checked to get a view of it,
	 * not because it might be wrong.
	 */
	char *text = own_pages(RM_STRAY_TEXT_MAX);
	struct rm_table table;
	struct rm_scan scan;

	if (!text || rm_table_check(snapshot->table, snapshot->table_size, &table, NULL)) {
		rm_say_fd(2, "rmmap: check: not done: out of memory");
	} else {
		if (!table.places.count || table.places.cut)
			rm_say_fd(2, "rmmap: check: not all can be found: %s", table.places.cut ?
			          "this process has too many mappings" :
			          "/proc/self/maps cannot be read");
		root_report_freed(table.root);
		attached_lock();        /* attached memory may be unmapped, heap memory never is */
		rm_scan(&scan, &table, segment_here, NULL);
		attached_unlock();
		scan_report(&scan, text);
	}
	own_pages_free(text, RM_STRAY_TEXT_MAX);
}
