/* SPDX-License-Identifier: BSD-2-Clause */
#include "versions.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handoff.h"

#define FILES_MAX 65536

static uint64_t draw(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static uint64_t state_of(unsigned version)
{
	return 0x9e3779b97f4a7c15u * (version + 1);
}

/* Front, somewhere in the middle, and the end of a page. */
static void write_page(struct versions *v, size_t page, unsigned version)
{
	uint64_t *words = (uint64_t *)(void *)(v->data + page * VERSIONS_PAGE);

	words[0] = page;
	words[1 + page % 500] = page * 3 + version;
	words[511] = (uint64_t)version << 32 | (uint32_t)page;
}

static bool page_is(const struct versions *v, size_t page, unsigned version)
{
	const uint64_t *words = (const uint64_t *)(const void *)(v->data + page * VERSIONS_PAGE);

	return words[0] == page && words[1 + page % 500] == page * 3 + version &&
	       words[511] == ((uint64_t)version << 32 | (uint32_t)page);
}

struct versions *versions_build(size_t pages, size_t changes)
{
	struct versions *v = malloc(sizeof(*v));

	CHECK(v);
	v->pages = pages;
	v->changes = changes;
	v->data = aligned_alloc(VERSIONS_PAGE, pages * VERSIONS_PAGE);
	CHECK(v->data);
	for (size_t i = 0; i < pages; i++)
		write_page(v, i, 0);
	return v;
}

/* Some pages by themselves, and now and then a run of them. */
static void draw_changes(size_t pages, size_t changes, unsigned version,
                         void (*each)(void *arg, size_t page, unsigned version), void *arg)
{
	uint64_t state = state_of(version);

	for (size_t i = 0; i < changes;) {
		size_t page = draw(&state) % pages;
		size_t run = draw(&state) % 8 ? 1 : 1 + draw(&state) % 24;

		for (size_t k = 0; k < run && i < changes && page + k < pages; k++, i++)
			each(arg, page + k, version);
	}
}

static void change(void *arg, size_t page, unsigned version)
{
	write_page(arg, page, version);
}

void versions_change(struct versions *v, unsigned version)
{
	draw_changes(v->pages, v->changes, version, change, v);
}

static void remember(void *arg, size_t page, unsigned version)
{
	((unsigned *)arg)[page] = version;
}

bool versions_are(const struct versions *v, unsigned version)
{
	unsigned *last = calloc(v->pages, sizeof(*last));
	bool all = true;

	CHECK(last);
	for (unsigned i = 1; i <= version; i++)
		draw_changes(v->pages, v->changes, i, remember, last);
	for (size_t i = 0; all && i < v->pages; i++) {
		all = page_is(v, i, last[i]);
		if (!all)
			fprintf(stderr, "page %zu is not of version %u as in version %u: "
			        "%llu %llu %llx\n", i, last[i], version,
			        *(unsigned long long *)(void *)(v->data + i * VERSIONS_PAGE),
			        ((unsigned long long *)(void *)(v->data + i * VERSIONS_PAGE))[1 + i % 500],
			        ((unsigned long long *)(void *)(v->data + i * VERSIONS_PAGE))[511]);
	}
	free(last);
	return all;
}

void versions_verify(const char *handle, unsigned version)
{
	char argument[RMMAP_HANDLE_MAX + 32], out[256];

	snprintf(argument, sizeof(argument), "%u %s", version, handle);
	CHECK(run_self("verify", argument, out, sizeof(out)) == 0);
	fputs(out, stdout);
}

struct versions *versions_attach(const char *argument, unsigned *version)
{
	char handle[RMMAP_HANDLE_MAX];
	struct versions *v;

	CHECK(sscanf(argument, "%u %511s", version, handle) == 2);
	v = rmmap_attach(handle);
	if (!v)
		fprintf(stderr, "version %u: %s\n", *version, rmmap_error());
	return v;
}

long mappings(int pid)
{
	char path[64], line[4096];
	long count = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid ? pid : (int)getpid());
	f = fopen(path, "r");
	CHECK(f);
	while (fgets(line, sizeof(line), f))
		count++;
	fclose(f);
	return count;
}

static uint64_t add_files(int pid, ino_t *seen, size_t *count)
{
	char path[64];
	struct dirent *entry;
	uint64_t sum = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	CHECK(dir);
	while ((entry = readdir(dir))) {
		struct stat st;
		bool again = false;
		char target[256];
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		if (n < 0 || fstatat(dirfd(dir), entry->d_name, &st, 0))
			continue;
		target[n] = '\0';
		if (!strstr(target, "memfd:"))
			continue;
		for (size_t i = 0; i < *count; i++)
			again |= seen[i] == st.st_ino;
		CHECK(*count < FILES_MAX);
		if (!again) {
			seen[(*count)++] = st.st_ino;
			sum += (uint64_t)st.st_blocks * 512;
		}
	}
	closedir(dir);
	return sum;
}

uint64_t layers_bytes(int daemon)
{
	static ino_t seen[FILES_MAX];
	pid_t children[8];
	size_t count = 0;
	int n = daemon_children(daemon, children, 8);
	uint64_t sum = add_files(daemon, seen, &count);

	for (int i = 0; i < n; i++)
		sum += add_files(children[i], seen, &count);
	return sum;
}

uint64_t anonymous_bytes(void)
{
	char line[256];
	unsigned long long kib = 0;
	FILE *f = fopen("/proc/self/smaps_rollup", "r");

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Anonymous: %llu", &kib) == 1)
			break;
	fclose(f);
	return kib << 10;
}
