/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Handing on: A and B publish, C attaches both, changes some of A's nodes, links all with its
 * own and publishes; D sees all three, with the changes. On one host and on three, when A's
 * and B's own publications are gone, and ten hops deep. Two ways to the same page are one,
 * unless they changed it.
 */
#include "nodes.h"

struct whole {                          /* what C publishes */
	struct node *a, *own, *b;
};

/* "FLAGS HANDLE HANDLE" */
static int merge_mode(const char *argument)
{
	struct rmmap_stats stats = { .size = sizeof(stats) };
	char first[RMMAP_HANDLE_MAX], second[RMMAP_HANDLE_MAX];
	struct whole *whole = malloc(sizeof(*whole));
	unsigned flags;

	CHECK(sscanf(argument, "%u %511s %511s", &flags, first, second) == 3);
	whole->a = rmmap_attach(first);
	CHECK(whole->a);
	whole->b = rmmap_attach(second);
	CHECK(whole->b);
	whole->own = build(20001, 500);
	for (unsigned i = 0; i < NODES; i++)
		if (is_changed(i))
			nth(whole->a, i)->value += CHANGED;
	nth(whole->a, NODES - 1)->next = whole->own;
	nth(whole->own, 499)->next = whole->b;
	print_handle(whole, flags);
	CHECK(rmmap_stats(&stats) == 0);
	/* What was not changed is neither copied nor, where pages come one by one, fetched. */
	if (!flags)
		CHECK(stats.copied_bytes < 2000000);
	return 0;
}

static int see_mode(const char *handle)
{
	struct whole *whole = rmmap_attach(handle);
	struct node *node;

	CHECK(whole);
	node = check_nodes(whole->a, 1, NODES, true);
	CHECK(node == whole->own);
	node = check_nodes(node, 20001, 500, false);
	CHECK(node == whole->b);
	CHECK(!check_nodes(node, 10001, NODES, false));
	CHECK(rmmap_detach(whole) == 0);
	return 0;
}

static void two_merged(const char *where_c, const char *where_d, unsigned flags)
{
	char a[RMMAP_HANDLE_MAX], b[RMMAP_HANDLE_MAX], c[RMMAP_HANDLE_MAX], out[RMMAP_HANDLE_MAX];
	char argument[2 * RMMAP_HANDLE_MAX + 16];

	run_at(dirs[0], "make", "1", a);
	run_at(dirs[0], "make", "10001", b);
	snprintf(argument, sizeof(argument), "%u %s %s", flags, a, b);
	run_at(where_c, "merge", argument, c);
	run_at(where_d, "see", c, out);
	unpublish_at(dirs[0], a);
	unpublish_at(dirs[0], b);
	run_at(where_d, "see", c, out);
	run_at(where_c, "see", c, out);
	run_at(dirs[0], "see", c, out);
	unpublish_at(where_c, c);
}

/* ---- ten hops ---- */

/* "HOP HANDLE": change one node of what came, put one in front, and hand on. */
static int hop_mode(const char *argument)
{
	char handle[RMMAP_HANDLE_MAX];
	struct node *node, *head, *root;
	unsigned hop;

	CHECK(sscanf(argument, "%u %511s", &hop, handle) == 2);
	node = root = rmmap_attach(handle);
	CHECK(node);
	for (unsigned i = hop; i > 0; i--, node = node->next)
		CHECK(node->value == i);
	for (unsigned i = 0; i < hop * 7; i++)
		CHECK(nth(node, i)->value == 1 + i + (i % 7 == 0 ? CHANGED : 0));
	nth(node, hop * 7)->value += CHANGED;
	head = build(hop + 1, 1);
	head->next = root;
	print_handle(head, 0);
	return 0;
}

static int hops_mode(const char *handle)
{
	struct node *node = rmmap_attach(handle);

	CHECK(node);
	for (unsigned i = 10; i > 0; i--, node = node->next)
		CHECK(node->value == i);
	for (unsigned i = 0; i < NODES; i++, node = node->next)
		CHECK(node->value == 1 + i + (i % 7 == 0 && i < 70 ? CHANGED : 0));
	CHECK(!node);
	return 0;
}

