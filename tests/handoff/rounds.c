/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 200 rounds of publish, attach, detach, unpublish: rmmapd's memory is within 1 MiB of that
 * after round 20, and its descriptors, and this process's, do not add up.
 */
#include "handoff.h"

#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#define LAYERS 16       /* more or less of them hold what is the same from round to round */

static void round_trip(char *mine)
{
	char handle[RMMAP_HANDLE_MAX], text[RMMAP_HANDLE_MAX + 32];
	char *root;

	CHECK(rmmap_publish(mine, handle, sizeof(handle)) == 0);
	/* a publication of this process's own heap cannot be attached by it, so a child does */
	CHECK(run_self("read", handle, text, sizeof(text)) == 0);
	CHECK(rmmap_unpublish(handle) == 0);
	CHECK(run_self("write", "", handle, sizeof(handle)) == 0);
	root = rmmap_attach(handle);
	CHECK(root && strcmp(root, "of another") == 0);
	CHECK(rmmap_detach(root) == 0);
	CHECK(rmmap_unpublish(handle) == 0);
}

static int read_mode(const char *handle)
{
	char *root = rmmap_attach(handle);

	CHECK(root && strcmp(root, "mine") == 0);
	CHECK(rmmap_detach(root) == 0);
	return 0;
}

static int write_mode(void)
{
	char handle[RMMAP_HANDLE_MAX];

	CHECK(rmmap_publish(strdup("of another"), handle, sizeof(handle)) == 0);
	printf("%s", handle);
	return 0;
}

/* The last child's end is news to rmmapd some moments later. */
static bool settles(pid_t pid, int descriptors)
{
	struct timespec time = { 0, 20000000 };

	for (int i = 0; i < 3000; i++) {
		if (daemon_descriptors(pid) <= descriptors + LAYERS)
			return true;
		nanosleep(&time, NULL);
	}
	return false;
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);
	struct timespec moment = { 0, 300000000 };
	int descriptors = 0, own = 0;
	long rss = 0, rss_end;
	pid_t pid = 0;
	char *mine;

	if (mode && strcmp(mode, "read") == 0)
		return read_mode(argv[2]);
	if (mode && strcmp(mode, "write") == 0)
		return write_mode();
	mine = strdup("mine");
	for (int i = 1; i <= 200; i++) {
		round_trip(mine);
		if (i != 20)
			continue;
		pid = daemon_pid();
		nanosleep(&moment, NULL);
		rss = daemon_rss_kb(pid);
		descriptors = daemon_descriptors(pid);
		own = own_descriptors();
	}
	CHECK(daemon_pid() == pid);
	if (!settles(pid, descriptors)) {
		fprintf(stderr, "descriptors: %d after round 20, %d after round 200\n", descriptors,
		        daemon_descriptors(pid));
		return 1;
	}
	rss_end = daemon_rss_kb(pid);
	printf("rmmapd: %ld KiB and %d descriptors after round 20, %ld KiB after round 200\n", rss,
	       descriptors, rss_end);
	CHECK(rss_end - rss < 1024);
	CHECK(own_descriptors() <= own + 2);
	return 0;
}
