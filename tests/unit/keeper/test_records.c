/* SPDX-License-Identifier: BSD-2-Clause */
/* test_records - what a worker tells the keeper is what the next worker finds */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../src/daemon/keeper/keep.h"
#include "../unit.h"

static int pair[2];
static struct records *records;

/* keep_worker.c does this. */
static void read_all(void)
{
	uint8_t message[KEEP_MESSAGE_MAX];
	int fds[RM_CHANNEL_FDS_MAX];
	unsigned count;
	ssize_t n;

	while ((n = rm_channel_recv(pair[0], message, sizeof(message), fds, &count, 0)) > 0) {
		struct keep_message head;

		memcpy(&head, message, sizeof(head));
		ck_assert_uint_eq(head.length, (uint64_t)n - sizeof(head));
		if (head.type == KEEP_PUT)
			ck_assert_int_eq(records_put(records, head.record, head.number,
			                             message + sizeof(head), head.length,
			                             fds, count), 0);
		else if (head.type == KEEP_DELETE)
			records_delete(records, head.number);
		else
			ck_abort_msg("type %u", head.type);
	}
}

static void setup(void)
{
	records = records_new();
	ck_assert_ptr_nonnull(records);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
}

static unsigned open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* A worker that puts, replaces, deletes and dies at once: nothing of it is lost. */
START_TEST(a_worker_dies)
{
	struct stored_record **all;
	unsigned before;
	pid_t pid;
	int status;

	setup();
	before = open_fds();
	pid = fork();
	if (!pid) {
		struct keeper *keeper = keeper_new(pair[1], 100);
		int fds[130];

		for (size_t i = 0; i < COUNT(fds); i++)
			fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		keeper_put(keeper, RECORD_LAZY, keeper_number(keeper), "lazy", 4, fds, 1);
		keeper_put(keeper, RECORD_CLIENT, keeper_number(keeper), "one", 3, NULL, 0);
		keeper_put(keeper, RECORD_CLIENT, 102, "longer", 6, fds, 2);
		keeper_put(keeper, RECORD_CLIENT, 102, "", 0, fds, 1);
		keeper_put(keeper, RECORD_PUBLICATION, keeper_number(keeper), "p", 1, fds, 130);
		keeper_put(keeper, RECORD_ATTACHMENT, keeper_number(keeper), "a", 1, fds, 5);
		keeper_delete(keeper, 104);
		keeper_delete(keeper, 999);
		raise(SIGKILL);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	read_all();
	ck_assert_uint_eq(open_fds(), before + 1 + 3 + 130);
	ck_assert_uint_eq(records_highest(records), 104);
	all = records_take(records);
	ck_assert_ptr_nonnull(all);
	ck_assert_int_eq(all[0]->type, RECORD_PUBLICATION);
	ck_assert_uint_eq(all[0]->number, 103);
	ck_assert_uint_eq(all[0]->count, 130);
	ck_assert_int_eq(all[1]->type, RECORD_CLIENT);
	ck_assert_uint_eq(all[1]->count, 3);
	ck_assert_uint_eq(all[1]->length, 0);
	ck_assert_int_eq(all[2]->type, RECORD_LAZY);
	ck_assert_mem_eq(all[2]->data, "lazy", 4);
	ck_assert_ptr_null(all[3]);
	for (int i = 0; i < 3; i++)
		stored_record_free(all[i]);
	free(all);
}
END_TEST

START_TEST(order_of_restoring)
{
	static const enum record_type order[] = {
		RECORD_FABRIC, RECORD_PUBLICATION, RECORD_REMOTE, RECORD_CLIENT, RECORD_CLIENT,
		RECORD_ATTACHMENT, RECORD_LAZY,
	};
	struct stored_record **all;

	setup();
	for (size_t i = COUNT(order); i-- > 0;)
		ck_assert_int_eq(records_put(records, order[i], 5000 + i, NULL, 0, NULL, 0), 0);
	all = records_take(records);
	for (size_t i = 0; i < COUNT(order); i++) {
		ck_assert_int_eq(all[i]->type, order[i]);
		ck_assert_uint_eq(all[i]->number, 5000 + i);
		stored_record_free(all[i]);
	}
	free(all);
}
END_TEST

START_TEST(numbers_are_never_given_twice)
{
	struct keeper *first, *second, *other;
	uint64_t number;

	setup();
	first = keeper_new(pair[1], 0);
	for (int i = 0; i < 1000; i++) {
		number = keeper_number(first);
		keeper_put(first, RECORD_CLIENT, number, NULL, 0, NULL, 0);
		keeper_delete(first, number);
		read_all();
	}
	/* all are deleted, and still the next worker goes on from there */
	second = keeper_new(pair[1], records_highest(records));
	ck_assert_uint_eq(keeper_number(second), number + 1);
	other = keeper_new(pair[1], 0);
	ck_assert_uint_ne(keeper_number(other), number - 999);
	free(first);
	free(second);
	free(other);
}
END_TEST

/* The worker goes on without a keeper. */
START_TEST(no_keeper)
{
	struct keeper *keeper;
	int fds[RM_CHANNEL_FDS_MAX];
	unsigned count;

	setup();
	keeper = keeper_new(pair[1], 0);
	close(pair[0]);
	keeper_put(keeper, RECORD_CLIENT, keeper_number(keeper), "x", 1, NULL, 0);
	ck_assert_int_eq(keeper_leave(keeper, fds, &count), KEEP_STOP);
	keeper_dead(keeper);
	ck_assert_int_eq(keeper_fd(keeper), -1);
	keeper_delete(keeper, 1);
	keeper_tell(keeper, 2, "nobody hears this");
	free(keeper);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ a_worker_dies, 0 }, { order_of_restoring, 0 }, { numbers_are_never_given_twice, 0 },
		{ no_keeper, 0 },
	};

	return unit_run("records", tests, COUNT(tests));
}
