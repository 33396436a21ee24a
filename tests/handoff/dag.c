/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Handing on: A and B publish, C attaches both, changes some of A's nodes, links all with its
 * own and publishes; D sees all three, with the changes. On one host and on three, when A's
 * and B's own publications are gone, ten hops deep, and around to where it began. Two ways
 * to the same page are one, unless they changed it.
 */
#include "handoff.h"

#include <time.h>
#include <unistd.h>

#define NODES 3000u                     /* of one process: 3 MB */
#define CHANGED 1000000u

struct node {
	struct node *next;
	uint64_t value;
	char text[1000];
};

struct whole {                          /* what C publishes */
	struct node *a, *own, *b;
};

static const char *dirs[3];

static struct node *build(uint64_t first, unsigned n)
{
	struct node *head = NULL;

	for (unsigned i = n; i-- > 0;) {
		struct node *node = malloc(sizeof(*node));

		CHECK(node);
		node->next = head;
		node->value = first + i;
		snprintf(node->text, sizeof(node->text), "node %llu",
		         (unsigned long long)(first + i));
		head = node;
	}
	return head;
}

static bool is_changed(unsigned i)
{
	return i % 1000 == 500;
}

/* The n nodes from here on are these; what comes after them. */
static struct node *check_nodes(struct node *node, uint64_t first, unsigned n, bool changed)
{
	char text[64];

	for (unsigned i = 0; i < n; i++, node = node->next) {
		snprintf(text, sizeof(text), "node %llu", (unsigned long long)(first + i));
		CHECK(node && strcmp(node->text, text) == 0);
		CHECK(node->value == first + i + (changed && is_changed(i) ? CHANGED : 0));
	}
	return node;
}

static struct node *nth(struct node *node, unsigned n)
{
	while (n--)
		node = node->next;
	return node;
}

static void print_handle(const void *root, unsigned flags)
{
	struct rmmap_publish_options options = RMMAP_PUBLISH_OPTIONS_INIT;
	char handle[RMMAP_HANDLE_MAX];

	options.flags = flags;
	CHECK(rmmap_publish_with(root, &options, handle, sizeof(handle)) == 0);
	printf("%s", handle);
}

static int make_mode(const char *first)
{
	print_handle(build(strtoull(first, NULL, 10), NODES), 0);
	return 0;
}

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

static void run_at(const char *dir, const char *mode, const char *argument,
                   char out[RMMAP_HANDLE_MAX])
{
	setenv("RMMAP_RUNDIR", dir, 1);
	CHECK(run_self(mode, argument, out, RMMAP_HANDLE_MAX) == 0);
	setenv("RMMAP_RUNDIR", dirs[0], 1);
}

static void unpublish_at(const char *dir, const char *handle)
{
	char out[RMMAP_HANDLE_MAX];

	run_at(dir, "unpublish", handle, out);
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

/* ---- diamonds, and around to where it began ---- */

/* "NODE HANDLE": own nodes in front of what came; the node NODE of it is changed, if not -1. */
static int side_mode(const char *argument)
{
	char handle[RMMAP_HANDLE_MAX];
	struct node *head = build(1, 3);
	int change;

	CHECK(sscanf(argument, "%d %511s", &change, handle) == 2);
	head->next->next->next = rmmap_attach(handle);
	CHECK(nth(head, 3));
	if (change >= 0)
		nth(head, 3 + (unsigned)change)->value += CHANGED;
	print_handle(head, 0);
	return 0;
}

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

static void side(const char *dir, int change, const char *handle, char out[RMMAP_HANDLE_MAX])
{
	char argument[RMMAP_HANDLE_MAX + 16];

	snprintf(argument, sizeof(argument), "%d %s", change, handle);
	run_at(dir, "side", argument, out);
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

/* What this process published, and another handed on changed: its own content stands here. */
static void around(const char *dir)
{
	struct node *own = build(1, NODES), *came;
	char handle[RMMAP_HANDLE_MAX], back[RMMAP_HANDLE_MAX];

	CHECK(rmmap_publish(own, handle, sizeof(handle)) == 0);
	side(dir, 40, handle, back);
	came = rmmap_attach(back);
	CHECK(came && came->value == 1 && nth(came, 3) == own);
	CHECK(!check_nodes(own, 1, NODES, false));
	own->value = 7;
	CHECK(nth(came, 3)->value == 7);
	CHECK(rmmap_detach(came) == 0);
	CHECK(own->next->value == 2);
	CHECK(rmmap_unpublish(handle) == 0);
}

/* The same for what this process changed of another's; what a third changed it cannot have. */
static void around_changed(const char *dir)
{
	char top[RMMAP_HANDLE_MAX], handle[RMMAP_HANDLE_MAX], back[RMMAP_HANDLE_MAX];
	struct node *own = build(1, 3), *upstream, *came;

	run_at(dirs[0], "make", "1", top);
	upstream = rmmap_attach(top);
	CHECK(upstream);
	nth(upstream, 40)->value = 7;
	own->next->next->next = upstream;
	CHECK(rmmap_publish(own, handle, sizeof(handle)) == 0);
	side(dir, -1, handle, back);
	nth(upstream, 40)->value = 8;
	came = rmmap_attach(back);
	CHECK(came && nth(came, 3) == own && nth(came, 6 + 40)->value == 8);
	CHECK(rmmap_detach(upstream) == 0);
	CHECK(nth(came, 6 + 40)->value == 8);
	CHECK(!check_nodes(nth(came, 6 + 41), 42, NODES - 41, false));
	CHECK(rmmap_detach(came) == 0);
	CHECK((upstream = rmmap_attach(top)));
	side(dir, 3 + 60, handle, back);        /* a page that is attached here */
	CHECK(!rmmap_attach(back));
	CHECK_ERROR(EADDRINUSE, "differ in what is at");
	CHECK(rmmap_detach(upstream) == 0);
	CHECK(rmmap_unpublish(handle) == 0);
	unpublish_at(dirs[0], top);
}

static int unpublish_mode(const char *handle)
{
	CHECK(rmmap_unpublish(handle) == 0);
	return 0;
}

static const struct mode {
	const char *name;
	int (*run)(const char *argument);
} modes[] = {
	{ "make", make_mode }, { "merge", merge_mode }, { "see", see_mode }, { "hop", hop_mode },
	{ "hops", hops_mode }, { "side", side_mode }, { "both", both_mode },
	{ "where", where_mode }, { "unpublish", unpublish_mode },
};

static void stage(const char *what, int hosts)
{
	printf("%s, on %s\n", what, hosts ? "three hosts" : "one host");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);
	char home[256];

	for (size_t i = 0; mode && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(mode, modes[i].name) == 0)
			return modes[i].run(argv[2]);
	snprintf(home, sizeof(home), "%s", getenv("RMMAP_RUNDIR"));
	dirs[0] = home;
	dirs[1] = other_rundir();
	dirs[2] = third_rundir();
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
		stage("around", i);
		around(second);
		stage("around, changed", i);
		around_changed(second);
	}
	return 0;
}
