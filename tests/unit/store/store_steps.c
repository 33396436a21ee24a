/* SPDX-License-Identifier: BSD-2-Clause */
/* store_steps.c - see store_steps.h */
#include "store_steps.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../src/daemon/base/loop.h"
#include "../../../src/daemon/keeper/keep.h"
#include "../../../src/daemon/remote/remote.h"

struct context context;
struct store *store;

static struct records *records;
static int pair[2];

static void dropped(void *arg, struct publication *publication)
{
	(void)arg;
	(void)publication;
}

static const struct store_events events = { .dropped = dropped };

static uint64_t published(void *arg)
{
	(void)arg;
	return store ? store_bytes(store) : 0;
}

static void let_go(void *arg)
{
	(void)arg;
	layers_let_go(store_layers(store));
}

/* ---- a store with a keeper that only keeps ---- */

void setup(void)
{
	records = records_new();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	context.loop = loop_new();
	context.keeper = keeper_new(pair[1], 0);
	context.options.terms.ttl_ms = 3600000;
	context.limit.holders = (struct limit_holders){ .published = published, .release_holdings = let_go };
	store = store_new(&context, &events);
}

void keep(void)
{
	uint8_t message[KEEP_MESSAGE_MAX];
	int fds[RM_CHANNEL_FDS_MAX];
	unsigned count;

	while (rm_channel_recv(pair[0], message, sizeof(message), fds, &count, 0) > 0) {
		struct keep_message head;

		memcpy(&head, message, sizeof(head));
		if (head.type == KEEP_PUT)
			records_put(records, head.record, head.number, message + sizeof(head),
			            head.length, fds, count);
		else
			records_delete(records, head.number);
	}
}

/* The keeper still has what it forks a worker with. */
static void keep_copy(const struct stored_record *kept)
{
	int fds[8];

	ck_assert_uint_le(kept->count, 8);
	for (unsigned i = 0; i < kept->count; i++)
		fds[i] = dup(kept->fds[i]);
	records_put(records, kept->type, kept->number, kept->data, kept->length, fds, kept->count);
}

void restart(void)
{
	struct stored_record **all;

	keep();
	store_free(store);
	loop_free(context.loop);
	context.loop = loop_new();
	free(context.keeper);
	context.keeper = keeper_new(pair[1], records_highest(records));
	store = store_new(&context, &events);
	all = records_take(records);
	for (struct stored_record **k = all; *k; k++)
		keep_copy(*k);
	for (struct stored_record **k = all; *k; k++) {
		struct record record = { (*k)->type, (*k)->number, (*k)->data, (*k)->length,
		                         (*k)->fds, (*k)->count };

		if (record.type == RECORD_LAYER)
			store_restore_layer(store, &record);
		else
			store_restore(store, &record);
		stored_record_free(*k);
	}
	free(all);
	store_restored(store);
}

static void stop(struct timer *timer)
{
	(void)timer;
	loop_stop(context.loop);
}

void run(uint64_t ms)
{
	struct timer end = { .fire = stop };

	loop_timer(context.loop, &end, rm_now_ns() + ms * MS);
	loop_run(context.loop);
}

/* ---- publications ---- */

int memfd(const void *data, size_t size, int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
	if (seals)
		ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

int table_of(struct rm_wire_publish *request, const uint32_t *ids, unsigned count, int seals)
{
	const uint64_t lengths[4] = { 2 * RM_PAGE, 2 * RM_PAGE, 2 * RM_PAGE, 2 * RM_PAGE };
	_Alignas(8) uint8_t table[1024] = { 0 };

	request->table_size = rm_table_size(lengths, count, count);
	ck_assert_uint_le(request->table_size, sizeof(table));
	rm_table_layout(table, lengths, count, count, RM_WINDOW_BASE + 16);
	for (unsigned i = 0; i < count; i++) {
		memcpy(rm_table_layers(table)[i].id, &ids[i], sizeof(ids[i]));
		rm_table_segments(table)[i] = (struct rm_segment){
			.addr = RM_WINDOW_BASE + i * lengths[0], .length = lengths[0], .layer = i,
		};
		rm_bit_set(rm_table_bitmap(table, i), 0);
	}
	return memfd(table, request->table_size, seals);
}

int make_table(struct rm_wire_publish *request, int seals)
{
	static uint32_t id = 1000;

	id++;
	return table_of(request, &id, 1, seals);
}

int layer_of(size_t pages, int seals)
{
	static const char data[4 * 4096] = "content";

	return memfd(data, pages * RM_PAGE, seals);
}

int add(uint8_t id, uint32_t readers, uint32_t ttl_ms, struct publication **out)
{
	struct rm_wire_publish request = { .terms = { readers, ttl_ms }, .layer_count = 1 };
	int table = make_table(&request, SEALS), layer = layer_of(2, SEALS);
	char why[RM_TEXT_MAX];

	memset(request.id, id, sizeof(request.id));
	memset(request.secret, id, sizeof(request.secret));
	return store_add(store, &request, 42, table, -1, &layer, out, why, sizeof(why));
}

const uint8_t *secret(uint8_t id)
{
	static uint8_t bytes[RM_SECRET_BYTES];

	memset(bytes, id, sizeof(bytes));
	return bytes;
}

struct publication *find(uint8_t id)
{
	uint8_t bytes[RM_ID_BYTES];

	memset(bytes, id, sizeof(bytes));
	return store_find(store, bytes);
}

unsigned open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

int add_known(uint8_t id, const uint32_t *ids, unsigned count, unsigned known,
              const int *files, struct publication **out)
{
	struct rm_wire_publish request = { .terms.ttl_ms = UINT32_MAX, .layer_count = count,
	                                   .known_layers = known };
	int table = table_of(&request, ids, count, SEALS), layers[4];
	char why[RM_TEXT_MAX] = "";
	int ret;

	for (unsigned i = 0; i < count - known; i++)
		layers[i] = files ? fcntl(files[i], F_DUPFD_CLOEXEC, 3) : layer_of(2, SEALS);
	memset(request.id, id, sizeof(request.id));
	memset(request.secret, id, sizeof(request.secret));
	ret = store_add(store, &request, 42, table, -1, layers, out, why, sizeof(why));
	ck_assert(ret == 0 || why[0]);
	keep();
	return ret;
}
