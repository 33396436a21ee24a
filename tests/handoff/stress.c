/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stress - 16 threads allocate, write and free, some of them fork, while one builds structures
 * and publishes them: each is whole in another process, whatever the others did
 *
 * For RMMAP_STRESS seconds, or 5.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "handoff.h"

#define THREADS 16
#define BLOCKS 200

static atomic_bool stop;
static atomic_ulong turns, forks;

static uint64_t draw(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Every block is full of one byte; calloc's are of zeros; what is inside is checked at its end. */
static void check_block(const unsigned char *p, size_t size, unsigned char with)
{
	for (size_t i = 0; i < size; i += 64)
		CHECK(p[i] == with);
	CHECK(!size || p[size - 1] == with);
}

static size_t some_size(uint64_t r)
{
	return r % 100 < 90 ? r / 128 % 2000 : r % 100 < 99 ? r / 128 % 30000 : r / 128 % 600000;
}

static void forked(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		char *p = malloc(100000);

		memset(p, 1, 100000);
		free(p);
		_exit(p ? 0 : 1);
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
	atomic_fetch_add(&forks, 1);
}

static void *churn(void *arg)
{
	struct { unsigned char *p; size_t size; unsigned char with; } *b;
	uint64_t state = 88172645463325252u + (uint64_t)(uintptr_t)arg * 7919, forking = 0;

	b = calloc(BLOCKS, sizeof(*b));
	CHECK(b);
	while (!atomic_load(&stop)) {
		uint64_t r = draw(&state);
		size_t i = r / 7 % BLOCKS, size = some_size(draw(&state));

		if (b[i].p)
			check_block(b[i].p, b[i].size, b[i].with);
		switch (r % 3) {
		case 0:
			free(b[i].p);
			b[i].p = calloc(1, size + 1);
			CHECK(b[i].p);
			check_block(b[i].p, size, 0);
			break;
		case 1:
			b[i].p = realloc(b[i].p, size + 1);
			CHECK(b[i].p);
			if (b[i].size)
				check_block(b[i].p, b[i].size < size ? b[i].size : size, b[i].with);
			break;
		default:
			free(b[i].p);
			b[i].p = malloc(size + 1);
			CHECK(b[i].p);
		}
		b[i].size = size;
		b[i].with = (unsigned char)r;
		memset(b[i].p, b[i].with, size);
		atomic_fetch_add(&turns, 1);
		if ((uintptr_t)arg < 2 && ++forking % 2000 == 0)
			forked();
	}
	for (size_t i = 0; i < BLOCKS; i++)
		free(b[i].p);
	free(b);
	return NULL;
}

struct node {
	struct node *next;
	char *text;
	uint64_t number;
};

static struct node *build(uint64_t seed, unsigned count)
{
	struct node *list = NULL;

	for (unsigned i = 0; i < count; i++) {
		struct node *node = malloc(sizeof(*node));
		char text[32];

		snprintf(text, sizeof(text), "%llu", (unsigned long long)(seed + i));
		CHECK(node);
		*node = (struct node){ list, strdup(text), seed + i };
		CHECK(node->text);
		list = node;
	}
	return list;
}

static void drop(struct node *list)
{
	while (list) {
		struct node *next = list->next;

		free(list->text);
		free(list);
		list = next;
	}
}

static int verify(const char *argument)
{
	char handle[RMMAP_HANDLE_MAX];
	unsigned long long seed;
	struct node *list;
	unsigned count, i;

	CHECK(sscanf(argument, "%llu %u %511s", &seed, &count, handle) == 3);
	list = rmmap_attach(handle);
	if (!list) {
		fprintf(stderr, "%s\n", rmmap_error());
		return 1;
	}
	for (i = count; list; list = list->next) {
		CHECK(i > 0);
		i--;
		CHECK(list->number == seed + i && strtoull(list->text, NULL, 10) == seed + i);
	}
	CHECK(i == 0);
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv), *seconds = getenv("RMMAP_STRESS");
	time_t end = time(NULL) + (seconds ? atoi(seconds) : 5);
	char handle[RMMAP_HANDLE_MAX], argument[RMMAP_HANDLE_MAX + 64], out[16];
	pthread_t threads[THREADS];
	unsigned publishes = 0;

	if (mode)
		return verify(argv[2]);
	for (uintptr_t t = 0; t < THREADS; t++)
		CHECK(pthread_create(&threads[t], NULL, churn, (void *)t) == 0);
	while (time(NULL) < end) {
		unsigned count = 100 + publishes * 37 % 3000;
		struct node *list = build(publishes * 1000003ull, count);

		if (rmmap_publish(list, handle, sizeof(handle))) {
			fprintf(stderr, "%s\n", rmmap_error());
			return 1;
		}
		drop(list);
		snprintf(argument, sizeof(argument), "%llu %u %s", publishes * 1000003ull, count, handle);
		CHECK(run_self("verify", argument, out, sizeof(out)) == 0);
		CHECK(rmmap_unpublish(handle) == 0);
		publishes++;
	}
	atomic_store(&stop, true);
	for (int t = 0; t < THREADS; t++)
		CHECK(pthread_join(threads[t], NULL) == 0);
	printf("%u publishes, %lu turns of %d threads, %lu forks\n", publishes,
	       atomic_load(&turns), THREADS, atomic_load(&forks));
	return 0;
}
