/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scale - many at once, and much that is empty
 *
 * scale publish COUNT KIB                  so many publications of so much; a handle a line
 * scale each HOW                           attach each handle of standard input, one by one
 * scale unpublish                          each handle of standard input
 * scale crowd COUNT HOW HANDLE COMMAND     so many processes have it at once; then sh COMMAND
 * scale member HOW HANDLE READY GO         one of them: writes to READY, waits for GO's end
 * scale sparse GIB PERMILLE                a block of which so many pages are written; its handle
 * scale touch HOW HANDLE PAGES COMMAND     read so many of these, scattered, and as many holes;
 *                                          then sh COMMAND
 *
 * Exit status: 0 all is right, 3 a page has another content, 4 refused (errno's name on stdout)
 */
#include "../handoff/handoff.h"
#include "../remote/remote.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096u
#define CROWD_MAX 2000
#define PATIENCE_MS 280000

extern char **environ;

struct block {
	struct block *self;
	uint64_t seed, pages, permille; /* permille: of the pages that have data */
	char *data;
};

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 33) * UINT64_C(0xff51afd7ed558ccd);
	x = (x ^ x >> 29) * UINT64_C(0xc4ceb9fe1a85ec53);
	return x ^ x >> 32;
}

static bool has_data(const struct block *block, uint64_t page)
{
	return mix(page + block->seed * 77) % 1000 < block->permille;
}

static void fill(struct block *block)
{
	for (uint64_t i = 0; i < block->pages; i++)
		if (has_data(block, i))
			memcpy(block->data + i * PAGE, &(uint64_t){ mix(i ^ block->seed) | 1 }, 8);
}

static void look(const struct block *block, uint64_t page)
{
	uint64_t want = has_data(block, page) ? mix(page ^ block->seed) | 1 : 0, is[2];

	memcpy(&is[0], block->data + page * PAGE, 8);
	memcpy(&is[1], block->data + page * PAGE + PAGE - 8, 8);
	if (is[0] != want || is[1]) {
		printf("page %" PRIu64 " has %" PRIx64 " and %" PRIx64 "\n", page, is[0], is[1]);
		exit(3);
	}
}

static struct block *make(uint64_t pages, uint64_t permille, uint64_t seed)
{
	struct block *block = malloc(sizeof(*block));

	CHECK(block);
	*block = (struct block){ block, seed, pages, permille, calloc(pages, PAGE) };
	CHECK(block->data);
	fill(block);
	return block;
}

static int publish(unsigned count, uint64_t kib)
{
	char handle[RMMAP_HANDLE_MAX];

	for (unsigned i = 0; i < count; i++) {
		if (rmmap_publish(make(kib * 1024 / PAGE, 1000, i + 1), handle, sizeof(handle)))
			return remote_failed();
		puts(handle);
	}
	return 0;
}

static const struct block *attach(const char *how, const char *handle)
{
	const struct block *block = remote_attach(how, handle);

	if (!block)
		exit(remote_failed());
	CHECK(block->self == block);
	return block;
}

static int each(const char *how)
{
	char handle[RMMAP_HANDLE_MAX + 1];
	const struct block *block;
	unsigned n = 0;

	while (fgets(handle, sizeof(handle), stdin)) {
		block = attach(how, handle);
		for (uint64_t i = 0; i < block->pages; i++)
			look(block, i);
		CHECK(rmmap_detach(block) == 0);
		n++;
	}
	printf("%u attached\n", n);
	return 0;
}

static int unpublish(void)
{
	char handle[RMMAP_HANDLE_MAX + 1];
	unsigned n = 0;

	while (fgets(handle, sizeof(handle), stdin)) {
		if (rmmap_unpublish(handle))
			return remote_failed();
		n++;
	}
	printf("%u unpublished\n", n);
	return 0;
}

/* ---- a crowd ---- */

static int member(const char *how, const char *handle, int ready, int go)
{
	const struct block *block = attach(how, handle);
	char c = 0;

	for (uint64_t i = (uint64_t)getpid() % 7; i < block->pages; i += 7)
		look(block, i);
	CHECK(write(ready, &c, 1) == 1);
	CHECK(read(go, &c, 1) == 0);
	for (uint64_t i = 0; i < block->pages; i++)
		look(block, i);
	CHECK(rmmap_detach(block) == 0);
	return 0;
}

