/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mixture - threads allocate and free blocks of 16 bytes to 20 MiB and some of them fork, while
 * another thread changes a structure under a lock and publishes it every few milliseconds: every
 * block keeps its content, calloc() returns zeros, and a reader finds each publication as it was
 *
 * Each round is a process with random numbers of its own, since a process that has forked a few
 * times no longer grows in memory files. For RMMAP_STRESS seconds, or 6.
 */
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "handoff.h"

#define THREADS 3
#define BLOCKS 96
#define THREAD_BYTES ((size_t)40 << 20) /* what a thread holds at most */
#define ITEMS 64
#define ROUND_MS 1500

static uint64_t draw(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static uint64_t now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

/* From 16 bytes to max, each power of two as often as the others. */
static size_t draw_size(uint64_t *state, unsigned max_bits)
{
	size_t size = (size_t)1 << (4 + draw(state) % (max_bits - 3));

	size += draw(state) % size;
	return size < (size_t)20 << 20 ? size : (size_t)20 << 20;
}

static bool all_are(const unsigned char *p, size_t size, unsigned char byte)
{
	return !size || (p[0] == byte && !memcmp(p, p + 1, size - 1));
}

/* ---- what is published ---- */

struct item {
	size_t size;                    /* of data */
	uint64_t seed;                  /* 0: data is what calloc() returned */
	unsigned char data[];
};

struct shelf {
	uint64_t version, sum;          /* sum: of the seeds and sizes of all items */
	struct item *items[ITEMS];
};

static void item_fill(struct item *item)
{
	uint64_t state = item->seed;

	for (size_t i = 0; i + sizeof(state) <= item->size; i += sizeof(state)) {
		draw(&state);
		memcpy(item->data + i, &state, sizeof(state));
	}
}

static bool item_holds(const struct item *item)
{
	uint64_t state = item->seed;

	if (!state)
		return all_are(item->data, item->size, 0);
	for (size_t i = 0; i + sizeof(state) <= item->size; i += sizeof(state)) {
		draw(&state);
		if (memcmp(item->data + i, &state, sizeof(state)))
			return false;
	}
	return true;
}

static struct item *item_new(uint64_t *random)
{
	size_t size = draw_size(random, 20);
	bool zeros = draw(random) % 4 == 0;
	struct item *item = zeros ? calloc(1, sizeof(*item) + size) : malloc(sizeof(*item) + size);

	CHECK(item);
	item->size = size;
	item->seed = zeros ? 0 : draw(random);
	if (!zeros)
		item_fill(item);
	CHECK(item_holds(item));
	return item;
}

static void shelf_change(struct shelf *shelf, unsigned items, uint64_t *random)
{
	shelf->version++;
	while (items--) {
		struct item **item = &shelf->items[draw(random) % ITEMS];

		if (*item)
			shelf->sum -= (*item)->size + (*item)->seed;
		free(*item);
		*item = item_new(random);
		shelf->sum += (*item)->size + (*item)->seed;
	}
}

static bool shelf_holds(const struct shelf *shelf)
{
	uint64_t sum = 0;

	for (int i = 0; i < ITEMS; i++) {
		const struct item *item = shelf->items[i];

		if (!item)
			continue;
		sum += item->size + item->seed;
		if (!item_holds(item)) {
			fprintf(stderr, "version %llu: %zu bytes at %p are not those of %llu\n",
			        (unsigned long long)shelf->version, item->size,
			        (const void *)item, (unsigned long long)item->seed);
			return false;
		}
	}
	return sum == shelf->sum;
}

/* ---- the reader: attaches what is named on its input, and says when it is done ---- */

static bool read_one(const char *handle, uint64_t version)
{
	const struct shelf *shelf = rmmap_attach(handle);
	bool holds;

	CHECK(shelf);
	holds = shelf->version == version && shelf_holds(shelf);
	CHECK(rmmap_detach(shelf) == 0);
	return holds;
}

static int read_mode(const char *argument)
{
	char line[RMMAP_HANDLE_MAX + 32], handle[RMMAP_HANDLE_MAX];
	unsigned long long version;
	int in, out;
	FILE *from;

	CHECK(sscanf(argument, "%d %d", &in, &out) == 2);
	from = fdopen(in, "r");
	CHECK(from);
	while (fgets(line, sizeof(line), from)) {
		CHECK(sscanf(line, "%llu %511s", &version, handle) == 2);
		CHECK(read_one(handle, version));
		CHECK(write(out, "d", 1) == 1);
	}
	return 0;
}

static int check_mode(const char *handle)
{
	return read_one(handle, 1) ? 0 : 1;
}

/* ---- the threads ---- */

struct block {
	unsigned char *data;
	size_t size;
	unsigned char fill;
};

struct churn {
	uint64_t random;
	size_t bytes;
	struct block blocks[BLOCKS];
};

static atomic_bool stop;
static atomic_int forks_left;
static atomic_ulong changes, forks;

static bool block_holds(const struct block *b)
{
	return all_are(b->data, b->data ? b->size : 0, b->fill);
}

static void block_free(struct churn *c, struct block *b)
{
	CHECK(block_holds(b));
	free(b->data);
	c->bytes -= b->data ? b->size : 0;
	b->data = NULL;
}

static void block_new(struct churn *c, struct block *b)
{
	uint64_t how = draw(&c->random);

	b->size = draw_size(&c->random, 24);
	if (c->bytes + b->size > THREAD_BYTES)
		b->size = 16;
	if (how % 8 == 0)
		b->data = aligned_alloc((size_t)1 << (4 + how / 8 % 19), b->size);
	else
		b->data = how % 2 ? calloc(1, b->size) : malloc(b->size);
	CHECK(b->data);
	c->bytes += b->size;
	b->fill = (unsigned char)(how >> 32);
	if (how % 8 && how % 2)
		CHECK(all_are(b->data, b->size, 0));
	if (how % 8 && how % 2 && how >> 40 & 1)
		b->fill = 0;
	else
		memset(b->data, b->fill, b->size);
}

static void block_resize(struct churn *c, struct block *b)
{
	size_t size = draw_size(&c->random, 24);
	unsigned char *data;

	if (c->bytes - b->size + size > THREAD_BYTES)
		size = b->size / 2 + 1;
	data = realloc(b->data, size);
	CHECK(data);
	CHECK(all_are(data, size < b->size ? size : b->size, b->fill));
	memset(data, b->fill, size);
	c->bytes += size - b->size;
	b->data = data;
	b->size = size;
}

static void change(struct churn *c)
{
	struct block *b = &c->blocks[draw(&c->random) % BLOCKS];

	CHECK(block_holds(b));
	if (b->data && draw(&c->random) % 4 == 0) {
		block_resize(c, b);
		return;
	}
	block_free(c, b);
	if (draw(&c->random) % 8)
		block_new(c, b);
	atomic_fetch_add(&changes, 1);
}

/* In a child of fork(): its copy of the blocks is whole, and it can publish. */
static int in_child(struct churn *c)
{
	char self[] = "self", mode[] = "check", handle[RMMAP_HANDLE_MAX];
	char *argv[] = { self, mode, handle, NULL };
	struct shelf *shelf;
	extern char **environ;
	int status;
	pid_t pid;

	for (int i = 0; i < BLOCKS; i++)
		if (!block_holds(&c->blocks[i]))
			return 2;
	for (int i = 0; i < 60; i++)
		change(c);
	if (draw(&c->random) % 2)
		return 0;
	shelf = calloc(1, sizeof(*shelf));
	CHECK(shelf);
	shelf_change(shelf, 20, &c->random);
	CHECK(rmmap_publish(shelf, handle, sizeof(handle)) == 0);
	CHECK(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ) == 0);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(rmmap_unpublish(handle) == 0);
	for (int i = 0; i < BLOCKS; i++)
		block_free(c, &c->blocks[i]);
	return 0;
}

