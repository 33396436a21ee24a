/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * No mappings are left (vm.max_map_count): publish and attach say so in these words, wherever it
 * is that they needed one, and work again as soon as there are some.
 */
#include "handoff.h"

#include <sys/mman.h>
#include <unistd.h>

#define EVERY 2000000           /* more than this and filling them takes too long */
#define STEPS 24

static char **taken;
static size_t count;

/* Two neighbours of different protection are two mappings. */
static bool take_one(void)
{
	void *p = mmap(NULL, 4096, count & 1 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return false;
	taken[count++] = p;
	return true;
}

static void give_back(size_t many)
{
	while (many-- > 0 && count > 0)
		munmap(taken[--count], 4096);
}

static long allowed(void)
{
	FILE *file = fopen("/proc/sys/vm/max_map_count", "r");
	long n = -1;

	if (file && fscanf(file, "%ld", &n) != 1)
		n = -1;
	if (file)
		fclose(file);
	return n;
}

static void fill(void)
{
	while (take_one())
		continue;
	CHECK(errno == ENOMEM);
}

/* One more mapping at a time: each attempt works, or says what is missing. */
static void attaches(const char *handle)
{
	bool refused = false, done = false;
	void *root;

	fill();
	for (int i = 0; i < STEPS && !done; i++) {
		root = rmmap_attach(handle);
		done = root != NULL;
		if (root)
			CHECK(rmmap_detach(root) == 0);
		else
			CHECK_ERROR(ENOMEM, "vm.max_map_count");
		refused |= !root;
		give_back(2);
	}
	CHECK(refused && done);
}

static void publishes(void *root)
{
	bool refused = false, done = false;
	char handle[RMMAP_HANDLE_MAX];

	fill();
	for (int i = 0; i < STEPS && !done; i++) {
		done = rmmap_publish(root, handle, sizeof(handle)) == 0;
		if (done)
			CHECK(rmmap_unpublish(handle) == 0);
		else
			CHECK_ERROR(ENOMEM, "vm.max_map_count");
		refused |= !done;
		give_back(2);
	}
	CHECK(refused && done);
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);
	char handle[RMMAP_HANDLE_MAX];
	void *root;

	if (mode)
		return produce_mode(argv[2]);
	if (allowed() < 0 || allowed() > EVERY) {
		fprintf(stderr, "skipped: vm.max_map_count is %ld\n", allowed());
		return 77;
	}
	taken = mmap(NULL, (size_t)EVERY * sizeof(*taken), PROT_READ | PROT_WRITE,
	             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(taken != MAP_FAILED);
	produce("list", handle);
	root = calloc(1, 100);
	attaches(handle);
	publishes(root);
	give_back(count);
	CHECK(rmmap_attach(handle) != NULL);
	return 0;
}
