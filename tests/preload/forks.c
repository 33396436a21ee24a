/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * forks - a program that imports rmmap_publish: what a child allocates lies in another slot
 * than its parent's, and memory that it inherited and freed does not come back.
 * Argument: how many forks under load
 */
#include "preload.h"

#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rmmap.h"

#define BLOCKS 5000

static void *blocks[BLOCKS];
static unsigned parent_slot;

static void expect_exit_0(pid_t pid)
{
	int status;

	CHECK(pid > 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static size_t block_size(int i)
{
	return (size_t)i * 37 % 20000 + 1;
}

static void allocate_blocks(void)
{
	for (int i = 0; i < BLOCKS; i++) {
		blocks[i] = malloc(block_size(i));
		CHECK(blocks[i]);
		memset(blocks[i], i, block_size(i));
	}
}

static void *in_child_thread(void *arg)
{
	CHECK(fresh_slot() == (unsigned)(uintptr_t)arg);
	return NULL;
}

/* Everything a child may do with inherited memory; ends in a grandchild. */
static void child(bool free_first)
{
	pthread_t thread;
	unsigned slot;
	pid_t pid;

	if (free_first)
		for (int i = 0; i < BLOCKS; i += 2)
			free(blocks[i]);
	slot = fresh_slot();
	CHECK(slot != parent_slot);
	for (int i = free_first; i < BLOCKS; i += 2) {
		char *moved = realloc(blocks[i], block_size(i) + 5000);

		CHECK(moved && slot_of(moved) == slot);
		for (size_t k = 0; k < block_size(i); k++)
			CHECK(moved[k] == (char)i);
		blocks[i] = moved;
	}
	for (int i = 0; i < BLOCKS; i++) {
		void *p = malloc(block_size(i));

		CHECK(p && slot_of(p) == slot);
	}
	CHECK(pthread_create(&thread, NULL, in_child_thread, (void *)(uintptr_t)slot) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	pid = fork();
	if (!pid) {
		unsigned grandchild = fresh_slot();

		_exit(grandchild == slot || grandchild == parent_slot);
	}
	expect_exit_0(pid);
	_exit(0);
}

static void *fork_here(void *arg)
{
	pid_t pid;

	CHECK(fresh_slot() == parent_slot);
	pid = fork();
	if (!pid)
		child(arg != NULL);
	expect_exit_0(pid);
	return NULL;
}

static volatile bool stop;

static void *churn(void *arg)
{
	void *keep[64] = { 0 };

	for (unsigned i = 0; !stop; i++) {
		free(keep[i % 64]);
		keep[i % 64] = malloc((size_t)1 << i % 23);
		CHECK(keep[i % 64] && slot_of(keep[i % 64]) == parent_slot);
	}
	for (int i = 0; i < 64; i++)
		free(keep[i]);
	return arg;
}

/* Forks while other threads are in the allocator: no child may find a lock held. */
static void forks_under_load(int forks)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		CHECK(pthread_create(&threads[i], NULL, churn, NULL) == 0);
	for (int i = 0; i < forks; i++) {
		pid_t pid = fork();

		if (!pid) {
			void *p;

			alarm(300);
			p = malloc((size_t)1 << i % 26);
			OPAQUE(p);
			_exit(!p || slot_of(p) == parent_slot);
		}
		expect_exit_0(pid);
	}
	stop = true;
	for (int i = 0; i < 4; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

/* Each the child of the one before. */
static void chain(int depth)
{
	unsigned slot = fresh_slot();
	pid_t pid;

	if (!depth)
		return;
	pid = fork();
	if (!pid) {
		CHECK(fresh_slot() != slot);
		chain(depth - 1);
		_exit(0);
	}
	expect_exit_0(pid);
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc > 5) {         /* the import is what counts */
		char handle[RMMAP_HANDLE_MAX];

		return rmmap_publish(argv, handle, sizeof(handle));
	}
	parent_slot = fresh_slot();
	allocate_blocks();
	fork_here(NULL);
	fork_here(&thread);
	CHECK(pthread_create(&thread, NULL, fork_here, NULL) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	forks_under_load(argc > 1 ? atoi(argv[1]) : 10);
	chain(20);
	CHECK(fresh_slot() == parent_slot);
	for (int i = 0; i < BLOCKS; i++)
		free(blocks[i]);
	puts("ok");
	return 0;
}