static void forked(struct churn *c)
{
	int status;
	pid_t pid;

	if (atomic_fetch_sub(&forks_left, 1) <= 0)
		return;
	pid = fork();
	if (pid == 0)
		_exit(in_child(c));
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
	atomic_fetch_add(&forks, 1);
}

static void *churn(void *arg)
{
	struct churn *c = calloc(1, sizeof(*c));

	CHECK(c);
	c->random = (uint64_t)(uintptr_t)arg;
	while (!atomic_load(&stop)) {
		change(c);
		if (draw(&c->random) % 128 == 0)
			forked(c);
		if (draw(&c->random) % 64 == 0)
			usleep(draw(&c->random) % 3000);
	}
	for (int i = 0; i < BLOCKS; i++)
		block_free(c, &c->blocks[i]);
	free(c);
	return NULL;
}

/* ---- a round ---- */

struct reader {
	pid_t pid;
	int output, to, from;           /* standard output; handles to it, answers from it */
};

static void reader_start(struct reader *reader)
{
	int to[2], from[2];
	char text[32];

	CHECK(pipe(to) == 0 && pipe(from) == 0);
	CHECK(fcntl(to[1], F_SETFD, FD_CLOEXEC) == 0 && fcntl(from[0], F_SETFD, FD_CLOEXEC) == 0);
	snprintf(text, sizeof(text), "%d %d", to[0], from[1]);
	reader->pid = start_self("read", text, &reader->output);
	close(to[0]);
	close(from[1]);
	reader->to = to[1];
	reader->from = from[0];
}

