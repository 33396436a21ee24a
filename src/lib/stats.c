/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stats.c - counters of this process; RMMAP_STATS at exit
 *
 * Any thread, without a lock: each counter is exact, but all together need not be of one moment.
 * rmmapd's counters are asked for, which takes the connection's lock. Allocates own pages only.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "../common/say.h"
#include "lib.h"
#include "rmmap.h"

/* A duplicate of fd 2, made at start: many programs close fd 2 before they end. */
static struct fd_mark summary = { .fd = -1 };

static void counters_take(struct rmmap_stats *s, const struct rm_wire_stats_reply *reply)
{
	const struct rm_ahead_counters *ahead = reply->counters.ahead;

	s->faults = reply->counters.faults;
	s->fault_ns = reply->counters.fault_ns;
	s->fault_median_ns = rm_fault_within(reply->counters.fault_times, 500);
	s->fault_p99_ns = rm_fault_within(reply->counters.fault_times, 990);
	s->reads = reply->counters.reads;
	s->fetched_pages = reply->counters.fetched_pages;
	s->fetched_bytes = reply->counters.fetched_bytes;
	s->prefetched_pages = rm_ahead_sum(&reply->counters).pages;
	s->prefetched_used = rm_ahead_sum(&reply->counters).used;
	s->readahead_pages = ahead[RM_AHEAD_SCAN].pages;
	s->readahead_used = ahead[RM_AHEAD_SCAN].used;
	s->pointer_pages = ahead[RM_AHEAD_POINTER].pages;
	s->pointer_used = ahead[RM_AHEAD_POINTER].used;
	s->asked_pages = ahead[RM_AHEAD_ASKED].pages;
	s->asked_used = ahead[RM_AHEAD_ASKED].used;
	s->cache_huge_bytes = reply->cache_huge_bytes;
	rm_format(s->provider, sizeof(s->provider), "%s", reply->counters.provider);
}

/* Fill in rmmapd's counters; they stay zeros if there is no connection. */
static void counters_fetch(struct rmmap_stats *s)
{
	struct rm_wire m = { .type = RM_STATS };
	struct call *call = call_new(&m, sizeof(m), RM_STATS_REPLY);
	const struct rm_wire_stats_reply *reply;

	if (!call)
		return;
	/*
	 * A process that has neither published nor attached has no counters there, and starts no
	 * rmmapd for them.
	 */
	call->x.only_if_connected = true;
	reply = (const void *)call->message;
	if (!client_call(&call->x) && !reply->error)
		counters_take(s, reply);
	call_free(call);
}

static void stats_collect(struct rmmap_stats *s)
{
	memset(s, 0, sizeof(*s));
	hooks_stats(&s->heap_bytes, &s->heap_peak, &s->extents);
	s->publishes = counted(COUNT_PUBLISHES);
	s->published_bytes = counted(COUNT_PUBLISHED_BYTES);
	s->copied_bytes = counted(COUNT_COPIED_BYTES);
	s->publish_ns = counted(COUNT_PUBLISH_NS);
	s->attaches = counted(COUNT_ATTACHES);
	s->attached_bytes = attach_bytes();
	s->attach_ns = counted(COUNT_ATTACH_NS);
	s->own_pages = counted(COUNT_OWN_PAGES);
	huge_stats(&s->heap_huge_bytes, &s->huge_refused);
	s->layer_huge_bytes = counted(COUNT_LAYER_HUGE_BYTES);
	counters_fetch(s);
}

RM_EXPORT int rmmap_stats(struct rmmap_stats *stats)
{
	const size_t least = offsetof(struct rmmap_stats, heap_bytes) + sizeof(uint64_t);
	struct rmmap_stats s;
	size_t size;
	int cancel;

	if (!stats || stats->size < least)
		return fail("rmmap_stats", EINVAL, "stats is NULL or its size is too small; set "
		            "stats->size to sizeof(struct rmmap_stats)");
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	stats_collect(&s);
	pthread_setcancelstate(cancel, &cancel);
	/*
	 * Programs built with another version know fewer fields or more. They get those that both
	 * know, and size says how far that is; the rest is left as it was.
	 */
	size = stats->size < sizeof(s) ? stats->size : sizeof(s);
	s.size = size;
	memcpy(stats, &s, size);
	return 0;
}

