/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * republish_large - 1 GiB of which 1 % changes, scattered, in each of 100 rounds: neither the
 * producer nor a consumer comes near vm.max_map_count, and what is published is right
 */
#include <unistd.h>

#include "handoff.h"
#include "versions.h"

#define PAGES (1u << 18)
#define ROUNDS 100
#define MAPPINGS 8192           /* of 65,530 */

static const unsigned shown[] = { 1, 50, ROUNDS };
#define SHOWN (sizeof(shown) / sizeof(shown[0]))

static int verify(const char *argument)
{
	struct versions *v;
	unsigned version;
	long before = mappings(0);

	v = versions_attach(argument, &version);
	if (!v)
		return 1;
	printf("version %u: %ld mappings\n", version, mappings(0) - before);
	CHECK(mappings(0) < MAPPINGS);
	CHECK(versions_are(v, version));
	return 0;
}

static int produce_all(void)
{
	struct versions *v = versions_build(PAGES, PAGES / 100);
	char handle[RMMAP_HANDLE_MAX], last[RMMAP_HANDLE_MAX] = "";
	struct rmmap_stats stats = { .size = sizeof(stats) };

	for (unsigned i = 0; i <= ROUNDS; i++) {
		if (i)
			versions_change(v, i);
		if (rmmap_publish(v, handle, sizeof(handle))) {
			fprintf(stderr, "round %u: %s\n", i, rmmap_error());
			return 1;
		}
		CHECK(mappings(0) < MAPPINGS);
		for (size_t k = 0; k < SHOWN; k++)
			if (shown[k] == i)
				versions_verify(handle, i);
		if (last[0])
			CHECK(rmmap_unpublish(last) == 0);
		memcpy(last, handle, sizeof(last));
	}
	CHECK(rmmap_stats(&stats) == 0);
	printf("%u rounds: copied %llu MiB, producer's mappings %ld\n", ROUNDS,
	       (unsigned long long)stats.copied_bytes >> 20, mappings(0));
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);

	if (mode)
		return verify(argv[2]);
	return produce_all();
}