static pid_t spawn_member(const char *how, const char *handle, const int *ready, const int *go)
{
	char self[] = "/proc/self/exe", mode[] = "member", way[16], name[RMMAP_HANDLE_MAX];
	char in[16], out[16], *argv[] = { self, mode, way, name, out, in, NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;

	snprintf(way, sizeof(way), "%s", how);
	snprintf(name, sizeof(name), "%s", handle);
	snprintf(out, sizeof(out), "%d", ready[1]);
	snprintf(in, sizeof(in), "%d", go[0]);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addclose(&actions, ready[0]);
	posix_spawn_file_actions_addclose(&actions, go[1]);
	CHECK(posix_spawn(&pid, self, &actions, NULL, argv, environ) == 0);
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

/* Of so many members, all say that they have it; false if one of them ended before. */
static bool all_ready(int fd, unsigned count)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };
	unsigned seen = 0;
	ssize_t n;
	char c[64];

	while (seen < count) {
		n = poll(&poller, 1, PATIENCE_MS) == 1 ? read(fd, c, sizeof(c)) : 0;
		if (n <= 0)
			return false;
		seen += (unsigned)n;
	}
	return true;
}

static int crowd(unsigned count, const char *how, const char *handle, const char *command)
{
	static pid_t pids[CROWD_MAX];
	int ready[2], go[2], status, failed = 0;
	bool all;

	CHECK(count <= CROWD_MAX && pipe(ready) == 0 && pipe(go) == 0);
	for (unsigned i = 0; i < count; i++)
		pids[i] = spawn_member(how, handle, ready, go);
	close(ready[1]);
	all = all_ready(ready[0], count);
	fcntl(go[1], F_SETFD, FD_CLOEXEC);
	if (all)
		CHECK(remote_shell(command) == 0);
	close(go[1]);
	for (unsigned i = 0; i < count; i++) {
		CHECK(waitpid(pids[i], &status, 0) == pids[i]);
		failed += status != 0;
	}
	printf("%u processes, %d failed\n", count, failed);
	return all && !failed ? 0 : 1;
}

/* ---- much that is empty ---- */

static int sparse(uint64_t gib, uint64_t permille)
{
	char handle[RMMAP_HANDLE_MAX];
	uint64_t pages = (gib << 30) / PAGE;

	if (rmmap_publish(make(pages, permille, 5), handle, sizeof(handle)))
		return remote_failed();
	puts(handle);
	return 0;
}

static int touch(const char *how, const char *handle, uint64_t count, const char *command)
{
	const struct block *block = attach(how, handle);
	uint64_t data = 0, holes = 0, page;

	for (uint64_t i = 0; data < count || holes < count; i++) {
		page = mix(i) % block->pages;
		if (has_data(block, page) ? data++ < count : holes++ < count)
			look(block, page);
	}
	remote_counters();
	CHECK(remote_shell(command) == 0);
	CHECK(rmmap_detach(block) == 0);
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	if (argc == 4 && strcmp(mode, "publish") == 0)
		return publish((unsigned)atoi(argv[2]), strtoull(argv[3], NULL, 10));
	if (argc == 3 && strcmp(mode, "each") == 0)
		return each(argv[2]);
	if (argc == 2 && strcmp(mode, "unpublish") == 0)
		return unpublish();
	if (argc == 6 && strcmp(mode, "crowd") == 0)
		return crowd((unsigned)atoi(argv[2]), argv[3], argv[4], argv[5]);
	if (argc == 6 && strcmp(mode, "member") == 0)
		return member(argv[2], argv[3], atoi(argv[4]), atoi(argv[5]));
	if (argc == 4 && strcmp(mode, "sparse") == 0)
		return sparse(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
	if (argc == 6 && strcmp(mode, "touch") == 0)
		return touch(argv[2], argv[3], strtoull(argv[4], NULL, 10), argv[5]);
	fprintf(stderr, "scale: wrong arguments\n");
	return 2;
}
