/* SPDX-License-Identifier: BSD-2-Clause */
/* test_store - leases, readers, secrets, limits, and what a restart brings back */
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../src/daemon/keep.h"
#include "../../src/daemon/peer.h"
#include "../../src/daemon/store.h"
#include "../unit/unit.h"

#define MS UINT64_C(1000000)
#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

static struct worker worker;
static struct records *records;
static int pair[2];

/* of the worker and of peer.c, which are not here */
void worker_log(struct worker *w, const char *format, ...)
{
	(void)w;
	(void)format;
}

void peers_drop(struct peers *peers, struct publication *publication)
{
	(void)peers;
	(void)publication;
}

/* ---- a store with a keeper that only keeps ---- */

static void setup(void)
{
	records = records_new();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	worker.loop = loop_new();
	worker.keeper = keeper_new(pair[1], 0);
	worker.options.ttl_ms = 3600000;
	worker.store = store_new(&worker);
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

/* As if the worker died here: a new store, from the keeper's records. */
static void restart(void)
{
	struct kept **all;

	keep();
	store_free(worker.store);
	loop_free(worker.loop);
	worker.loop = loop_new();
	free(worker.keeper);
	worker.keeper = keeper_new(pair[1], records_highest(records));
	worker.store = store_new(&worker);
	all = records_take(records);
	for (struct kept **k = all; *k; k++) {
		struct record record = { (*k)->type, (*k)->number, (*k)->data, (*k)->length,
		                         (*k)->fds, (*k)->count };

		store_restore(worker.store, &record);
		records_free_kept(*k);
	}
	free(all);
}

static void stop(struct timer *timer)
{
	(void)timer;
	loop_stop(worker.loop);
}

static void run(uint64_t ms)
{
	struct timer end = { .fire = stop };

	loop_timer(worker.loop, &end, rm_now_ns() + ms * MS);
	loop_run(worker.loop);
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

/* One layer of two pages, the first with data. */
static int make_table(struct rm_wire_publish *request, int seals)
{
	const uint64_t length = 2 * RM_PAGE;
	_Alignas(8) uint8_t table[512] = { 0 };

	request->table_size = rm_table_size(&length, 1, 1);
	ck_assert_uint_le(request->table_size, sizeof(table));
	rm_table_layout(table, &length, 1, 1, RM_WINDOW_BASE + 16);
	rm_table_segments(table)[0] = (struct rm_segment){ .addr = RM_WINDOW_BASE, .length = length };
	rm_bit_set(rm_table_bitmap(table, 0), 0);
	return memfd(table, request->table_size, seals);
}

static int layer_of(size_t pages, int seals)
{
	static const char data[4 * 4096] = "content";

	return memfd(data, pages * RM_PAGE, seals);
}

static int add(uint8_t id, uint32_t readers, uint32_t ttl_ms, struct publication **out)
{
	struct rm_wire_publish request = { .readers = readers, .ttl_ms = ttl_ms, .layer_count = 1 };
	int table = make_table(&request, SEALS), layer = layer_of(2, SEALS);
	char why[RM_TEXT_MAX];

	memset(request.id, id, sizeof(request.id));
	memset(request.secret, id, sizeof(request.secret));
	return store_add(worker.store, &request, 42, table, -1, &layer, out, why, sizeof(why));
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
	return store_find(worker.store, bytes);
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

START_TEST(lease)
{
	struct publication *p;

	setup();
	ck_assert_int_eq(add(1, 0, 50, &p), 0);
	ck_assert_int_eq(add(2, 0, UINT32_MAX, &p), 0);
	ck_assert_int_eq(add(3, 0, 50, &p), 0);
	ck_assert_int_eq(store_admit(p, secret(3), true, false), 0);
	run(100);
	ck_assert_ptr_null(find(1));
	ck_assert_ptr_nonnull(find(2));
	ck_assert_ptr_nonnull(find(3));
	store_release(p, true);
	ck_assert_ptr_nonnull(find(3));
	run(100);
	ck_assert_ptr_null(find(3));
	ck_assert_uint_eq(store_count(worker.store), 1);
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
	ck_assert_uint_eq(store_bytes(worker.store), 0);
}
END_TEST

START_TEST(limit)
{
	struct publication *p;

	setup();
	worker.options.limit = 2 * 4096 + 1024;
	ck_assert_int_eq(add(1, 0, 0, &p), 0);
	ck_assert_uint_gt(store_bytes(worker.store), 4096);
	ck_assert_int_eq(add(2, 0, 0, &p), 0);
	ck_assert_int_eq(add(3, 0, 0, &p), -ENOSPC);
	ck_assert_int_eq(add(2, 0, 0, &p), 0);          /* it is here already */
	store_unpublish(find(1));
	ck_assert_int_eq(add(3, 0, 0, &p), 0);
	ck_assert_uint_eq(p->ttl_ms, 3600000);
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
	int ret = store_add(worker.store, request, 1, table, -1, &layer, &p, why, sizeof(why));

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
	ck_assert_uint_eq(store_count(worker.store), 0);
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

START_TEST(restart_brings_back)
{
	struct publication *p;
	unsigned fds;

	setup();
	ck_assert_int_eq(add(1, 3, UINT32_MAX, &p), 0);
	ck_assert_int_eq(store_admit(p, secret(1), false, false), 0);
	ck_assert_int_eq(add(2, 0, 200, &p), 0);
	ck_assert_int_eq(add(4, 0, UINT32_MAX, &p), 0);
	ck_assert_int_eq(store_admit(p, secret(4), false, false), 0);
	store_unpublish(p);
	keep();
	fds = open_fds();
	restart();
	ck_assert_uint_le(open_fds(), fds);
	ck_assert_uint_eq(store_count(worker.store), 3);
	p = find(1);
	ck_assert_uint_eq(p->admitted, 1);
	ck_assert_uint_eq(p->readers, 3);
	ck_assert_uint_eq(p->publisher_pid, 42);
	ck_assert_uint_eq(p->attached, 0);
	store_readmit(p);
	ck_assert_uint_eq(p->attached, 1);
	ck_assert_uint_eq(p->admitted, 1);
	run(300);
	ck_assert_ptr_null(find(2));            /* its lease went on */
	ck_assert_ptr_null(find(4));            /* nobody came back for it */
	ck_assert_ptr_nonnull(find(1));
}
END_TEST

START_TEST(short_ids)
{
	struct publication *p;

	setup();
	ck_assert_int_eq(add(0x12, 0, 0, &p), 0);
	ck_assert_int_eq(store_find_short(worker.store, "12121212", &p), 0);
	ck_assert_int_eq(store_find_short(worker.store, "1212", &p), 0);
	ck_assert_int_eq(store_find_short(worker.store, "12", &p), -ENOENT);
	ck_assert_int_eq(store_find_short(worker.store, "121212121", &p), -ENOENT);
	ck_assert_int_eq(store_find_short(worker.store, "12131212", &p), -ENOENT);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ secret_and_readers, 0 }, { lease, 0 }, { unpublish, 0 }, { limit, 0 },
		{ refused_without_a_trace, 0 }, { table_is_our_own, 0 }, { restart_brings_back, 0 },
		{ short_ids, 0 },
	};

	return unit_run("store", tests, COUNT(tests));
}
