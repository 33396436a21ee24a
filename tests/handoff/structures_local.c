/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each structure is published by one process, which ends, and verified by others of the
 * same host; eight producers are attached at once; written pages stay the writer's own.
 */
#include "handoff.h"

#include <unistd.h>

static const char *const kinds[] = { "list", "tree", "table", "array" };

/* What the structure sums up to here: built once more in this process. */
static uint64_t expected(const char *kind)
{
	return structure_sum(kind, structure_build(kind, 1));
}

static int consume_mode(const char *argument)
{
	char kind[16];
	const char *handle = strchr(argument, ' ') + 1;
	void *root;

	snprintf(kind, sizeof(kind), "%.*s", (int)(handle - 1 - argument), argument);
	root = rmmap_attach(handle);
	CHECK(root);
	printf("%llu", (unsigned long long)structure_sum(kind, root));
	return 0;
}

static void hand_over(const char *kind)
{
	char handle[RMMAP_HANDLE_MAX], argument[RMMAP_HANDLE_MAX + 16], out[32];

	produce(kind, handle);
	snprintf(argument, sizeof(argument), "%s %s", kind, handle);
	CHECK(run_self("consume", argument, out, sizeof(out)) == 0);
	CHECK(strtoull(out, NULL, 10) == expected(kind));
	CHECK(rmmap_unpublish(handle) == 0);
	CHECK(run_self("consume-gone", handle, out, sizeof(out)) == 0);
}

static int consume_gone_mode(const char *handle)
{
	CHECK(!rmmap_attach(handle));
	CHECK(errno == ENOENT && rmmap_error()[0]);
	return 0;
}

static void fan_in(void)
{
	char handles[8][RMMAP_HANDLE_MAX];
	void *roots[8];
	uint64_t want = expected("tree");

	for (int i = 0; i < 8; i++)
		produce("tree", handles[i]);
	for (int i = 0; i < 8; i++) {
		roots[i] = rmmap_attach(handles[i]);
		CHECK(roots[i]);
	}
	for (int i = 0; i < 8; i++)
		CHECK(structure_sum("tree", roots[i]) == want);
	for (int i = 0; i < 8; i++) {
		CHECK(rmmap_detach(roots[i]) == 0);
		CHECK(rmmap_unpublish(handles[i]) == 0);
	}
}

static void own_writes(void)
{
	char handle[RMMAP_HANDLE_MAX], argument[RMMAP_HANDLE_MAX + 16], out[32];
	uint64_t *root, sum;

	produce("array", handle);
	root = rmmap_attach(handle);
	CHECK(root);
	sum = structure_sum("array", root);
	for (size_t i = 0; i < 1000000; i += 1000)
		root[i]++;
	CHECK(structure_sum("array", root) != sum);
	snprintf(argument, sizeof(argument), "array %s", handle);
	CHECK(run_self("consume", argument, out, sizeof(out)) == 0);
	CHECK(strtoull(out, NULL, 10) == sum);
	CHECK(rmmap_detach(root) == 0);
	root = rmmap_attach(handle);
	CHECK(root && structure_sum("array", root) == sum);
	CHECK(rmmap_detach(root) == 0);
	CHECK(rmmap_unpublish(handle) == 0);
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);

	if (mode && strcmp(mode, "produce") == 0)
		return produce_mode(argv[2]);
	if (mode && strcmp(mode, "consume") == 0)
		return consume_mode(argv[2]);
	if (mode && strcmp(mode, "consume-gone") == 0)
		return consume_gone_mode(argv[2]);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		hand_over(kinds[i]);
	fan_in();
	own_writes();
	return 0;
}