/* "12.3 MiB" */
static const char *bytes_text(uint64_t bytes, char text[24])
{
	static const char units[][4] = { "KiB", "MiB", "GiB", "TiB" };
	unsigned unit = 0;

	while (unit < 3 && bytes >> (10 * (unit + 2)))
		unit++;
	bytes = (bytes >> (10 * unit)) * 10 >> 10;
	rm_format(text, 24, "%llu.%llu %s", (unsigned long long)bytes / 10,
	          (unsigned long long)bytes % 10, units[unit]);
	return text;
}

/* "12.345 ms" */
static const char *time_text(uint64_t ns, char text[24])
{
	rm_format(text, 24, "%llu.%03llu ms", (unsigned long long)ns / 1000000,
	          (unsigned long long)ns / 1000 % 1000);
	return text;
}

static void stats_say(int fd, const struct rmmap_stats *s)
{
	char a[24], b[24], c[24], d[24];

	rm_say_fd(fd, "rmmap: heap: %s now, %s at most, %llu extents", bytes_text(s->heap_bytes, a),
	          bytes_text(s->heap_peak, b), (unsigned long long)s->extents);
	rm_say_fd(fd, "rmmap: huge pages: %s of the heap now, %s of layers made, %llu refused by "
	          "the kernel", bytes_text(s->heap_huge_bytes, a),
	          bytes_text(s->layer_huge_bytes, b), (unsigned long long)s->huge_refused);
	rm_say_fd(fd, "rmmap: published: %llu times, %s, %s of it copied, in %s",
	          (unsigned long long)s->publishes, bytes_text(s->published_bytes, a),
	          bytes_text(s->copied_bytes, b), time_text(s->publish_ns, c));
	rm_say_fd(fd, "rmmap: attached: %llu times, %s now, %llu pages left to own content, in %s",
	          (unsigned long long)s->attaches, bytes_text(s->attached_bytes, a),
	          (unsigned long long)s->own_pages, time_text(s->attach_ns, b));
	rm_say_fd(fd, "rmmap: fetched: %llu pages, %s, by %llu fi_read calls%s%s; %llu faults in "
	          "%s, half of them within %s, 99 of 100 within %s",
	          (unsigned long long)s->fetched_pages, bytes_text(s->fetched_bytes, a),
	          (unsigned long long)s->reads, s->provider[0] ? " of " : "", s->provider,
	          (unsigned long long)s->faults, time_text(s->fault_ns, b),
	          time_text(s->fault_median_ns, c), time_text(s->fault_p99_ns, d));
	rm_say_fd(fd, "rmmap: prefetched: %llu pages, %llu of them used: by readahead %llu and "
	          "%llu, by pointers %llu and %llu, by rmmap_prefetch() %llu and %llu",
	          (unsigned long long)s->prefetched_pages, (unsigned long long)s->prefetched_used,
	          (unsigned long long)s->readahead_pages, (unsigned long long)s->readahead_used,
	          (unsigned long long)s->pointer_pages, (unsigned long long)s->pointer_used,
	          (unsigned long long)s->asked_pages, (unsigned long long)s->asked_used);
	rm_say_fd(fd, "rmmap: huge pages: %s of rmmapd's pages of other hosts",
	          bytes_text(s->cache_huge_bytes, a));
}

__attribute__((constructor)) static void stderr_keep(void)
{
	int fd;

	if (!env_options()->stats)
		return;
	fd = fcntl(2, F_DUPFD_CLOEXEC, 3);
	if (fd >= 0)
		fd = fd_raise(fd);
	if (fd >= 0)
		fd_mark(&summary, fd);
}

__attribute__((destructor)) static void stats_say_at_exit(void)
{
	struct rmmap_stats s;

	/*
	 * Not into a file that has got the number since: the program may have closed all
	 * descriptors.
	 */
	if (summary.fd < 0 || !fd_still(&summary))
		return;
	stats_collect(&s);
	stats_say(summary.fd, &s);
	close(summary.fd);
}
