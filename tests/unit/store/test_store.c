/* SPDX-License-Identifier: BSD-2-Clause */
/* test_store - leases, readers, secrets, limits, and what a restart brings back */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../src/daemon/base/loop.h"
#include "../../../src/daemon/keeper/keep.h"
#include "../../../src/daemon/remote/remote.h"
#include "../../../src/daemon/store/store.h"
#include "../unit.h"

#define MS UINT64_C(1000000)
#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

static struct context context;
static struct store *store;
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

static void setup(void)
{
	records = records_new();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	context.loop = loop_new();
	context.keeper = keeper_new(pair[1], 0);
	context.options.terms.ttl_ms = 3600000;
	context.limit.holders = (struct limit_holders){ .published = published, .release_holdings = let_go };
	store = store_new(&context, &events);
}

static void keep(void)
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

/* As if the worker died here: a new store, from the keeper's records. */
static void restart(void)
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

static void run(uint64_t ms)
{
	struct timer end = { .fire = stop };

	loop_timer(context.loop, &end, rm_now_ns() + ms * MS);
	loop_run(context.loop);
}

/* ---- publications ---- */

static int memfd(const void *data, size_t size, int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
	if (seals)
		ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

/* Layers of two pages each, the first of it with data; ids are the layers' names. */
static int table_of(struct rm_wire_publish *request, const uint32_t *ids, unsigned count, int seals)
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

/* One layer that nobody had before. */
static int make_table(struct rm_wire_publish *request, int seals)
{
	static uint32_t id = 1000;

	id++;
	return table_of(request, &id, 1, seals);
}

static int layer_of(size_t pages, int seals)
{
	static const char data[4 * 4096] = "content";

	return memfd(data, pages * RM_PAGE, seals);
}

static int add(uint8_t id, uint32_t readers, uint32_t ttl_ms, struct publication **out)
{
	struct rm_wire_publish request = { .terms = { readers, ttl_ms }, .layer_count = 1 };
	int table = make_table(&request, SEALS), layer = layer_of(2, SEALS);
	char why[RM_TEXT_MAX];

	memset(request.id, id, sizeof(request.id));
	memset(request.secret, id, sizeof(request.secret));
	return store_add(store, &request, 42, table, -1, &layer, out, why, sizeof(why));
}

static const uint8_t *secret(uint8_t id)
{
	static uint8_t bytes[RM_SECRET_BYTES];

	memset(bytes, id, sizeof(bytes));
	return bytes;
}

static struct publication *find(uint8_t id)
{
	uint8_t bytes[RM_ID_BYTES];

	memset(bytes, id, sizeof(bytes));
	return store_find(store, bytes);
}

START_TEST(secret_and_readers)
{
	struct publication *p;

	setup();
	ck_assert_int_eq(add(1, 2, UINT32_MAX, &p), 0);
	ck_assert_int_eq(store_admit(p, secret(2), false, false), -EACCES);
	ck_assert_int_eq(store_admit(p, secret(1), false, false), 0);
	ck_assert_int_eq(store_admit(p, secret(1), true, false), 0);
	ck_assert_int_eq(store_admit(p, secret(1), true, false), -ENOENT);
	ck_assert_int_eq(store_admit(p, secret(2), true, false), -EACCES);
	ck_assert_int_eq(store_admit(p, secret(1), true, true), 0);
	ck_assert_uint_eq(p->admitted, 2);
	ck_assert_uint_eq(p->attached, 1);
	ck_assert_uint_eq(p->remote_attached, 2);
}
END_TEST

/* For so many readers: it goes with the last of them. */
START_TEST(readers_gone)
{
	struct publication *p;

	setup();
	ck_assert_int_eq(add(1, 2, UINT32_MAX, &p), 0);
	ck_assert_int_eq(store_admit(p, secret(1), false, false), 0);
	store_release(p, false);
	ck_assert_ptr_eq(find(1), p);           /* the second is still to come */
	ck_assert_int_eq(store_admit(p, secret(1), false, false), 0);
	ck_assert_int_eq(store_admit(p, secret(1), true, true), 0);
	store_release(p, false);
	ck_assert_ptr_eq(find(1), p);
	store_release(p, true);
	ck_assert_ptr_null(find(1));
	ck_assert_uint_eq(store_bytes(store), 0);
	/* an admission that came to nothing was none */
	ck_assert_int_eq(add(2, 1, UINT32_MAX, &p), 0);
	ck_assert_int_eq(store_admit(p, secret(2), true, false), 0);
	store_unadmit(p, true, false);
	run(20);
	ck_assert_ptr_eq(find(2), p);
	ck_assert_int_eq(store_admit(p, secret(2), false, false), 0);
	store_unpublish(p);
	store_unadmit(p, false, false);
	ck_assert_ptr_eq(find(2), p);           /* its caller is not done with it */
	run(20);
	ck_assert_ptr_null(find(2));
}
END_TEST

/* A host that had it before a restart is given time to come back, by local readers too. */
START_TEST(readers_come_back)
{
	struct publication *p;

	setup();
	ck_assert_int_eq(add(1, 2, UINT32_MAX, &p), 0);
	ck_assert_int_eq(store_admit(p, secret(1), false, false), 0);
	ck_assert_int_eq(store_admit(p, secret(1), true, false), 0);
	store_admitted(p);
	keep();
	restart();
	p = find(1);
	store_readmit(p, 1);
	store_release(p, false);
	run(20);
	ck_assert_ptr_eq(find(1), p);
	ck_assert_int_eq(store_admit(p, secret(1), true, true), 0);
}
END_TEST

/* A worker that died between an attachment's record and the publication's: it is counted once. */
START_TEST(readers_not_recorded)
{
	struct publication *p;

	setup();
	ck_assert_int_eq(add(1, 2, UINT32_MAX, &p), 0);
	ck_assert_int_eq(store_admit(p, secret(1), false, false), 0);
	store_admitted(p);
	ck_assert_int_eq(store_admit(p, secret(1), false, false), 0);
	keep();
	restart();
	p = find(1);
	ck_assert_uint_eq(p->admitted, 1);
	store_readmit(p, 1);
	store_readmit(p, 2);
	ck_assert_uint_eq(p->admitted, 2);
	ck_assert_uint_eq(p->attached, 2);
	ck_assert_int_eq(store_admit(p, secret(1), false, false), -ENOENT);
}
END_TEST

START_TEST(lease)
{
	struct publication *p;

	setup();
	ck_assert_int_eq(add(1, 0, 50, &p), 0);
	ck_assert_int_eq(add(2, 0, UINT32_MAX, &p), 0);
	ck_assert_int_eq(add(3, 0, 60000, &p), 0);
	p->terms.ttl_ms = 50;                 /* which begins when its reader has gone */
	ck_assert_int_eq(store_admit(p, secret(3), true, false), 0);
	run(100);
	ck_assert_ptr_null(find(1));
	ck_assert_ptr_nonnull(find(2));
	ck_assert_ptr_nonnull(find(3));
	store_release(p, true);
	ck_assert_ptr_nonnull(find(3));
	run(100);
	ck_assert_ptr_null(find(3));
	ck_assert_uint_eq(store_count(store), 1);
}
END_TEST

/* The worker may be late: a lease that is over admits nobody, though nothing was dropped yet. */
START_TEST(lease_over_and_not_noticed)
{
	struct publication *p;

	setup();
	ck_assert_int_eq(add(1, 0, 1, &p), 0);
	usleep(5000);
	ck_assert_ptr_eq(find(1), p);
	ck_assert_int_eq(store_admit(p, secret(1), false, false), -ENOENT);
	ck_assert_int_eq(store_admit(p, secret(1), true, false), -ENOENT);
	run(10);
	ck_assert_ptr_null(find(1));
}
END_TEST

START_TEST(unpublish)
{
	struct publication *p;

	setup();
	ck_assert_int_eq(add(1, 0, UINT32_MAX, &p), 0);
	store_unpublish(p);
	ck_assert_ptr_null(find(1));
	ck_assert_int_eq(add(2, 0, UINT32_MAX, &p), 0);
	ck_assert_int_eq(store_admit(p, secret(2), true, false), 0);
	store_unpublish(p);
	ck_assert_ptr_eq(find(2), p);
	ck_assert_int_eq(store_admit(p, secret(2), true, false), -ENOENT);
	ck_assert_int_eq(store_admit(p, secret(2), true, true), 0);
	store_release(p, true);
	store_release(p, true);
	ck_assert_ptr_null(find(2));
	ck_assert_uint_eq(store_bytes(store), 0);
}
END_TEST

START_TEST(limit)
{
	struct publication *p;

	setup();
	context.options.limit = 4 * 4096 + 1024;
	ck_assert_int_eq(add(1, 0, 0, &p), 0);
	ck_assert_uint_gt(store_bytes(store), 2 * 4096);
	ck_assert_int_eq(add(2, 0, 0, &p), 0);
	ck_assert_int_eq(add(3, 0, 0, &p), -ENOSPC);
	ck_assert_int_eq(add(2, 0, 0, &p), 0);          /* it is here already */
	store_unpublish(find(1));
	ck_assert_int_eq(add(3, 0, 0, &p), 0);
	ck_assert_uint_eq(p->terms.ttl_ms, 3600000);
}
END_TEST

static unsigned open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static int add_files(struct rm_wire_publish *request, int table, int layer)
{
	struct publication *p;
	char why[RM_TEXT_MAX] = "";
	int ret = store_add(store, request, 1, table, -1, &layer, &p, why, sizeof(why));

	ck_assert(ret == 0 || why[0]);
	keep();
	return ret;
}

START_TEST(refused_without_a_trace)
{
	struct rm_wire_publish request = { .layer_count = 1 };
	uint64_t size;
	unsigned before;
	int table;

	setup();
	before = open_fds();
	table = make_table(&request, SEALS);
	ck_assert_int_eq(add_files(&request, table, layer_of(2, 0)), -EINVAL);
	table = make_table(&request, SEALS);
	ck_assert_int_eq(add_files(&request, table, layer_of(2, F_SEAL_WRITE)), -EINVAL);
	table = make_table(&request, SEALS);
	ck_assert_int_eq(add_files(&request, table, layer_of(3, SEALS)), -EINVAL);
	table = make_table(&request, SEALS);
	ck_assert_int_eq(add_files(&request, table, open("/dev/null", O_RDONLY)), -EINVAL);
	table = make_table(&request, SEALS);
	size = request.table_size;
	request.table_size = size + 8;
	ck_assert_int_eq(add_files(&request, table, layer_of(2, SEALS)), -EINVAL);
	request.table_size = UINT64_MAX;
	table = make_table(&(struct rm_wire_publish){ 0 }, SEALS);
	ck_assert_int_eq(add_files(&request, table, layer_of(2, SEALS)), -EINVAL);
	request.table_size = size;
	ck_assert_int_eq(add_files(&request, open("/dev/zero", O_RDONLY), layer_of(2, SEALS)), -EINVAL);
	ck_assert_uint_eq(store_count(store), 0);
	ck_assert_uint_eq(open_fds(), before);
}
END_TEST

/* A table that its publisher could still write to is copied. */
START_TEST(table_is_our_own)
{
	struct rm_wire_publish request = { .layer_count = 1 };
	int table, mine;

	setup();
	table = make_table(&request, 0);
	mine = fcntl(table, F_DUPFD_CLOEXEC, 3);
	ck_assert_int_eq(add_files(&request, table, layer_of(2, SEALS)), 0);
	ck_assert_int_eq(ftruncate(mine, 0), 0);
	ck_assert_uint_eq(find(0)->table.header->magic, RM_TABLE_MAGIC);
	ck_assert_uint_eq(find(0)->data_bytes, RM_PAGE);
}
END_TEST

/* ---- layers that are here already ---- */

/* Publish layers new_ids (files[] if given), then known_ids. */
static int add_known(uint8_t id, const uint32_t *ids, unsigned count, unsigned known,
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

START_TEST(known_layers)
{
	struct publication *p, *q;
	uint64_t bytes, table;
	unsigned before, one;

	setup();
	before = open_fds();
	ck_assert_int_eq(add_known(1, (uint32_t[]){ 1, 2 }, 2, 0, NULL, &p), 0);
	bytes = store_bytes(store);
	table = p->table.size;
	ck_assert_uint_eq(bytes, 4 * RM_PAGE + table);
	one = open_fds();
	ck_assert_int_eq(add_known(2, (uint32_t[]){ 2, 1 }, 2, 2, NULL, &q), 0);
	ck_assert_ptr_eq(p->layers[0], q->layers[1]);
	ck_assert_ptr_eq(p->layers[1], q->layers[0]);
	ck_assert_uint_eq(store_bytes(store), bytes + table);
	ck_assert_uint_eq(open_fds(), one + 2);         /* its table, here and in the keeper */
	ck_assert_int_eq(add_known(3, (uint32_t[]){ 1, 3 }, 2, 1, NULL, &q), -ESTALE);
	ck_assert_ptr_null(find(3));
	ck_assert_uint_eq(store_bytes(store), bytes + table);
	store_unpublish(p);
	ck_assert_uint_eq(store_bytes(store), bytes);
	ck_assert_int_eq(add_known(4, (uint32_t[]){ 5, 1 }, 2, 1, NULL, &q), 0);
	ck_assert_uint_eq(store_bytes(store), bytes + table + 2 * RM_PAGE);
	store_unpublish(find(2));
	ck_assert_int_eq(add_known(5, (uint32_t[]){ 2 }, 1, 1, NULL, &q), -ESTALE);
	store_unpublish(find(4));
	keep();
	ck_assert_uint_eq(store_bytes(store), 0);
	ck_assert_uint_eq(open_fds(), before);
}
END_TEST

/* Only the same file may come under an id once more. */
START_TEST(layer_is_not_replaced)
{
	int mine = layer_of(2, SEALS), other = layer_of(2, SEALS);
	struct publication *p, *q;
	unsigned before;

	setup();
	ck_assert_int_eq(add_known(1, (uint32_t[]){ 1 }, 1, 0, &mine, &p), 0);
	before = open_fds();
	ck_assert_int_eq(add_known(2, (uint32_t[]){ 1 }, 1, 0, &other, &q), -EINVAL);
	ck_assert_int_eq(add_known(2, (uint32_t[]){ 7, 1 }, 2, 0, (int[]){ mine, other }, &q), -EINVAL);
	ck_assert_uint_eq(open_fds(), before);
	ck_assert_int_eq(add_known(3, (uint32_t[]){ 1 }, 1, 0, &mine, &q), 0);
	ck_assert_ptr_eq(p->layers[0], q->layers[0]);
	ck_assert_int_eq(add_known(4, (uint32_t[]){ 1, 1 }, 2, 1, &mine, &q), 0);
	ck_assert_ptr_eq(q->layers[0], q->layers[1]);
	ck_assert_uint_eq(q->layers[0]->refs, 4);
}
END_TEST

START_TEST(known_of_another_length)
{
	struct rm_wire_publish request = { .layer_count = 1, .known_layers = 1 };
	const uint64_t length = RM_PAGE;
	_Alignas(8) uint8_t table[512] = { 0 };
	struct publication *p;
	char why[RM_TEXT_MAX];

	setup();
	ck_assert_int_eq(add_known(1, (uint32_t[]){ 1 }, 1, 0, NULL, &p), 0);
	request.table_size = rm_table_size(&length, 1, 1);
	rm_table_layout(table, &length, 1, 1, RM_WINDOW_BASE);
	rm_table_segments(table)[0] = (struct rm_segment){ .addr = RM_WINDOW_BASE, .length = length };
	rm_table_layers(table)[0].id[0] = 1;
	ck_assert_int_eq(store_add(store, &request, 42, memfd(table, request.table_size, SEALS),
	                           -1, NULL, &p, why, sizeof(why)), -ESTALE);
}
END_TEST

START_TEST(holdings)
{
	struct held_layers a = { 0 }, b = { 0 };
	struct layers *layers;
	struct publication *p;

	setup();
	layers = store_layers(store);
	ck_assert_int_eq(add_known(1, (uint32_t[]){ 1, 2 }, 2, 0, NULL, &p), 0);
	layers_hold(layers, &a, p->layers, 2);
	layers_hold(layers, &b, p->layers, 1);
	store_unpublish(p);
	ck_assert_uint_eq(store_bytes(store), 4 * RM_PAGE);
	ck_assert_int_eq(add_known(2, (uint32_t[]){ 3, 2 }, 2, 1, NULL, &p), 0);
	layers_hold(layers, &a, p->layers, 2);
	store_unpublish(p);
	ck_assert_uint_eq(store_bytes(store), 6 * RM_PAGE);
	layers_hold(layers, &b, NULL, 0);
	ck_assert_uint_eq(store_bytes(store), 4 * RM_PAGE);
	layers_hold(layers, &a, NULL, 0);
	layers_hold(layers, &a, NULL, 0);
	ck_assert_uint_eq(store_bytes(store), 0);
}
END_TEST

/* What is only held gives way to what is published; each layer counts once. */
START_TEST(limit_with_layers)
{
	struct held_layers held = { 0 };
	struct publication *p;

	setup();
	context.options.limit = 4 * RM_PAGE + 2048;
	ck_assert_int_eq(add_known(1, (uint32_t[]){ 1, 2 }, 2, 0, NULL, &p), 0);
	layers_hold(store_layers(store), &held, p->layers, 2);
	for (uint8_t i = 2; i < 6; i++)
		ck_assert_int_eq(add_known(i, (uint32_t[]){ 1, 2 }, 2, 2, NULL, &p), 0);
	for (uint8_t i = 1; i < 6; i++)
		store_unpublish(find(i));
	ck_assert_uint_eq(store_bytes(store), 4 * RM_PAGE);
	ck_assert_int_eq(add_known(6, (uint32_t[]){ 3 }, 1, 0, NULL, &p), 0);
	ck_assert_ptr_null(held.layers);
	layers_hold(store_layers(store), &held, p->layers, 1);
	ck_assert_int_eq(add_known(7, (uint32_t[]){ 4, 5 }, 2, 0, NULL, &p), -ENOSPC);
	ck_assert_uint_lt(store_bytes(store), 3 * RM_PAGE);
	ck_assert_int_eq(add_known(7, (uint32_t[]){ 4 }, 1, 0, NULL, &p), 0);
}
END_TEST

START_TEST(restart_with_layers)
{
	struct held_layers held = { 0 };
	struct publication *p, *q;
	uint64_t bytes;

	setup();
	ck_assert_int_eq(add_known(1, (uint32_t[]){ 1, 2 }, 2, 0, NULL, &p), 0);
	ck_assert_int_eq(add_known(2, (uint32_t[]){ 3, 2 }, 2, 1, NULL, &q), 0);
	layers_hold(store_layers(store), &held, p->layers, 2);
	store_unpublish(p);
	bytes = store_bytes(store) - 2 * RM_PAGE;
	restart();
	free(held.layers);      /* of the worker that is gone */
	/* layer 1 was only held: the next publish that names it copies everything */
	ck_assert_uint_eq(store_bytes(store), bytes);
	ck_assert_int_eq(add_known(4, (uint32_t[]){ 1 }, 1, 1, NULL, &q), -ESTALE);
	ck_assert_int_eq(add_known(5, (uint32_t[]){ 4, 2, 3 }, 3, 2, NULL, &q), 0);
	ck_assert_ptr_eq(q->layers[2], find(2)->layers[0]);
	store_unpublish(find(2));
	ck_assert_ptr_nonnull(find(5));
	ck_assert_uint_eq(find(5)->layers[1]->refs, 1);
	store_unpublish(find(5));
	keep();
	ck_assert_uint_eq(store_bytes(store), 0);
}
END_TEST

START_TEST(hundred_publications)
{
	struct publication *p;
	unsigned before, first;

	setup();
	before = open_fds();
	ck_assert_int_eq(add_known(0, (uint32_t[]){ 1, 2, 3, 4 }, 4, 0, NULL, &p), 0);
	first = open_fds();
	for (unsigned i = 1; i < 100; i++)
		ck_assert_int_eq(add_known((uint8_t)i, (uint32_t[]){ 1, 2, 3, 4 }, 4, 4, NULL, &p), 0);
	ck_assert_uint_le(open_fds(), first + 2 * 99);
	for (unsigned i = 0; i < 100; i++)
		store_unpublish(find((uint8_t)i));
	keep();
	ck_assert_uint_eq(open_fds(), before);
}
END_TEST

START_TEST(restart_brings_back)
{
	struct publication *p;
	unsigned fds;

	setup();
	ck_assert_int_eq(add(1, 3, UINT32_MAX, &p), 0);
	ck_assert_int_eq(store_admit(p, secret(1), false, false), 0);
	store_admitted(p);
	ck_assert_int_eq(add(2, 0, 200, &p), 0);
	ck_assert_int_eq(add(4, 0, UINT32_MAX, &p), 0);
	ck_assert_int_eq(store_admit(p, secret(4), false, false), 0);
	store_unpublish(p);
	keep();
	fds = open_fds();
	restart();
	ck_assert_uint_le(open_fds(), fds);
	ck_assert_uint_eq(store_count(store), 3);
	p = find(1);
	ck_assert_uint_eq(p->admitted, 1);
	ck_assert_uint_eq(p->terms.readers, 3);
	ck_assert_uint_eq(p->publisher_pid, 42);
	ck_assert_uint_eq(p->attached, 0);
	store_readmit(p, 1);
	ck_assert_uint_eq(p->attached, 1);
	ck_assert_uint_eq(p->admitted, 1);
	run(300);
	ck_assert_ptr_null(find(2));            /* its lease went on */
	ck_assert_ptr_null(find(4));            /* nobody came back for it */
	ck_assert_ptr_nonnull(find(1));
}
END_TEST

/* Another host had it: its time to come back is not begun anew by each death. */
START_TEST(restart_waits_once)
{
	struct publication *p;
	uint64_t until, now = rm_now_ns();

	setup();
	ck_assert_int_eq(add(1, 0, 100, &p), 0);
	ck_assert_int_eq(store_admit(p, secret(1), true, false), 0);
	store_admitted(p);
	restart();
	p = find(1);
	until = p->lease.at;
	ck_assert_uint_ge(until, now + 60000 * MS);
	run(20);
	restart();
	ck_assert_uint_eq(find(1)->lease.at, until);
	/* a reader of this host is there for a while, and a worker dies meanwhile */
	store_readmit(find(1), 0);
	restart();
	store_readmit(find(1), 0);
	ck_assert_uint_eq(find(1)->lease.index, 0);
	store_release(find(1), false);
	ck_assert_uint_eq(find(1)->lease.at, until);
	/* it comes back, and the next death is one that it has to notice anew */
	ck_assert_int_eq(store_admit(find(1), secret(1), true, true), 0);
	store_admitted(find(1));
	run(20);
	restart();
	p = find(1);
	ck_assert_uint_gt(p->lease.at, until);
	/* unpublished, it stays for who may come back; revoked, it does not */
	until = p->lease.at;
	store_unpublish(p);
	restart();
	p = find(1);
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(p->lease.at, until);
	ck_assert_int_eq(store_admit(p, secret(1), true, false), -ENOENT);
	ck_assert_int_eq(store_admit(p, secret(1), true, true), 0);
	restart();
	store_revoke(find(1));
	ck_assert_ptr_null(find(1));
}
END_TEST

/* All its readers were admitted, it is for ever, and the one that had it never comes back. */
START_TEST(restart_and_nobody_comes)
{
	struct publication *p;
	uint64_t now = rm_now_ns();

	setup();
	ck_assert_int_eq(add(1, 1, UINT32_MAX, &p), 0);
	ck_assert_int_eq(store_admit(p, secret(1), true, false), 0);
	store_admitted(p);
	ck_assert_int_eq(add(2, 1, UINT32_MAX, &p), 0);
	ck_assert_int_eq(store_admit(p, secret(2), false, false), 0);
	store_admitted(p);
	ck_assert_int_eq(add(3, 0, UINT32_MAX, &p), 0);
	restart();
	ck_assert_uint_gt(find(1)->lease.index, 0);
	ck_assert_uint_ge(find(1)->lease.at, now + 60000 * MS);
	ck_assert_uint_eq(find(3)->lease.index, 0);
	run(20);
	ck_assert_ptr_null(find(2));
	ck_assert_uint_eq(store_count(store), 2);
}
END_TEST

START_TEST(short_ids)
{
	struct publication *p;

	setup();
	ck_assert_int_eq(add(0x12, 0, 0, &p), 0);
	ck_assert_int_eq(store_find_short(store, "12121212", &p), 0);
	ck_assert_int_eq(store_find_short(store, "1212", &p), 0);
	ck_assert_int_eq(store_find_short(store, "12", &p), -ENOENT);
	ck_assert_int_eq(store_find_short(store, "121212121", &p), -ENOENT);
	ck_assert_int_eq(store_find_short(store, "12131212", &p), -ENOENT);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ secret_and_readers, 0 }, { readers_gone, 0 }, { readers_come_back, 0 },
		{ readers_not_recorded, 0 },
		{ lease, 0 }, { lease_over_and_not_noticed, 0 }, { unpublish, 0 }, { limit, 0 },
		{ refused_without_a_trace, 0 }, { table_is_our_own, 0 }, { restart_brings_back, 0 },
		{ restart_waits_once, 0 }, { restart_and_nobody_comes, 0 },
		{ short_ids, 0 }, { known_layers, 0 }, { layer_is_not_replaced, 0 },
		{ known_of_another_length, 0 }, { holdings, 0 }, { limit_with_layers, 0 },
		{ restart_with_layers, 0 }, { hundred_publications, 0 },
	};

	return unit_run("store", tests, COUNT(tests));
}
