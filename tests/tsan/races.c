/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * races - all of src/lib, seen by ThreadSanitizer, in a process of many threads
 *
 * 16 of them allocate, free and pass blocks on, start threads, and two of these fork; two
 * publish, and another process looks whether it was whole; four attach what others published,
 * here and on another host, and detach it. The program has ThreadSanitizer's malloc and the library's heap beside
 * it, see heap.h. For RMMAP_STRESS seconds, or 10; races.sh looks for reports.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../handoff/handoff.h"
#include "heap.h"

#define CHURNERS 16
#define FORKERS 2
#define PUBLISHERS 2
#define ATTACHERS 4
#define BLOCKS 100
#define NODES 3000
#define HANDLES 3               /* of each host */

static atomic_bool stop;
static atomic_ulong turns, forks, publishes, verified, attaches;

/* What threads pass on: whoever takes a block checks and frees it. */
struct block {
	unsigned char *p;
	size_t size;
	unsigned char with;
};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct block passed[BLOCKS];

static char handles[2 * HANDLES][RMMAP_HANDLE_MAX];

/* Relaxed, as is stop: no order between threads, which would hide races. */
static void one_more(atomic_ulong *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static bool stopped(void)
{
	return atomic_load_explicit(&stop, memory_order_relaxed);
}

/* rmmapd needs a processor too, and locks are not fair: who takes one in a loop keeps it. */
static void rest(long ms)
{
	const struct timespec time = { 0, ms * 1000000 };

	nanosleep(&time, NULL);
}

static uint64_t draw(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* ---- threads that allocate ---- */

static void fill(struct block *b, size_t size, unsigned char with)
{
	b->size = size;
	b->with = with;
	memset(b->p, with, size);
}

static void check_block(const struct block *b)
{
	for (size_t i = 0; b->p && i < b->size; i += 64)
		CHECK(b->p[i] == b->with);
}

static size_t some_size(uint64_t r)
{
	return 1 + (r % 100 < 90 ? r / 128 % 2000 : r % 100 < 99 ? r / 128 % 30000 : r / 128 % 600000);
}

static void pass_on(struct block *b, size_t i)
{
	struct block other;

	pthread_mutex_lock(&lock);
	other = passed[i];
	passed[i] = *b;
	pthread_mutex_unlock(&lock);
	*b = other;
	check_block(b);
}

static void turn(struct block *b, uint64_t r, size_t size)
{
	switch (r % 5) {
	case 0:
		heap_free(b->p);
		b->p = rj_calloc(1, size);
		CHECK(b->p && b->p[0] == 0 && b->p[size - 1] == 0);
		break;
	case 1:
		b->p = heap_realloc(b->p, size);
		CHECK(b->p);
		b->size = b->size < size ? b->size : size;
		check_block(b);
		break;
	case 2:
		heap_free(b->p);
		b->p = heap_aligned_alloc(256, size);
		CHECK(b->p && (uintptr_t)b->p % 256 == 0 && heap_malloc_usable_size(b->p) >= size);
		break;
	default:
		heap_free(b->p);
		b->p = rj_malloc(size);
		CHECK(b->p);
	}
	fill(b, size, (unsigned char)r);
}

/* ThreadSanitizer looks at nothing in such a child. */
static void forked(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		char *p = rj_malloc(100000);

		memset(p, 1, 100000);
		heap_free(p);
		_exit(0);
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
	one_more(&forks);
}

/* What a thread that is gone has allocated. */
static void *brief(void *size)
{
	return rj_calloc(1, (size_t)size);
}

static void started(struct block *b, size_t size)
{
	pthread_t thread;
	void *p;

	CHECK(pthread_create(&thread, NULL, brief, (void *)size) == 0);
	CHECK(pthread_join(thread, &p) == 0 && p);
	heap_free(b->p);
	b->p = p;
	fill(b, size, 1);
}

static void *churn(void *arg)
{
	uint64_t state = 88172645463325252u + (uint64_t)(uintptr_t)arg * 7919;
	struct block *own = rj_calloc(BLOCKS, sizeof(*own));
	struct rmmap_stats stats = { .size = sizeof(stats) };

	CHECK(own);
	for (unsigned n = 1; !stopped(); n++) {
		uint64_t r = draw(&state);
		struct block *b = &own[r / 7 % BLOCKS];

		check_block(b);
		turn(b, r, some_size(draw(&state)));
		if (r / 1024 % 8 == 0)
			pass_on(b, r / 7 % BLOCKS);
		if (n % 32 == 0)
			rest(20);
		if (n % 300 == 0)
			started(b, 500);
		if (n % 3000 == 0)
			CHECK(rmmap_stats(&stats) == 0);
		if ((uintptr_t)arg < FORKERS && n % 1000 == 0)
			forked();
		one_more(&turns);
	}
	for (size_t i = 0; i < BLOCKS; i++)
		heap_free(own[i].p);
	heap_free(own);
	return NULL;
}

/* ---- structures ---- */

struct node {
	struct node *next;
	char *text;
	uint64_t number;
};

static struct node *build(uint64_t seed, unsigned count)
{
	struct node *list = NULL;

	for (unsigned i = 0; i < count; i++) {
		struct node *node = rj_malloc(sizeof(*node));

		CHECK(node);
		*node = (struct node){ list, rj_malloc(24), seed + i };
		CHECK(node->text);
		snprintf(node->text, 24, "%llu", (unsigned long long)(seed + i));
		list = node;
	}
	return list;
}

static void drop(struct node *list)
{
	while (list) {
		struct node *next = list->next;

		heap_free(list->text);
		heap_free(list);
		list = next;
	}
}

static void check_list(const struct node *list, uint64_t seed, unsigned count)
{
	for (; list; list = list->next) {
		CHECK(count > 0);
		count--;
		CHECK(list->number == seed + count && strtoull(list->text, NULL, 10) == seed + count);
	}
	CHECK(count == 0);
}

/* ---- threads that publish ---- */

static int verify(const char *argument)
{
	char handle[RMMAP_HANDLE_MAX];
	unsigned long long seed;
	const struct node *list;
	unsigned count;

	CHECK(sscanf(argument, "%llu %u %511s", &seed, &count, handle) == 3);
	list = rmmap_attach(handle);
	CHECK(list);
	check_list(list, seed, count);
	return 0;
}

static void *publish(void *arg)
{
	struct rmmap_publish_options options = RMMAP_PUBLISH_OPTIONS_INIT;
	char handle[RMMAP_HANDLE_MAX], argument[RMMAP_HANDLE_MAX + 64], out[16];

	for (unsigned n = 0; !stopped(); n++) {
		uint64_t seed = (uintptr_t)arg * 1000000007 + n * 1000003ull;
		unsigned count = 100 + n * 37 % NODES;
		struct node *list = build(seed, count);

		options.flags = n % 4 == 3 ? RMMAP_SELF_CONTAINED : 0;
		CHECK(rmmap_publish_with(list, &options, handle, sizeof(handle)) == 0);
		drop(list);
		one_more(&publishes);
		/* A process takes longer than a dozen publishes. */
		if (n % 16 == 0) {
			snprintf(argument, sizeof(argument), "%llu %u %s", (unsigned long long)seed, count,
			         handle);
			CHECK(run_self("verify", argument, out, sizeof(out)) == 0);
			one_more(&verified);
		}
		CHECK(rmmap_unpublish(handle) == 0);
	}
	return NULL;
}

/* ---- threads that attach ---- */

/* Of a process each: what one publishes one after the other differs in its pages. */
static int produce_list(const char *seed)
{
	char handle[RMMAP_HANDLE_MAX];

	CHECK(rmmap_publish(build(strtoull(seed, NULL, 10), NODES), handle, sizeof(handle)) == 0);
	printf("%s", handle);
	return 0;
}

static void take_handles(unsigned first)
{
	char seed[16];

	for (unsigned i = first; i < first + HANDLES; i++) {
		snprintf(seed, sizeof(seed), "%u", i * 1000);
		CHECK(run_self("produce", seed, handles[i], RMMAP_HANDLE_MAX) == 0);
	}
}

static void *attach(void *arg)
{
	const struct rmmap_attach_options lazy = { sizeof(lazy), RMMAP_LAZY };
	uint64_t state = 1181783497276652981u + (uint64_t)(uintptr_t)arg * 104729;

	while (!stopped()) {
		unsigned i = (unsigned)(draw(&state) % (2 * HANDLES));
		struct node *list = i < HANDLES ? rmmap_attach(handles[i]) :
		                                  rmmap_attach_with(handles[i], draw(&state) % 2 ? &lazy : NULL);
		char *text;

		CHECK(list || (errno == ENOTSUP && i >= HANDLES));      /* no userfaultfd here */
		if (!list)
			continue;
		CHECK(rmmap_prefetch(list, sizeof(*list)) == 0);
		if (draw(&state) % 4 == 0)
			check_list(list, i * 1000, NODES);
		text = heap_realloc(list->text, 100);           /* a copy; the original stays */
		CHECK(text && strcmp(text, list->text) == 0);
		heap_free(text);
		heap_free(list->text);                          /* nothing: it is not ours */
		CHECK(rmmap_detach(list) == 0);
		one_more(&attaches);
		rest(40);
	}
	return NULL;
}

/* ---- all of it ---- */

static void run_all(unsigned seconds)
{
	pthread_t threads[CHURNERS + PUBLISHERS + ATTACHERS];
	unsigned count = 0;
	time_t end = time(NULL) + seconds;

	for (uintptr_t t = 0; t < CHURNERS; t++)
		CHECK(pthread_create(&threads[count++], NULL, churn, (void *)t) == 0);
	for (uintptr_t t = 0; t < PUBLISHERS; t++)
		CHECK(pthread_create(&threads[count++], NULL, publish, (void *)t) == 0);
	for (uintptr_t t = 0; t < ATTACHERS; t++)
		CHECK(pthread_create(&threads[count++], NULL, attach, (void *)t) == 0);
	while (time(NULL) < end)
		sleep(1);
	atomic_store(&stop, true);
	while (count)
		CHECK(pthread_join(threads[--count], NULL) == 0);
	printf("%lu turns, %lu forks, %lu publishes (%lu looked at), %lu attaches\n",
	       atomic_load(&turns), atomic_load(&forks), atomic_load(&publishes),
	       atomic_load(&verified), atomic_load(&attaches));
	CHECK(atomic_load(&forks) && atomic_load(&verified) && atomic_load(&attaches));
}

int main(int argc, char **argv)
{
	const char *seconds = getenv("RMMAP_STRESS"), *mode;
	char here[256];

	setenv("RMMAP_HEAP", "shared", 1);      /* rmmap_publish is linked in: nothing imports it */
	mode = isolate(argc, argv);
	if (mode)
		return strcmp(mode, "verify") ? produce_list(argv[2]) : verify(argv[2]);
	take_handles(0);
	snprintf(here, sizeof(here), "%s", getenv("RMMAP_RUNDIR"));
	setenv("RMMAP_RUNDIR", other_rundir(), 1);
	take_handles(HANDLES);
	setenv("RMMAP_RUNDIR", here, 1);
	run_all(seconds ? (unsigned)atoi(seconds) : 10);
	return 0;
}
