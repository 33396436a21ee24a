/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rmmap.c - publishes the structure itself; a reference is the handle
 *
 * The functions are looked up at run time, so that the same program uses the system's malloc in the
 * other two ways. For this way, run it under `rmmap run` with RMMAP_HEAP=shared.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <rmmap.h>

#include "ways.h"

static struct {
	int (*publish_with)(const void *root, const struct rmmap_publish_options *options,
	                    char *handle, size_t size);
	void *(*attach)(const char *handle);
	int (*stats)(struct rmmap_stats *stats);
	const char *(*error)(void);
} rmmap;

static void look_up(void *function, const char *name)
{
	void *symbol = dlsym(RTLD_DEFAULT, name);

	if (!symbol)
		die("%s is not there: run this under rmmap run", name);
	memcpy(function, &symbol, sizeof(symbol));
}

static void rmmap_prepare(void)
{
	look_up(&rmmap.publish_with, "rmmap_publish_with");
	look_up(&rmmap.attach, "rmmap_attach");
	look_up(&rmmap.stats, "rmmap_stats");
	look_up(&rmmap.error, "rmmap_error");
}

/* Publish for as many readers as receivers. The conductor unpublishes it if it is left. */
static void rmmap_hand_over(const struct kind *kind, const void *root)
{
	struct rmmap_publish_options options = RMMAP_PUBLISH_OPTIONS_INIT;
	const double start = thread_time();
	char handle[RMMAP_HANDLE_MAX];

	(void)kind;
	options.readers = (unsigned)self.receivers;
	options.ttl_ms = PATIENCE_S * 1000;
	if (rmmap.publish_with(root, &options, handle, sizeof(handle)))
		die("cannot publish: %s", rmmap.error());
	spent.packing += thread_time() - start;
	for (size_t i = 0; i < self.receivers; i++)
		print_reference(handle);
	fflush(stdout);
}

/* Count the bytes copied for the publish, and those fetched from another host. */
static void rmmap_finish(void)
{
	struct rmmap_stats stats = { .size = sizeof(stats) };

	if (!rmmap.stats(&stats)) {
		spent.sent = stats.copied_bytes;
		spent.received = stats.fetched_bytes;
	}
}

static void *rmmap_take(const struct kind *kind, const char *handle)
{
	const double start = thread_time();
	void *root = rmmap.attach(handle);

	(void)kind;
	if (!root)
		die("cannot attach: %s", rmmap.error());
	spent.unpacking += thread_time() - start;
	return root;
}

const struct way by_rmmap = {
	.name = "rmmap",
	.prepare = rmmap_prepare,
	.hand_over = rmmap_hand_over,
	.take = rmmap_take,
	.finish = rmmap_finish,
};
