/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * huge - a list of 32 MiB in the order of its addresses, and what of it is in 2 MiB pages
 *
 * huge publish                 prints the handle; the list, and a table of which every 8th page
 *                              is not there
 * huge walk HOW HANDLE COMMAND HOW: eager, lazy. Look at all of it; huge=KIB that this process has
 *                              mapped by 2 MiB pages, cache=BYTES that rmmapd has in such pages;
 *                              have sh run the command before it is detached
 * huge touch COUNT HANDLE      lazily: look at so many pages, far apart; the counters
 * huge fork HANDLE             lazily: a child looks at all of it, which its parent has not done
 * huge write HANDLE            lazily: write(2) from, read(2) into, and change half of it
 */
#include "../handoff/handoff.h"
#include "../smaps.h"
#include "remote.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/wait.h>
#include <unistd.h>

#define NODES (32u << 14)               /* 64 bytes each */
#define TABLE (8u << 20)
#define PAGE 4096u

struct node {
	struct node *next;
	uint64_t value, more[6];
};

struct root {
	struct node *first;
	unsigned char *table;
};

static struct root *build(void)
{
	struct root *root = calloc(1, sizeof(*root));
	struct node **at;

	CHECK(root);
	at = &root->first;
	for (uint64_t i = 0; i < NODES; i++, at = &(*at)->next) {
		*at = calloc(1, sizeof(**at));
		CHECK(*at);
		(*at)->value = i * i + 7;
		(*at)->more[5] = ~i;
	}
	root->table = malloc(TABLE);
	CHECK(root->table);
	for (unsigned i = 0; i < TABLE / PAGE; i++)
		if (i % 8)
			memset(root->table + i * PAGE, (int)(i % 251 + 1), PAGE);
	return root;
}

static unsigned char table_wanted(unsigned page)
{
	return page % 8 ? (unsigned char)(page % 251 + 1) : 0;
}

static void look(const struct root *root)
{
	uint64_t i = 0;

	for (const struct node *n = root->first; n; n = n->next, i++)
		CHECK(n->value == i * i + 7 && n->more[5] == ~i && !n->more[0]);
	CHECK(i == NODES);
	for (unsigned page = 0; page < TABLE / PAGE; page++)
		if (page % 8)           /* what a hole's neighbour shares with it is malloc's */
			for (unsigned k = 0; k < PAGE; k += 64)
				CHECK(root->table[page * PAGE + k] == table_wanted(page));
}

static int walk(const char *how, const char *handle, const char *command)
{
	struct rmmap_stats stats = { .size = sizeof(stats) };
	const struct root *root = remote_attach(how, handle);

	if (!root)
		return remote_failed();
	look(root);
	CHECK(rmmap_stats(&stats) == 0);
	printf("huge=%lu cache=%" PRIu64 " ", smaps_huge_kb("/memfd:rmmap-cache", ""),
	       stats.cache_huge_bytes);
	remote_counters();
	fflush(stdout);
	CHECK(remote_shell(command) == 0);
	CHECK(rmmap_detach(root) == 0);
	return 0;
}

/* The pages are of the table, and in no order that somebody could see through. */
static int touch(unsigned count, const char *handle)
{
	struct rmmap_stats stats = { .size = sizeof(stats) };
	const struct root *root = remote_attach("lazy", handle);
	unsigned page = 0;

	if (!root)
		return remote_failed();
	for (unsigned i = 0; i < count; i++) {
		page = (page + 997) % (TABLE / PAGE);
		if (page % 8)
			CHECK(root->table[page * PAGE + 64] == table_wanted(page));
	}
	CHECK(rmmap_stats(&stats) == 0);
	printf("cache=%" PRIu64 " ", stats.cache_huge_bytes);
	remote_counters();
	CHECK(rmmap_detach(root) == 0);
	return 0;
}

static int in_child(const char *handle)
{
	const struct root *root = remote_attach("lazy", handle);
	int status;
	pid_t child;

	if (!root)
		return remote_failed();
	CHECK(root->first->value == 7);
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		look(root);
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	look(root);
	CHECK(rmmap_detach(root) == 0);
	return 0;
}

static int by_system_calls(const char *handle)
{
	struct root *root = remote_attach("lazy", handle);
	unsigned page = 8 * 64 + 1, other = 8 * 128 + 2;
	unsigned char buffer[PAGE];
	int ends[2];

	if (!root)
		return remote_failed();
	CHECK(pipe(ends) == 0);
	/* the kernel reads a page that nobody has touched, then writes into another one */
	CHECK(write(ends[1], root->table + page * PAGE, PAGE) == PAGE);
	CHECK(read(ends[0], buffer, PAGE) == PAGE && buffer[9] == table_wanted(page));
	CHECK(write(ends[1], buffer, 9) == 9);
	CHECK(read(ends[0], root->table + other * PAGE, 9) == 9);
	CHECK(root->table[other * PAGE + 8] == table_wanted(page));
	CHECK(root->table[other * PAGE + 9] == table_wanted(other));
	root->table[other * PAGE + 8] = 0xee;
	for (int i = 0; i < 9; i++)
		root->table[other * PAGE + i] = table_wanted(other);
	/* a process's own content stays its own, and what is beside it comes all the same */
	for (unsigned i = 1; i < TABLE / PAGE; i += 16)
		root->table[i * PAGE] = 0xdd;
	for (unsigned i = 1; i < TABLE / PAGE; i += 16) {
		CHECK(root->table[i * PAGE] == 0xdd);
		root->table[i * PAGE] = table_wanted(i);
	}
	look(root);
	CHECK(rmmap_detach(root) == 0);
	return 0;
}

int main(int argc, char **argv)
{
	char handle[RMMAP_HANDLE_MAX];

	if (argc == 2 && strcmp(argv[1], "publish") == 0) {
		if (rmmap_publish(build(), handle, sizeof(handle)))
			return remote_failed();
		puts(handle);
		return 0;
	}
	if (argc == 5 && strcmp(argv[1], "walk") == 0)
		return walk(argv[2], argv[3], argv[4]);
	if (argc == 4 && strcmp(argv[1], "touch") == 0)
		return touch((unsigned)atoi(argv[2]), argv[3]);
	if (argc == 3 && strcmp(argv[1], "fork") == 0)
		return in_child(argv[2]);
	if (argc == 3 && strcmp(argv[1], "write") == 0)
		return by_system_calls(argv[2]);
	fprintf(stderr, "huge: wrong arguments\n");
	return 2;
}
