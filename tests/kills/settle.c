/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * settle.c - what an rmmapd holds when all its consumers have ended
 *
 * Descriptors of keeper and worker, the memory files behind them, attachments, publications,
 * clients, and leases of other hosts. Connections between hosts are opened anew after a
 * worker's death and closed late, so they are counted by themselves, with room for some.
 */
#include "kills.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../src/common/channel.h"

#define PATIENCE_NS (30 * SECOND)
#define STEADY 4                        /* so many times the same is a base line */
#define SOCKETS_MORE 6
#define BYTES_MORE (256u << 10)         /* tables differ as heaps do; a layer is 1 MiB */
#define LEASE_NS (70 * SECOND)          /* an absent reader's lease has ended after that */

struct measure {
	struct footprint found;
	const struct host *host;
	struct rm_daemon_info info;
};

static void measure_descriptor(struct measure *measure, unsigned which, const char *path)
{
	struct footprint *found = &measure->found;
	char target[256];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	struct stat st;

	if (n < 0)
		return;
	target[n] = '\0';
	if (strncmp(target, "socket:", 7) == 0) {
		found->sockets[which]++;
		return;
	}
	found->descriptors[which]++;
	if (strncmp(target, "/memfd:", 7) == 0 && stat(path, &st) == 0)
		found->memory += (uint64_t)st.st_blocks * 512;
}

static void measure_process(struct measure *measure, unsigned which, pid_t pid)
{
	char path[300];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%s", pid, entry->d_name);
		measure_descriptor(measure, which, path);
	}
	if (dir)
		closedir(dir);
}

static void measure_both(void *arg)
{
	struct measure *measure = arg;

	/* the keeper reads what the worker told it of this very client */
	pause_ns(5 * MS);
	measure_process(measure, 0, measure->host->keeper);
	measure_process(measure, 1, host_worker(measure->host));
}

static bool measure_host(const struct host *host, struct footprint *found)
{
	struct measure measure = { .host = host };
	unsigned readers = 0;

	if (!host_ask(host, &measure.info, &readers, measure_both, &measure))
		return false;
	*found = measure.found;
	found->attachments = measure.info.attachments;
	found->publications = measure.info.publications;
	found->clients = measure.info.clients;
	found->held = measure.info.held_bytes;
	found->readers = readers;
	return true;
}

/* The first thing that is more than at the base line; NULL: nothing. */
static const char *more(const struct footprint *now, const struct footprint *base)
{
	if (now->attachments > base->attachments)
		return "attachments";
	if (now->publications > base->publications)
		return "publications";
	if (now->clients > base->clients)
		return "clients";
	if (now->readers > base->readers)
		return "leases of other hosts";
	if (now->descriptors[0] > base->descriptors[0])
		return "the keeper's descriptors";
	if (now->descriptors[1] > base->descriptors[1])
		return "the worker's descriptors";
	if (now->sockets[0] > base->sockets[0])
		return "the keeper's sockets";
	if (now->sockets[1] > base->sockets[1] + SOCKETS_MORE)
		return "the worker's sockets";
	if (now->memory > base->memory + BYTES_MORE)
		return "memory files";
	return now->held > base->held + BYTES_MORE ? "bytes held" : NULL;
}

static bool same(const struct footprint *x, const struct footprint *y)
{
	return memcmp(x, y, sizeof(*x)) == 0;
}

bool settle_base(struct host *host)
{
	uint64_t deadline = rm_now_ns() + PATIENCE_NS;
	struct footprint last, *base = &host->base;
	unsigned times = 0;

	memset(&last, 0, sizeof(last));
	while (times < STEADY && rm_now_ns() < deadline) {
		pause_ns(50 * MS);
		if (!measure_host(host, base))
			continue;
		times = same(base, &last) && !base->attachments && base->clients == 1 &&
		        !base->readers ? times + 1 : 0;
		last = *base;
	}
	host->based = times == STEADY;
	return host->based;
}

static void describe(const struct host *host, const struct footprint *now, const char *what,
                     char *text, size_t size)
{
	const struct footprint *base = &host->base;

	snprintf(text, size, "host %c does not come back to its base line: %s. Attachments %u, were "
	         "%u; publications %u, %u; clients %u, %u; readers %u, %u; descriptors %u+%u, %u+%u; "
	         "sockets %u+%u, %u+%u; memory %llu, %llu; held %llu, %llu", host->name, what,
	         now->attachments, base->attachments, now->publications, base->publications,
	         now->clients, base->clients, now->readers, base->readers, now->descriptors[0],
	         now->descriptors[1], base->descriptors[0], base->descriptors[1], now->sockets[0],
	         now->sockets[1], base->sockets[0], base->sockets[1],
	         (unsigned long long)now->memory, (unsigned long long)base->memory,
	         (unsigned long long)now->held, (unsigned long long)base->held);
}

bool settle_back(struct host *host, char *why, size_t size)
{
	uint64_t start = rm_now_ns();
	struct footprint now;
	const char *what;
	bool later = false;

	do {
		if (!host_lives(host) || !host->based)
			return true;    /* another rmmapd: it has no past */
		what = "an answer";
		memset(&now, 0, sizeof(now));
		if (measure_host(host, &now))
			what = more(&now, &host->base);
		if (!what)
			return true;
		/*
		 * A reader that was killed as a whole leaves a lease, and a publisher's new worker
		 * gives absent readers time to come back: what is kept for these ends by time.
		 */
		if (!later && rm_now_ns() - start > 2 * SECOND) {
			atomic_fetch_add(&host->control->ahead_ns, (long long)LEASE_NS);
			later = true;
		}
		pause_ns(MS * 5);
	} while (rm_now_ns() < start + PATIENCE_NS);
	describe(host, &now, what, why, size);
	return false;
}
