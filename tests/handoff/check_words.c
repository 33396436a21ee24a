/* SPDX-License-Identifier: BSD-2-Clause */
/* RMMAP_CHECK=1 counts what looks like a pointer out of the snapshot; RMMAP_STATS=1 sums up. */
#include "handoff.h"

static int global;

static int publish_mode(const char *what)
{
	char handle[RMMAP_HANDLE_MAX];
	void **root = calloc(4, sizeof(*root));

	root[0] = &root[1];
	if (strcmp(what, "global") == 0)
		root[2] = &global;
	if (strcmp(what, "stack") == 0)
		root[2] = handle;
	if (strcmp(what, "freed") == 0)
		free(root);
	if (strcmp(what, "again") == 0) {
		/* freed, and another block by now */
		for (int i = 0; i < 100; i++) {
			free(root);
			root = calloc(4, sizeof(*root));
		}
		root = realloc(root, 100 * sizeof(*root));
	}
	CHECK(rmmap_publish(root, handle, sizeof(handle)) == 0);
	CHECK(rmmap_unpublish(handle) == 0);
	printf("root[2] %p\n", (void *)&root[2]);
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);
	char out[4096], *block;
	struct rmmap_stats stats = { .size = sizeof(size_t) };

	if (mode)
		return publish_mode(argv[2]);
	CHECK(rmmap_stats(NULL) == -1 && errno == EINVAL);
	CHECK(rmmap_stats(&stats) == -1 && errno == EINVAL);
	stats.size = 2 * sizeof(uint64_t);
	stats.heap_peak = 77;
	block = strdup("a heap, to begin with");
	CHECK(rmmap_stats(&stats) == 0 && stats.heap_bytes > 0 && stats.heap_peak == 77);
	free(block);

	setenv("HANDOFF_STDERR", "1", 1);
	CHECK(run_self("publish", "clean", out, sizeof(out)) == 0);
	CHECK(!strstr(out, "rmmap:"));
	setenv("RMMAP_CHECK", "1", 1);
	CHECK(run_self("publish", "global", out, sizeof(out)) == 0);
	CHECK(strstr(out, "look like pointers out of the snapshot"));
	CHECK(strstr(out, " +16 -> .bss of ") && strstr(out, "check_words"));
	CHECK(run_self("publish", "clean", out, sizeof(out)) == 0);
	CHECK(strstr(out, "no words point out of the snapshot"));
	CHECK(run_self("publish", "stack", out, sizeof(out)) == 0);
	CHECK(strstr(out, " +16 -> the stack"));
	CHECK(run_self("publish", "freed", out, sizeof(out)) == 0);
	CHECK(strstr(out, "is a block that was freed"));
	CHECK(run_self("publish", "again", out, sizeof(out)) == 0);
	CHECK(!strstr(out, "freed"));
	setenv("RMMAP_STATS", "1", 1);
	CHECK(run_self("publish", "clean", out, sizeof(out)) == 0);
	CHECK(strstr(out, "rmmap: published: 1 times"));
	CHECK(strstr(out, "rmmap: heap: "));
	return 0;
}
