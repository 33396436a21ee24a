/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * writers - publishing while others write to the heap: what is exact, and what is not
 *
 *   stores      threads count in words of their own: nothing they wrote is lost, and each
 *               word of a snapshot is one that was there between the call's begin and end
 *   read        read(2) into blocks: what the system call has filled is there afterwards
 *   fixed       memory pinned by io_uring: cannot be sealed, is copied, is right, also what
 *               was read into it between two publishes
 *   direct      O_DIRECT reads in flight: may be lost (rmmap_publish(3) says so): counted only
 */
#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "handoff.h"

#define THREADS 3
#define WORDS 4096              /* of each thread, one in each page */
#define PAGE 4096
#define ROUNDS 40
#define BLOCK (64 * 1024)

struct shared {
	struct {
		atomic_ulong *word[WORDS];
	} of[THREADS];
	unsigned char *pinned, filled;
};

static atomic_bool stop;
static struct shared *shared;

/* Each word only ever grows, by one thread, one round after the other. */
static void *count(void *arg)
{
	size_t me = (size_t)arg;
	unsigned long n = 0;

	while (!atomic_load(&stop)) {
		n++;
		for (size_t i = 0; i < WORDS; i++) {
			unsigned long was = atomic_load(shared->of[me].word[i]);

			if (was != n - 1) {
				fprintf(stderr, "thread %zu: word %zu is %lu, not %lu: a write was lost\n",
				        me, i, was, n - 1);
				exit(1);
			}
			atomic_store(shared->of[me].word[i], n);
		}
	}
	return NULL;
}

/* A snapshot cuts each thread's round once: n behind it, n - 1 before it. */
static int verify(const char *argument)
{
	char handle[RMMAP_HANDLE_MAX];
	unsigned long low[THREADS], high[THREADS];
	struct shared *s;

	CHECK(sscanf(argument, "%lu %lu %lu %lu %lu %lu %511s", &low[0], &high[0], &low[1],
	             &high[1], &low[2], &high[2], handle) == 7);
	s = rmmap_attach(handle);
	if (!s) {
		fprintf(stderr, "%s\n", rmmap_error());
		return 1;
	}
	for (int t = 0; t < THREADS; t++)
		for (size_t i = 0; i < WORDS; i++) {
			unsigned long n = atomic_load(s->of[t].word[i]);

			if (n < low[t] || n > high[t]) {
				fprintf(stderr, "thread %d word %zu: %lu is not of %lu to %lu\n", t, i, n,
				        low[t], high[t]);
				return 1;
			}
		}
	return 0;
}

static void build(void)
{
	shared = calloc(1, sizeof(*shared));
	CHECK(shared);
	for (int t = 0; t < THREADS; t++)
		for (size_t i = 0; i < WORDS; i++) {
			shared->of[t].word[i] = aligned_alloc(PAGE, PAGE);
			CHECK(shared->of[t].word[i]);
			atomic_init(shared->of[t].word[i], 0);
		}
}

static void stores(void)
{
	char handle[RMMAP_HANDLE_MAX], argument[RMMAP_HANDLE_MAX + 160], out[16];
	unsigned long low[THREADS], high[THREADS];
	pthread_t threads[THREADS];

	atomic_store(&stop, false);
	build();
	for (size_t t = 0; t < THREADS; t++)
		CHECK(pthread_create(&threads[t], NULL, count, (void *)t) == 0);
	for (int i = 0; i < ROUNDS; i++) {
		for (int t = 0; t < THREADS; t++)       /* its last word is the least of them */
			low[t] = atomic_load(shared->of[t].word[WORDS - 1]);
		CHECK(rmmap_publish(shared, handle, sizeof(handle)) == 0);
		for (int t = 0; t < THREADS; t++)
			high[t] = atomic_load(shared->of[t].word[0]) + 1;
		snprintf(argument, sizeof(argument), "%lu %lu %lu %lu %lu %lu %s", low[0], high[0],
		         low[1], high[1], low[2], high[2], handle);
		CHECK(run_self("verify", argument, out, sizeof(out)) == 0);
		CHECK(rmmap_unpublish(handle) == 0);
	}
	atomic_store(&stop, true);
	for (size_t t = 0; t < THREADS; t++)
		CHECK(pthread_join(threads[t], NULL) == 0);
	printf("stores: %d publishes, %lu rounds of thread 0\n", ROUNDS,
	       atomic_load(shared->of[0].word[0]));
}

/* ---- system calls that write ---- */

static int file, flags;
static atomic_ulong blocks_read, blocks_wrong;

static void *read_blocks(void *arg)
{
	unsigned char *block[8];
	int fd;

	(void)arg;
	for (int i = 0; i < 8; i++) {
		block[i] = aligned_alloc(PAGE, BLOCK);
		CHECK(block[i]);
	}
	fd = openat(AT_FDCWD, "writers.data", O_RDONLY | flags);
	for (unsigned n = 0; fd >= 0 && !atomic_load(&stop); n++) {
		unsigned char *b = block[n % 8];

		memset(b, 0, BLOCK);
		if (pread(fd, b, BLOCK, (off_t)(n % 4) * BLOCK) != BLOCK)
			break;
		atomic_fetch_add(&blocks_read, 1);
		for (size_t i = 0; i < BLOCK; i++)
			if (b[i] != (unsigned char)(n % 4 + 1)) {
				atomic_fetch_add(&blocks_wrong, 1);
				break;
			}
	}
	if (fd >= 0)
		close(fd);
	for (int i = 0; i < 8; i++)
		free(block[i]);
	return NULL;
}