static void reader_check(const struct reader *reader, uint64_t version, const char *handle)
{
	char line[RMMAP_HANDLE_MAX + 32], done;
	int length = snprintf(line, sizeof(line), "%llu %s\n", (unsigned long long)version, handle);

	CHECK(write(reader->to, line, (size_t)length) == length);
	CHECK(read(reader->from, &done, 1) == 1);
}

static unsigned publish_rounds(const struct reader *reader, uint64_t *random)
{
	struct shelf *shelf = calloc(1, sizeof(*shelf));
	char handle[RMMAP_HANDLE_MAX], before[RMMAP_HANDLE_MAX] = "";
	uint64_t end = now_ms() + ROUND_MS;
	unsigned publishes = 0;

	CHECK(shelf);
	shelf_change(shelf, ITEMS, random);
	for (; now_ms() < end; publishes++) {
		shelf_change(shelf, draw(random) % 12, random);
		CHECK(shelf_holds(shelf));
		CHECK(rmmap_publish(shelf, handle, sizeof(handle)) == 0);
		reader_check(reader, shelf->version, handle);
		CHECK(!before[0] || rmmap_unpublish(before) == 0);
		strcpy(before, handle);
		usleep(draw(random) % 4000);
	}
	CHECK(shelf_holds(shelf));
	return publishes;
}

static int round_mode(const char *seed)
{
	static const int may_fork[] = { 0, 2, 5, 40 };
	uint64_t random = strtoull(seed, NULL, 10) * 0x9e3779b97f4a7c15u + 1;
	pthread_t threads[THREADS];
	struct reader reader;
	unsigned publishes;
	char text[16];

	reader_start(&reader);
	atomic_store(&forks_left, may_fork[draw(&random) % 4]);
	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&threads[i], NULL, churn, (void *)(uintptr_t)draw(&random)));
	publishes = publish_rounds(&reader, &random);
	atomic_store(&stop, true);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	close(reader.to);
	CHECK(end_self(reader.pid, reader.output, text, sizeof(text)) == 0);
	printf("%u publishes, %lu changes, %lu forks\n", publishes, atomic_load(&changes),
	       atomic_load(&forks));
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv), *seconds = getenv("RMMAP_STRESS");
	const char *first = getenv("RMMAP_STRESS_SEED");
	uint64_t end = now_ms() + (seconds ? strtoull(seconds, NULL, 10) : 6) * 1000;
	unsigned long long seed = first ? strtoull(first, NULL, 10) : (unsigned long long)time(NULL);

	if (mode && strcmp(mode, "read") == 0)
		return read_mode(argv[2]);
	if (mode && strcmp(mode, "check") == 0)
		return check_mode(argv[2]);
	if (mode)
		return round_mode(argv[2]);
	for (; now_ms() < end; seed++) {
		char argument[32], text[128];

		snprintf(argument, sizeof(argument), "%llu", seed);
		if (run_self("round", argument, text, sizeof(text))) {
			fprintf(stderr, "failed with RMMAP_STRESS_SEED=%llu\n", seed);
			return 1;
		}
		printf("%llu: %s", seed, text);
	}
	return 0;
}
