/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * count.c - counts what was fetched, for the publication and for the process that wanted it
 *
 * If several processes wait for a page, it counts for the one that asked first. Worker thread
 * only; process_counters_new() allocates.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

struct process_counters *process_counters_new(void)
{
	struct process_counters *counters = calloc(1, sizeof(*counters));

	if (counters)
		counters->refs = 1;
	return counters;
}

struct process_counters *process_counters_ref(struct process_counters *counters)
{
	counters->refs++;
	return counters;
}

void process_counters_unref(struct process_counters *counters)
{
	if (!counters)
		return;
	assert(counters->refs > 0);
	if (!--counters->refs)
		free(counters);
}

static void counters_count(struct rm_counters *counters, const struct remote *remote,
                           unsigned reads, uint64_t pages)
{
	counters->reads += reads;
	counters->fetched_pages += pages;
	counters->fetched_bytes += pages * RM_PAGE;
	/*
	 * The first one stays: a process may attach over several fabrics, and there is one name.
	 */
	if (!counters->provider[0])
		memcpy(counters->provider, remote->handle.fabric.provider,
		       sizeof(counters->provider));
}

void fetch_count(struct remote *remote, struct process_counters *counters, unsigned reads,
                 uint64_t pages)
{
	counters_count(&remote->counters, remote, reads, pages);
	if (counters)
		counters_count(&counters->sum, remote, reads, pages);
}
