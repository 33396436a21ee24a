/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What was handed on comes back to where it began: own content stands, in the heap and in
 * what was attached. The root may be another's. Pages whose host has died are not handed on
 * as zeros.
 */
#include "nodes.h"

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

/* "HANDLE": change it, and publish the very root that was attached. */
static int same_mode(const char *handle)
{
	struct node *root = rmmap_attach(handle);

	CHECK(root);
	root->value = 7;
	print_handle(root, 0);
	return 0;
}

static void same_root(const char *dir)
{
	char top[RMMAP_HANDLE_MAX], same[RMMAP_HANDLE_MAX];
	struct node *root;

	run_at(dirs[0], "make", "1", top);
	run_at(dir, "same", top, same);
	unpublish_at(dirs[0], top);
	root = rmmap_attach(same);
	CHECK(root && root->value == 7 && !check_nodes(root->next, 2, NODES - 1, false));
	CHECK(rmmap_detach(root) == 0);
	unpublish_at(dir, same);
}

/* "HOME HANDLE": its host dies while pages are absent: they are not handed on as zeros. */
static int lost_mode(const char *argument)
{
	struct rmmap_publish_options options = RMMAP_PUBLISH_OPTIONS_INIT;
	struct rmmap_attach_options lazy = { sizeof(lazy), RMMAP_LAZY };
	char home[256], handle[RMMAP_HANDLE_MAX], here[256];
	struct node *root, *own = build(1, 1);

	CHECK(sscanf(argument, "%255s %511s", home, handle) == 2);
	root = rmmap_attach_with(handle, &lazy);
	if (!root) {
		CHECK_ERROR(ENOTSUP, "userfaultfd");
		printf("lazy attaches are not possible");
		return 0;
	}
	snprintf(here, sizeof(here), "%s", getenv("RMMAP_RUNDIR"));
	setenv("RMMAP_RUNDIR", home, 1);
	kill_daemon();
	setenv("RMMAP_RUNDIR", here, 1);
	own->next = root;
	options.flags = RMMAP_SELF_CONTAINED;
	CHECK(rmmap_publish_with(own, &options, handle, sizeof(handle)) < 0);
	CHECK_ERROR(EHOSTUNREACH, "");
	CHECK(rmmap_publish(own, handle, sizeof(handle)) < 0);
	CHECK_ERROR(EHOSTUNREACH, "");
	CHECK(rmmap_detach(root) == 0);
	CHECK(rmmap_publish(own, handle, sizeof(handle)) == 0);
	return 0;
}

static void host_gone(void)
{
	char a[RMMAP_HANDLE_MAX], argument[RMMAP_HANDLE_MAX + 256], out[RMMAP_HANDLE_MAX];

	run_at(dirs[0], "make", "1", a);
	snprintf(argument, sizeof(argument), "%s %s", dirs[0], a);
	run_at(dirs[2], "lost", argument, out);
	printf("%s\n", out);
}

static const struct mode modes[] = {
	{ "same", same_mode }, { "lost", lost_mode }, { NULL, NULL },
};

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);

	if (mode)
		return run_mode(modes, mode, argv[2]);
	find_dirs();
	for (int i = 0; i < 2; i++) {           /* on one host, on two */
		stage("around", i);
		around(dirs[i]);
		stage("around, changed", i);
		around_changed(dirs[i]);
		stage("the same root", i);
		same_root(dirs[i]);
	}
	stage("a host is gone", 1);
	host_gone();
	return 0;
}