static void system_calls(const char *name, int how, bool exact)
{
	char handle[RMMAP_HANDLE_MAX];
	pthread_t threads[2];

	atomic_store(&stop, false);
	atomic_store(&blocks_read, 0);
	atomic_store(&blocks_wrong, 0);
	flags = how;
	for (int t = 0; t < 2; t++)
		CHECK(pthread_create(&threads[t], NULL, read_blocks, NULL) == 0);
	for (int i = 0; i < ROUNDS * 5; i++) {
		/* fresh memory each time, that is shared until the publish */
		void *fresh = malloc(3 << 20);

		CHECK(fresh);
		memset(fresh, i, 3 << 20);
		CHECK(rmmap_publish(shared, handle, sizeof(handle)) == 0);
		CHECK(rmmap_unpublish(handle) == 0);
		free(fresh);
	}
	atomic_store(&stop, true);
	for (int t = 0; t < 2; t++)
		CHECK(pthread_join(threads[t], NULL) == 0);
	printf("%s: %lu blocks of 64 KiB, %lu of them not as read\n", name,
	       atomic_load(&blocks_read), atomic_load(&blocks_wrong));
	if (exact)
		CHECK(atomic_load(&blocks_wrong) == 0);
}

static void make_file(void)
{
	unsigned char *data = malloc(BLOCK);

	CHECK(data);
	file = open("writers.data", O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK(file >= 0);
	for (int i = 0; i < 4; i++) {
		memset(data, i + 1, BLOCK);
		CHECK(write(file, data, BLOCK) == BLOCK);
	}
	CHECK(fsync(file) == 0);
	free(data);
}

/* ---- pinned ---- */

static int verify_pinned(const char *handle)
{
	struct shared *s = rmmap_attach(handle);

	CHECK(s);
	for (size_t i = 0; i < BLOCK; i++)
		CHECK(s->pinned[i] == s->filled);
	return 0;
}

/* One block of the file into the registered buffer, and wait for it. */
static void read_fixed(int ring, const struct io_uring_params *params, unsigned char block)
{
	size_t size = params->sq_off.array + params->sq_entries * sizeof(unsigned);
	char *sq = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	struct io_uring_sqe *sqe = mmap(NULL, sizeof(*sqe), PROT_READ | PROT_WRITE, MAP_SHARED,
	                                ring, (off_t)IORING_OFF_SQES);
	_Atomic unsigned *tail;

	CHECK(sq != MAP_FAILED && sqe != MAP_FAILED);
	*sqe = (struct io_uring_sqe){
		.opcode = IORING_OP_READ_FIXED, .fd = file, .addr = (uintptr_t)shared->pinned,
		.len = BLOCK, .off = (uint64_t)block * BLOCK,
	};
	tail = (void *)(sq + params->sq_off.tail);
	((unsigned *)(void *)(sq + params->sq_off.array))[*tail % params->sq_entries] = 0;
	atomic_fetch_add(tail, 1);
	CHECK(syscall(SYS_io_uring_enter, ring, 1, block + 1, IORING_ENTER_GETEVENTS, NULL, 0) == 1);
	munmap(sq, size);
	munmap(sqe, sizeof(*sqe));
	shared->filled = block + 1;
	for (size_t i = 0; i < BLOCK; i++)
		CHECK(shared->pinned[i] == shared->filled);
}

static void fixed(void)
{
	struct io_uring_params params = { 0 };
	int ring = (int)syscall(SYS_io_uring_setup, 4, &params);
	char handle[RMMAP_HANDLE_MAX], out[16];
	struct iovec buffer;

	if (ring < 0) {
		printf("fixed: not tried, io_uring: %s\n", strerror(errno));
		return;
	}
	shared->pinned = aligned_alloc(PAGE, 8 << 20);
	CHECK(shared->pinned);
	memset(shared->pinned, 0xa5, 8 << 20);
	shared->filled = 0xa5;
	buffer = (struct iovec){ shared->pinned, BLOCK };
	if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &buffer, 1)) {
		printf("fixed: not tried, IORING_REGISTER_BUFFERS: %s\n", strerror(errno));
		close(ring);
		return;
	}
	for (int i = 0; i < 3; i++) {
		CHECK(rmmap_publish(shared, handle, sizeof(handle)) == 0);
		CHECK(run_self("pinned", handle, out, sizeof(out)) == 0);
		CHECK(rmmap_unpublish(handle) == 0);
		shared->pinned[BLOCK + i] = 1;
		read_fixed(ring, &params, (unsigned char)i);
	}
	close(ring);
	printf("fixed: pinned memory was copied\n");
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);

	if (mode && strcmp(mode, "verify") == 0)
		return verify(argv[2]);
	if (mode)
		return verify_pinned(argv[2]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	make_file();
	/* first: into pages that were published already a device writes unseen */
	build();
	fixed();
	stores();
	system_calls("read", 0, true);
	system_calls("direct", O_DIRECT, false);
	close(file);
	unlink("writers.data");
	return 0;
}
