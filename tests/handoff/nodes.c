/* SPDX-License-Identifier: BSD-2-Clause */
/* nodes.c - lists to be handed on, and the processes that do it */
#include "nodes.h"

#include <signal.h>

const char *dirs[3];

void find_dirs(void)
{
	static char home[256];

	snprintf(home, sizeof(home), "%s", getenv("RMMAP_RUNDIR"));
	dirs[0] = home;
	dirs[1] = other_rundir();
	dirs[2] = third_rundir();
}

void stage(const char *what, int hosts)
{
	printf("%s, on %s\n", what, hosts ? "three hosts" : "one host");
	fflush(stdout);
}

struct node *build(uint64_t first, unsigned n)
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

bool is_changed(unsigned i)
{
	return i % 1000 == 500;
}

struct node *check_nodes(struct node *node, uint64_t first, unsigned n, bool changed)
{
	char text[64];

	for (unsigned i = 0; i < n; i++, node = node->next) {
		snprintf(text, sizeof(text), "node %llu", (unsigned long long)(first + i));
		CHECK(node && strcmp(node->text, text) == 0);
		CHECK(node->value == first + i + (changed && is_changed(i) ? CHANGED : 0));
	}
	return node;
}

struct node *nth(struct node *node, unsigned n)
{
	while (n--)
		node = node->next;
	return node;
}

void print_handle(const void *root, unsigned flags)
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

void run_at(const char *dir, const char *mode, const char *argument,
                   char out[RMMAP_HANDLE_MAX])
{
	setenv("RMMAP_RUNDIR", dir, 1);
	CHECK(run_self(mode, argument, out, RMMAP_HANDLE_MAX) == 0);
	setenv("RMMAP_RUNDIR", dirs[0], 1);
}

void unpublish_at(const char *dir, const char *handle)
{
	char out[RMMAP_HANDLE_MAX];

	run_at(dir, "unpublish", handle, out);
}

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

void side(const char *dir, int change, const char *handle, char out[RMMAP_HANDLE_MAX])
{
	char argument[RMMAP_HANDLE_MAX + 16];

	snprintf(argument, sizeof(argument), "%d %s", change, handle);
	run_at(dir, "side", argument, out);
}

static int unpublish_mode(const char *handle)
{
	CHECK(rmmap_unpublish(handle) == 0);
	return 0;
}

void kill_daemon(void)
{
	pid_t pid = daemon_pid(), children[4];
	int count = daemon_children(pid, children, 4);

	CHECK(pid > 1);
	kill(pid, SIGKILL);
	for (int i = 0; i < count; i++)
		kill(children[i], SIGKILL);
}

static const struct mode common[] = {
	{ "make", make_mode }, { "side", side_mode }, { "unpublish", unpublish_mode },
	{ NULL, NULL },
};

int run_mode(const struct mode *modes, const char *name, const char *argument)
{
	for (; modes->name; modes++)
		if (strcmp(modes->name, name) == 0)
			return modes->run(argument);
	return modes == common + 3 ? 2 : run_mode(common, name, argument);
}
