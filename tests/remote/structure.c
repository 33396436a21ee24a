/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * structure publish KIND SEED                      prints handle and checksum
 * structure walk HOW KIND HANDLE SUM [COMMAND]     sum it up; COMMAND while it is attached
 */
#include "../handoff/handoff.h"
#include "remote.h"

#include <inttypes.h>

static int publish(const char *kind, const char *seed)
{
	char handle[RMMAP_HANDLE_MAX];
	void *root = structure_build(kind, strtoull(seed, NULL, 10));

	if (rmmap_publish(root, handle, sizeof(handle)))
		return remote_failed();
	printf("%s %" PRIu64 "\n", handle, structure_sum(kind, root));
	return 0;
}

static int walk(const char *how, const char *kind, const char *handle, const char *want,
                const char *command)
{
	void *root = remote_attach(how, handle);
	uint64_t sum;

	if (!root)
		return remote_failed();
	sum = structure_sum(kind, root);
	if (sum != strtoull(want, NULL, 10)) {
		printf("the checksum is %" PRIu64 ", not %s\n", sum, want);
		return 3;
	}
	remote_counters();
	if (command && remote_shell(command))
		return 1;
	CHECK(rmmap_detach(root) == 0);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "publish") == 0)
		return publish(argv[2], argv[3]);
	if (argc >= 6 && strcmp(argv[1], "walk") == 0)
		return walk(argv[2], argv[3], argv[4], argv[5], argv[6]);
	fprintf(stderr, "structure: wrong arguments\n");
	return 2;
}
