/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * republish_chain - 1,000 publications of 64 MiB, one after the other, with 1 % changed in
 * each: memory stays within 2.5 times the heap, descriptors do not grow, mappings do not grow
 */
#include <limits.h>
#include <unistd.h>

#include "handoff.h"
#include "versions.h"

#define PAGES (64u << 8)
#define ROUNDS 1000
#define EVERY 100

static int verify(const char *argument)
{
	struct versions *v;
	unsigned version;

	v = versions_attach(argument, &version);
	if (!v)
		return 1;
	CHECK(versions_are(v, version));
	return 0;
}

static uint64_t heap_bytes(void)
{
	struct rmmap_stats stats = { .size = sizeof(stats) };

	CHECK(rmmap_stats(&stats) == 0);
	return stats.heap_bytes;
}

static uint64_t bytes_now(void)
{
	return layers_bytes(daemon_pid()) + anonymous_bytes();
}

static int open_now(void)
{
	return daemon_descriptors(daemon_pid()) + own_descriptors();
}

/* What was unpublished goes a little later, of a busy host's rmmapd some rounds later. */
static bool settled(uint64_t bytes, int most)
{
	for (int i = 0; i < 6000; i++) {
		if (bytes_now() <= bytes && open_now() <= most)
			return true;
		usleep(10000);
	}
	return false;
}

int main(int argc, char **argv)
{
	char handle[RMMAP_HANDLE_MAX], last[RMMAP_HANDLE_MAX] = "";
	uint64_t most = 0;
	int descriptors = 0, most_descriptors = 0;
	struct versions *v;

	if (isolate(argc, argv))
		return verify(argv[2]);
	v = versions_build(PAGES, PAGES / 100);
	for (unsigned i = 0; i <= ROUNDS; i++) {
		uint64_t bytes;
		int open;

		if (i)
			versions_change(v, i);
		if (rmmap_publish(v, handle, sizeof(handle))) {
			fprintf(stderr, "round %u: %s\n", i, rmmap_error());
			return 1;
		}
		if (last[0])
			CHECK(rmmap_unpublish(last) == 0);
		memcpy(last, handle, sizeof(last));
		if (i % EVERY == 0)
			versions_verify(handle, i);
		if (i % 10)
			continue;
		CHECK(settled(heap_bytes() / 2 * 5, descriptors ? 2 * descriptors + 64 : INT_MAX));
		bytes = bytes_now();
		most = bytes > most ? bytes : most;
		open = open_now();
		if (i == EVERY)
			descriptors = open;
		most_descriptors = open > most_descriptors ? open : most_descriptors;
	}
	printf("memory %llu MiB for a heap of %llu, descriptors %d after %d rounds, %d at most, "
	       "%ld mappings\n", (unsigned long long)most >> 20,
	       (unsigned long long)heap_bytes() >> 20, descriptors, EVERY, most_descriptors,
	       mappings(0));
	CHECK(mappings(0) < 1000);
	return 0;
}
