/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * publish - what a publish costs, against a copy and against fork()
 *
 *   publish MIB         builds a heap of so many MiB, then prints, in seconds:
 *                       memcpy of as much into fresh memory, publish, first write to a page
 *                       after it, publish again with 1 % of the pages changed
 *   fork MIB            the same amount in 4 KiB pages of anonymous memory, then prints:
 *                       fork() + exit + wait, first write to a page after a fork()
 *   chain MIB WALK      1,000 publications, one after the other, 1 % of the pages changed in
 *                       each, and prints for every 50th: its number, seconds of attach, and
 *                       of attach and a walk through it, by attach_walk
 */
#include <rmmap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define PAGE 4096
#define BLOCK (64 * 1024)

static void *need(void *p)
{
	if (!p || p == MAP_FAILED) {
		perror("publish: memory");
		exit(1);
	}
	return p;
}

static char *anonymous(size_t bytes)
{
	char *p = need(mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	madvise(p, bytes, MADV_NOHUGEPAGE);
	return p;
}

static double copy(char **blocks, size_t count)
{
	char *to = anonymous(count * BLOCK);
	double begin = bench_now();

	for (size_t i = 0; i < count; i++)
		memcpy(to + i * BLOCK, blocks[i], BLOCK);
	begin = bench_now() - begin;
	munmap(to, count * BLOCK);
	return begin;
}

static double publish(const void *root, char *handle)
{
	double begin = bench_now();

	if (rmmap_publish(root, handle, RMMAP_HANDLE_MAX)) {
		fprintf(stderr, "%s\n", rmmap_error());
		exit(1);
	}
	return bench_now() - begin;
}

/* The first byte of every so many pages; seconds a page. */
static double write_some(char **blocks, size_t count, unsigned every)
{
	unsigned pages = 0, written = 0;
	double begin = bench_now();

	for (size_t i = 0; i < count; i++)
		for (size_t at = 0; at < BLOCK; at += PAGE)
			if (pages++ % every == 0) {
				blocks[i][at]++;
				written++;
			}
	return (bench_now() - begin) / written;
}

static int bench_publish(size_t bytes)
{
	size_t count = bytes / BLOCK;
	char **blocks = need(calloc(count, sizeof(*blocks))), handle[RMMAP_HANDLE_MAX];
	double copied, first, again, page;

	/* rmmapd is running: starting it is not what is measured */
	publish(blocks, handle);
	rmmap_unpublish(handle);
	for (size_t i = 0; i < count; i++) {
		blocks[i] = need(malloc(BLOCK));
		memset(blocks[i], (int)i + 1, BLOCK);
	}
	copied = copy(blocks, count);
	first = publish(blocks, handle);
	rmmap_unpublish(handle);
	write_some(blocks, count, 100);
	again = publish(blocks, handle);
	rmmap_unpublish(handle);
	page = write_some(blocks, count, 8);
	printf("%.6f %.6f %.9f %.6f\n", copied, first, page, again);
	return 0;
}

static int bench_fork(size_t bytes)
{
	char *heap = anonymous(bytes);
	int pipes[2];
	double begin, forked;
	unsigned written = 0;
	pid_t pid;
	char c;

	memset(heap, 1, bytes);
	begin = bench_now();
	pid = fork();
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	forked = bench_now() - begin;
	if (pipe(pipes))
		return 1;
	pid = fork();
	if (pid == 0) {
		close(pipes[1]);
		_exit(read(pipes[0], &c, 1) != 0);
	}
	begin = bench_now();
	for (size_t at = 0; at < bytes; at += 8 * PAGE, written++)
		heap[at]++;
	begin = bench_now() - begin;
	close(pipes[1]);
	waitpid(pid, NULL, 0);
	printf("%.6f %.9f\n", forked, begin / written);
	return 0;
}

static int attach_in_another(const char *walker, const char *handle)
{
	int status;
	pid_t pid = vfork();

	if (pid == 0) {
		execl(walker, walker, handle, (char *)NULL);
		_exit(127);
	}
	return pid < 0 || waitpid(pid, &status, 0) != pid || status ? 1 : 0;
}

static int bench_chain(const char *walker, size_t bytes)
{
	size_t count = bytes / BLOCK, pages = bytes / PAGE;
	char **blocks = need(calloc(count + 1, sizeof(*blocks)));
	char handle[RMMAP_HANDLE_MAX], last[RMMAP_HANDLE_MAX] = "";

	for (size_t i = 0; i < count; i++) {
		blocks[i] = need(aligned_alloc(PAGE, BLOCK));
		memset(blocks[i], (int)i + 1, BLOCK);
	}
	srandom(1);
	for (int round = 0; round <= 1000; round++) {
		for (size_t i = 0; round && i < pages / 100; i++) {
			size_t page = (size_t)random() % pages;

			blocks[page * PAGE / BLOCK][page * PAGE % BLOCK]++;
		}
		publish(blocks, handle);
		if (last[0])
			rmmap_unpublish(last);
		memcpy(last, handle, sizeof(last));
		if (round % 50)
			continue;
		printf("%d ", round);
		fflush(stdout);
		if (attach_in_another(walker, handle))
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	size_t bytes = argc >= 3 ? strtoul(argv[2], NULL, 10) << 20 : 0;


	if (!bytes) {
		fputs("usage: publish publish|fork MIB\n       publish chain MIB ATTACH_WALK\n", stderr);
		return 2;
	}
	if (argc == 4)
		return bench_chain(argv[3], bytes);
	return strcmp(argv[1], "fork") ? bench_publish(bytes) : bench_fork(bytes);
}