static void ten_hops(unsigned hosts)
{
	char from[RMMAP_HANDLE_MAX], to[RMMAP_HANDLE_MAX], argument[RMMAP_HANDLE_MAX + 16];

	run_at(dirs[0], "make", "1", from);
	for (unsigned hop = 0; hop < 10; hop++) {
		snprintf(argument, sizeof(argument), "%u %s", hop, from);
		run_at(dirs[(hop + 1) % hosts], "hop", argument, to);
		unpublish_at(dirs[hop % hosts], from);
		memcpy(from, to, sizeof(from));
	}
	run_at(dirs[0], "hops", from, to);
	run_at(dirs[hosts - 1], "hops", from, to);
	unpublish_at(dirs[10 % hosts], from);
}

/* ---- diamonds ---- */

/* "both HANDLE HANDLE": both can be had; "ADDRESS HANDLE HANDLE": they differ there. */
static int both_mode(const char *argument)
{
	char first[RMMAP_HANDLE_MAX], second[RMMAP_HANDLE_MAX], words[32];
	struct node *a, *b;

	CHECK(sscanf(argument, "%31s %511s %511s", words, first, second) == 3);
	a = rmmap_attach(first);
	CHECK(a);
	b = rmmap_attach(second);
	if (strcmp(words, "both") == 0) {
		CHECK(b && nth(a, 3) == nth(b, 3));
		CHECK(rmmap_detach(a) == 0);
		CHECK(!check_nodes(nth(b, 3), 1, NODES, false));
		return 0;
	}
	CHECK(!b);
	CHECK_ERROR(EADDRINUSE, words);
	CHECK(nth(a, 3 + 40)->value == 41 + CHANGED);
	return 0;
}

/* "NODE HANDLE": the address of its page. */
static int where_mode(const char *argument)
{
	char handle[RMMAP_HANDLE_MAX];
	struct node *root;
	unsigned n;

	CHECK(sscanf(argument, "%u %511s", &n, handle) == 2);
	root = rmmap_attach(handle);
	CHECK(root);
	printf("0x%llx", (unsigned long long)(uintptr_t)&nth(root, n)->value & ~4095ull);
	return 0;
}

static void diamonds(const char *left_dir, const char *right_dir, const char *end_dir)
{
	char top[RMMAP_HANDLE_MAX], left[RMMAP_HANDLE_MAX], right[RMMAP_HANDLE_MAX];
	char where[RMMAP_HANDLE_MAX], out[RMMAP_HANDLE_MAX];
	char argument[2 * RMMAP_HANDLE_MAX + 64];

	run_at(dirs[0], "make", "1", top);
	side(left_dir, -1, top, left);
	side(right_dir, -1, top, right);
	snprintf(argument, sizeof(argument), "both %s %s", left, right);
	run_at(end_dir, "both", argument, out);
	side(left_dir, 40, top, left);
	side(right_dir, 40, top, right);
	snprintf(argument, sizeof(argument), "40 %s", top);
	run_at(dirs[0], "where", argument, where);
	snprintf(argument, sizeof(argument), "%.31s %s %s", where, left, right);
	run_at(end_dir, "both", argument, out);
}

/* What is self-contained needs nobody else. */
static void host_gone(void)
{
	char a[RMMAP_HANDLE_MAX], b[RMMAP_HANDLE_MAX], c[RMMAP_HANDLE_MAX], out[RMMAP_HANDLE_MAX];
	char argument[2 * RMMAP_HANDLE_MAX + 16];

	run_at(dirs[0], "make", "1", a);
	run_at(dirs[0], "make", "10001", b);
	snprintf(argument, sizeof(argument), "%u %s %s", RMMAP_SELF_CONTAINED, a, b);
	run_at(dirs[1], "merge", argument, c);
	kill_daemon();
	run_at(dirs[2], "see", c, out);
	unpublish_at(dirs[1], c);
}

static const struct mode modes[] = {
	{ "merge", merge_mode }, { "see", see_mode }, { "hop", hop_mode }, { "hops", hops_mode },
	{ "both", both_mode }, { "where", where_mode }, { NULL, NULL },
};

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);

	if (mode)
		return run_mode(modes, mode, argv[2]);
	find_dirs();
	for (int i = 0; i < 2; i++) {           /* on one host, on three */
		const char *second = dirs[i], *third = dirs[2 * i];

		stage("two merged", i);
		two_merged(second, third, 0);
		stage("self-contained", i);
		two_merged(second, third, RMMAP_SELF_CONTAINED);
		stage("ten hops", i);
		ten_hops(i ? 3 : 1);
		stage("diamonds", i);
		diamonds(second, third, dirs[0]);
	}
	stage("a host is gone", 1);
	host_gone();
	return 0;
}
