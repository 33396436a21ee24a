/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * given_back - 128 MiB that were published, freed and given back take no memory any more once
 * the next publication is there and the first is gone: not of rmmapd, though a block here and
 * there is in use still, nor of a program that holds none of it; and all publications are right
 */
#include <malloc.h>
#include <unistd.h>

#include "handoff.h"
#include "versions.h"

#define TOTAL ((size_t)128 << 20)

struct root {
	size_t size, count;
	unsigned char **blocks;         /* NULL: freed */
	unsigned char *zeros;           /* of calloc(), not written; as large as a block */
};

static unsigned char fill(size_t i)
{
	return (unsigned char)(i % 251 + 1);
}

static bool holds(const unsigned char *p, unsigned char value, size_t size)
{
	return p[0] == value && !memcmp(p, p + 1, size - 1);
}

static int check(const char *argument)
{
	const struct root *root;
	unsigned long count, seen = 0;
	char handle[RMMAP_HANDLE_MAX];

	CHECK(sscanf(argument, "%lu %511s", &count, handle) == 2);
	root = rmmap_attach(handle);
	CHECK(root);
	for (size_t i = 0; i < root->count; i++)
		if (root->blocks[i]) {
			CHECK(holds(root->blocks[i], fill(i), root->size));
			seen++;
		}
	CHECK(seen == count);
	CHECK(!root->zeros || holds(root->zeros, 0, root->size));
	return 0;
}

static void show(const char *handle, size_t count)
{
	char argument[RMMAP_HANDLE_MAX + 32], out[256];

	snprintf(argument, sizeof(argument), "%zu %s", count, handle);
	CHECK(run_self("check", argument, out, sizeof(out)) == 0);
}

static size_t fill_all(struct root *root)
{
	for (size_t i = 0; i < root->count; i++) {
		if (!root->blocks[i])
			root->blocks[i] = malloc(root->size);
		CHECK(root->blocks[i]);
		memset(root->blocks[i], fill(i), root->size);
	}
	return root->count;
}

static size_t free_most(struct root *root, size_t every)
{
	size_t left = 0;

	for (size_t i = 0; i < root->count; i++) {
		if (every && i % every == 0) {
			left++;
			continue;
		}
		free(root->blocks[i]);
		root->blocks[i] = NULL;
	}
	malloc_trim(0);
	return left;
}

/* Memory files of the heap that are mapped still. */
static unsigned files(void)
{
	unsigned long inode, last = 0;
	unsigned count = 0;
	char line[512];
	FILE *f = fopen("/proc/self/maps", "r");

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (strstr(line, "memfd:rmmap-heap") &&
		    sscanf(line, "%*s %*s %*s %*s %lu", &inode) == 1 && inode != last) {
			last = inode;
			count++;
		}
	fclose(f);
	return count;
}

/* What is unpublished goes a little later. */
static bool layers_fall(uint64_t most)
{
	for (int i = 0; i < 1000; i++) {
		if (layers_bytes(daemon_pid()) <= most)
			return true;
		usleep(10000);
	}
	fprintf(stderr, "layers take %llu KiB, more than %llu\n",
	        (unsigned long long)layers_bytes(daemon_pid()) >> 10, (unsigned long long)most >> 10);
	return false;
}

/* Blocks of this size, of which one in every so many stays; 0: none. */
static void rounds(size_t size, size_t every)
{
	char first[RMMAP_HANDLE_MAX], second[RMMAP_HANDLE_MAX], third[RMMAP_HANDLE_MAX];
	struct root *root = calloc(1, sizeof(*root));
	unsigned before = 0;

	CHECK(root);
	root->size = size;
	root->count = TOTAL / size;
	root->blocks = calloc(root->count, sizeof(root->blocks[0]));
	CHECK(root->blocks);
	for (int round = 0; round < 3; round++) {
		size_t all = fill_all(root), left;
		uint64_t bytes, small;

		CHECK(rmmap_publish(root, first, sizeof(first)) == 0);
		bytes = layers_bytes(daemon_pid());
		CHECK(bytes >= TOTAL);
		before = round ? before : files();
		left = free_most(root, every);
		CHECK(rmmap_publish(root, second, sizeof(second)) == 0);
		show(first, all);
		show(second, left);
		CHECK(rmmap_unpublish(first) == 0);
		/* holes that who attached has read are pages of the layer's file by that */
		small = left * size + TOTAL / 16 + (round ? size : 0);
		CHECK(layers_fall(small));
		printf("blocks of %zu KiB: %llu MiB published, then %llu, heap files mapped: "
		       "%u, then %u\n", size >> 10, (unsigned long long)bytes >> 20,
		       (unsigned long long)layers_bytes(daemon_pid()) >> 20, before, files());
		if (!every && !round)
			CHECK(files() <= before / 4);
		root->zeros = calloc(1, size);
		CHECK(root->zeros);
		CHECK(rmmap_publish(root, third, sizeof(third)) == 0);
		show(second, left);
		show(third, left);
		CHECK(rmmap_unpublish(second) == 0 && rmmap_unpublish(third) == 0);
		free(root->zeros);
		root->zeros = NULL;
	}
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);
	char out[4096];

	if (mode && strcmp(mode, "check") == 0)
		return check(argv[2]);
	if (mode) {
		size_t size, every;

		CHECK(sscanf(argv[2], "%zu %zu", &size, &every) == 2);
		rounds(size, every);
		return 0;
	}
	setenv("RMMAP_HEAP", "shared", 1);
	CHECK(run_self("rounds", "8388608 0", out, sizeof(out)) == 0);
	fputs(out, stdout);
	CHECK(run_self("rounds", "131072 0", out, sizeof(out)) == 0);
	fputs(out, stdout);
	CHECK(run_self("rounds", "131072 64", out, sizeof(out)) == 0);
	fputs(out, stdout);
	return 0;
}
