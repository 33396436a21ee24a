/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chase - a list in random order, and pages full of addresses
 *
 * chase publish list|hostile          prints the handle
 * chase walk HOW HANDLE               HOW: eager, lazy. Prints the sum of all that is in it,
 *                                     then the counters
 * chase ask HANDLE                    have half of the hostile pages fetched by rmmap_prefetch(),
 *                                     and look at them; the counters
 */
#include "../handoff/handoff.h"
#include "remote.h"

#include <inttypes.h>
#include <unistd.h>

#define NODES 200000
#define HOSTILE (8u << 20)

struct node {
	struct node *next;
	uint64_t value, more[8];
};

struct root {
	struct node *list;
	uint64_t *words, count;         /* hostile pages */
};

static uint64_t state = 88172645463325252u;

static uint64_t draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

static struct node *build_list(void)
{
	struct node **nodes = malloc(NODES * sizeof(*nodes)), *first;

	CHECK(nodes);
	for (uint64_t i = 0; i < NODES; i++) {
		nodes[i] = calloc(1, sizeof(**nodes));
		CHECK(nodes[i]);
		nodes[i]->value = i * i + 7;
	}
	for (uint64_t i = NODES - 1; i > 0; i--) {
		uint64_t j = draw() % (i + 1);
		struct node *kept = nodes[i];

		nodes[i] = nodes[j];
		nodes[j] = kept;
	}
	for (uint64_t i = 0; i < NODES - 1; i++)
		nodes[i]->next = nodes[i + 1];
	first = nodes[0];
	free(nodes);
	return first;
}

static void build_hostile(struct root *root)
{
	uint64_t base;

	root->count = HOSTILE / sizeof(uint64_t);
	root->words = malloc(HOSTILE);
	CHECK(root->words);
	base = (uintptr_t)root->words;
	for (uint64_t i = 0; i < root->count; i++)
		root->words[i] = i % 7 ? base - 65536 + draw() % (HOSTILE + 131072) : base + i * 8;
}

static int publish(const char *kind)
{
	struct root *root = calloc(1, sizeof(*root));
	char handle[RMMAP_HANDLE_MAX];

	CHECK(root);
	if (strcmp(kind, "hostile") == 0)
		build_hostile(root);
	else
		root->list = build_list();
	if (rmmap_publish(root, handle, sizeof(handle)))
		return remote_failed();
	puts(handle);
	return 0;
}

static int walk(const char *how, const char *handle)
{
	const struct root *root = remote_attach(how, handle);
	uint64_t sum = 0, n = 0;

	if (!root)
		return remote_failed();
	for (const struct node *node = root->list; node; node = node->next, n++)
		sum = sum * 31 + node->value + node->more[7];
	CHECK(!root->list || n == NODES);
	for (uint64_t i = 0; i < root->count; i++)
		sum = sum * 31 + root->words[i];
	printf("sum=%" PRIx64 " ", sum);
	remote_counters();
	CHECK(rmmap_detach(root) == 0);
	return 0;
}

static struct rmmap_stats stats_now(void)
{
	struct rmmap_stats stats = { .size = sizeof(stats) };

	CHECK(rmmap_stats(&stats) == 0);
	return stats;
}

static void refused(const void *addr, size_t length, int error)
{
	errno = 0;
	CHECK(rmmap_prefetch(addr, length) == -1 && errno == error && *rmmap_error());
}

static int ask(const char *handle)
{
	static int unattached;
	const struct root *root;
	uint64_t half, wanted, pages;
	const char *seconds = getenv("CHASE_PATIENCE");
	int patience = 50 * (seconds ? atoi(seconds) : 120);

	refused(NULL, 1, EFAULT);
	root = remote_attach("lazy", handle);
	if (!root)
		return remote_failed();
	refused(&unattached, sizeof(unattached), EFAULT);
	refused(root->words, SIZE_MAX, EINVAL);
	CHECK(rmmap_prefetch(root, 0) == 0);
	half = root->count / 2;
	pages = half * 8 / 4096;
	CHECK(stats_now().asked_pages == 0);
	CHECK(rmmap_prefetch(root->words, half * 8) == 0);
	CHECK(rmmap_prefetch(root->words, half * 8) == 0);      /* once more is no more */
	for (int i = 0; i < patience && stats_now().asked_pages < pages - 64; i++)
		usleep(20000);
	CHECK(stats_now().asked_pages >= pages - 64 && stats_now().asked_pages <= pages + 1);
	CHECK(stats_now().asked_used == 0);
	for (uint64_t i = 0, base = (uintptr_t)root->words; i < half; i++) {
		wanted = i % 7 ? base - 65536 + draw() % (HOSTILE + 131072) : base + i * 8;
		CHECK(root->words[i] == wanted);
	}
	CHECK(stats_now().asked_used > pages / 4);
	CHECK(stats_now().asked_used <= stats_now().asked_pages);
	CHECK(rmmap_prefetch(root, SIZE_MAX / 4) == 0);         /* far beyond: what is there */
	remote_counters();
	CHECK(rmmap_detach(root) == 0);
	refused(root, 8, EFAULT);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "publish") == 0)
		return publish(argv[2]);
	if (argc == 4 && strcmp(argv[1], "walk") == 0)
		return walk(argv[2], argv[3]);
	if (argc == 3 && strcmp(argv[1], "ask") == 0)
		return ask(argv[2]);
	fprintf(stderr, "chase: wrong arguments\n");
	return 2;
}
