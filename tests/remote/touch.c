/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * touch HANDLE SEED - of an array of 64 MiB, attached lazily: what touches an absent page first
 * is a write, read(2), write(2), or a child of fork()
 */
#include "../handoff/handoff.h"
#include "remote.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define PLACE(mib) ((size_t)(mib) << 20)        /* far from what earlier touches brought */

static char *array, *other;             /* a second reader's memory is not ours to change */

static void check_rest(const char *at, size_t from, size_t to)
{
	const char *want = other + (at - array);

	CHECK(memcmp(at, want, from) == 0);
	CHECK(memcmp(at + to, want + to, PAGE - to) == 0);
}

static void write_first(void)
{
	char *at = array + PLACE(5);

	memset(at + 100, 'w', 50);
	check_rest(at, 100, 150);
	CHECK(at[100] == 'w' && at[149] == 'w');
}

static void read_into(void)
{
	char *at = array + PLACE(11), zeros[64];
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	memset(zeros, 0, sizeof(zeros));
	CHECK(read(fd, at + 1000, sizeof(zeros)) == sizeof(zeros));
	close(fd);
	check_rest(at, 1000, 1000 + sizeof(zeros));
	CHECK(memcmp(at + 1000, zeros, sizeof(zeros)) == 0);
}

static void write_from(void)
{
	char *at = array + PLACE(17), copy[2 * PAGE];
	int ends[2];

	CHECK(pipe2(ends, O_CLOEXEC) == 0);
	CHECK(write(ends[1], at, sizeof(copy)) == sizeof(copy));
	CHECK(read(ends[0], copy, sizeof(copy)) == sizeof(copy));
	CHECK(memcmp(copy, other + PLACE(17), sizeof(copy)) == 0);
	close(ends[0]);
	close(ends[1]);
}

/* The child sees what was changed, what was fetched, and what nobody has touched. */
static void fork_child(void)
{
	char *changed = array + PLACE(5), *fresh = array + PLACE(40);
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK(changed[100] == 'w');
		check_rest(changed, 100, 150);
		CHECK(memcmp(fresh, other + PLACE(40), PLACE(8)) == 0);
		fresh[0] ^= 1;
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(memcmp(fresh, other + PLACE(40), PLACE(8)) == 0);
}

int main(int argc, char **argv)
{
	struct rmmap_stats stats = { .size = sizeof(stats) };

	if (argc != 3)
		return 2;
	other = structure_build("array", strtoull(argv[2], NULL, 10));
	array = remote_attach("lazy", argv[1]);
	if (!array)
		return remote_failed();
	write_first();
	read_into();
	write_from();
	CHECK(rmmap_stats(&stats) == 0);
	CHECK(stats.fetched_pages < 4096);
	CHECK(!stats.faults == !stats.fault_median_ns &&
	      stats.fault_p99_ns >= stats.fault_median_ns);
	fork_child();
	remote_counters();
	CHECK(rmmap_detach(array) == 0);
	return 0;
}
