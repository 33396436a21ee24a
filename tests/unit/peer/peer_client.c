/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer_client.c - the client of test_peer: its sessions' callbacks, and what its tries wait
 * for, read and compare
 */
#include "peer_hosts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../../src/common/channel.h"

static void stop_now(struct timer *timer)
{
	struct host *host = container_of(timer, struct host, stop);

	host->timed_out = true;
	loop_stop(host->context.loop);
}

bool run(struct host *host, uint64_t ns)
{
	host->timed_out = false;
	host->stop.fire = stop_now;
	loop_timer(host->context.loop, &host->stop, rm_now_ns() + ns);
	loop_run(host->context.loop);
	loop_timer_cancel(host->context.loop, &host->stop);
	return !host->timed_out;
}

static void take_keys(struct host *host, const struct peer_snapshot *snapshot)
{
	const struct peer_region *region = snapshot->regions;
	unsigned i;

	EXPECT(!snapshot->table_size && snapshot->region_count && host->region_count == REGIONS);
	host->keys = snapshot->region_count;
	for (; region < snapshot->regions + snapshot->region_count; region++) {
		for (i = 0; i < REGIONS; i++)
			if (region->layer == host->regions[i].layer &&
			    region->offset == host->regions[i].offset)
				break;
		EXPECT(i < REGIONS && !region->keyless);
		host->regions[i] = *region;
	}
	loop_stop(host->context.loop);
}

static unsigned on_wants(void *arg, struct peer_want *wants, unsigned most)
{
	struct host *host = arg;

	EXPECT(most == PEER_WANTS_MAX);
	wants[0] = host->want;
	return host->want.count != 0;
}

static bool on_complete(void *arg)
{
	return ((struct host *)arg)->complete;
}

static bool right(const struct peer_snapshot *snapshot)
{
	static const unsigned runs[] = { 2, 5, 7 };
	const uint64_t *words = (const uint64_t *)(const void *)snapshot->data;
	unsigned i, w;

	if (!words)
		return false;
	EXPECT(snapshot->data_size == REGIONS * RM_PAGE);
	for (i = 0; i < REGIONS; i++)
		for (w = 0; w < 512; w++)
			EXPECT(*words++ == pattern(i / 3, runs[i % 3] * 512 + w));
	return true;
}

void on_attached(void *arg, int error, const char *why,
                        const struct peer_snapshot *snapshot)
{
	struct host *host = arg;

	host->attaches++;
	host->error = error;
	snprintf(host->why, sizeof(host->why), "%s", why);
	if (!error && !snapshot->table) {
		take_keys(host, snapshot);
		return;
	}
	free(host->table);
	host->table = NULL;
	if (!error) {
		EXPECT(snapshot->region_count <= REGIONS);
		host->region_count = snapshot->region_count;
		memcpy(host->regions, snapshot->regions,
		       snapshot->region_count * sizeof(*host->regions));
		host->data = right(snapshot);
		host->table_size = snapshot->table_size;
		host->table = malloc(snapshot->table_size);
		EXPECT(host->table && (uintptr_t)snapshot->table % 8 == 0);
		memcpy(host->table, snapshot->table, snapshot->table_size);
	}
	loop_stop(host->context.loop);
}

void on_lost(void *arg, int error, const char *why)
{
	struct host *host = arg;

	host->losses++;
	host->error = error;
	snprintf(host->why, sizeof(host->why), "%s", why);
	loop_stop(host->context.loop);
}

static void on_admitted(void *arg, int error, const char *why, unsigned count)
{
	struct host *host = arg;

	host->admissions++;
	host->attaches_then = host->attaches;
	host->admitted = count;
	host->error = error;
	snprintf(host->why, sizeof(host->why), "%s", why);
	loop_stop(host->context.loop);
}

void admit(struct host *host, struct peer_session *session, unsigned count)
{
	unsigned before = host->admissions;

	peer_admit(session, count);
	EXPECT(host->admissions == before);
	while (host->admissions == before)      /* its own attach may be told on the way */
		EXPECT(run(host, PATIENCE));
}

struct peer_session *attach_to(struct host *host, const struct rm_handle *handle, bool data)
{
	const struct peer_events events = {
		.attached = on_attached, .admitted = on_admitted, .lost = on_lost,
		.wants = on_wants, .complete = on_complete, .data = data,
	};
	struct peer_session *session;
	unsigned before = host->attaches;
	char why[256];

	EXPECT(!peer_attach(host->peers, handle, false, &events, host, &session, why,
	                    sizeof(why)));
	EXPECT(host->attaches == before);
	EXPECT(run(host, PATIENCE) && host->attaches == before + 1);
	return session;
}

struct peer_session *attach(struct host *host, const struct rm_handle *handle)
{
	return attach_to(host, handle, false);
}

struct test_read {
	struct fabric_read read;
	struct host *host;
	int error;
};

static void read_done(struct fabric_read *read, int error)
{
	struct test_read *test = container_of(read, struct test_read, read);

	test->error = error;
	loop_stop(test->host->context.loop);
}

/* A key for each run of pages with data of layers 0 and 1, and none for a hole. */
int read_region(struct host *host, struct peer_session *session, unsigned i)
{
	static const uint64_t runs[] = { 2, 5, 7 };
	static uint64_t page[512];
	struct peer_region *region = &host->regions[i];
	struct test_read test = {
		.read = { .peer = peer_of(session), .to = page, .length = RM_PAGE,
		          .from = region->base, .key = region->key,
		          .deadline = rm_now_ns() + 5000 * MS, .done = read_done },
		.host = host,
		.error = 1,
	};
	unsigned w;

	EXPECT(region->layer == i / 3 && region->offset == runs[i % 3] * RM_PAGE &&
	       region->length == RM_PAGE && !region->keyless);
	fabric_read(host->fabric, &test.read);
	while (test.error == 1)
		run(host, 3000 * MS);
	for (w = 0; !test.error && w < 512; w++)
		EXPECT(page[w] == pattern(i / 3, runs[i % 3] * 512 + w));
	return test.error;
}

int read_layers(struct host *host, struct peer_session *session)
{
	int error = 0;
	unsigned i;

	EXPECT(host->region_count == REGIONS);
	for (i = 0; i < REGIONS && !error; i++)
		error = read_region(host, session, i);
	return error;
}

void expect_table(struct host *host, unsigned segments)
{
	void *table;
	size_t size = make_table(segments, &table);

	EXPECT(host->table && host->table_size == size && !memcmp(host->table, table, size));
	free(table);
}

void wait_attached(struct host *host, unsigned n, unsigned count)
{
	uint64_t end = rm_now_ns() + PATIENCE;

	while (__atomic_load_n(&shared->attached[n], __ATOMIC_RELAXED) != count) {
		EXPECT(rm_now_ns() < end);
		run(host, 10 * MS);
	}
}

/* Nobody renews meanwhile. */
void wait_expired(unsigned n)
{
	uint64_t end = rm_now_ns() + PATIENCE;

	while (__atomic_load_n(&shared->attached[n], __ATOMIC_RELAXED)) {
		EXPECT(rm_now_ns() < end);
		usleep(10000);
	}
}

void make_handle(struct rm_handle *handle, unsigned n, const struct rm_fabric_addr *addr)
{
	memset(handle, 0, sizeof(*handle));
	memset(handle->id, 7, sizeof(handle->id));
	handle->id[0] = (uint8_t)n;
	memset(handle->secret, 40 + (int)n, sizeof(handle->secret));
	handle->layout = rm_layout_here();
	handle->fabric = *addr;
}
