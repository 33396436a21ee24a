/* SPDX-License-Identifier: BSD-2-Clause */
/* test_store - leases, readers, secrets, limits, and what is refused */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "store_steps.h"

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
		{ secret_and_readers, 0 }, { readers_gone, 0 }, { lease, 0 },
		{ lease_over_and_not_noticed, 0 }, { unpublish, 0 }, { limit, 0 },
		{ refused_without_a_trace, 0 }, { table_is_our_own, 0 }, { short_ids, 0 },
	};

	return unit_run("store", tests, COUNT(tests));
}
