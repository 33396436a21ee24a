/* SPDX-License-Identifier: BSD-2-Clause */
/* rmmap.c - publish and attach; the handle goes over the connection */
#include <rmmap.h>

#include "ways.h"

static char handle[RMMAP_HANDLE_MAX];

static void rmmap_send(struct handover *handover, const void *root)
{
	if (rmmap_publish(root, handle, sizeof handle))
		bench_die(rmmap_error());
	link_put(&handover->link, handle, sizeof handle);
	link_flush(&handover->link);
}

static void *rmmap_receive(struct handover *handover)
{
	void *root = rmmap_attach(link_get(&handover->link, sizeof handle));

	if (!root)
		bench_die(rmmap_error());
	return root;
}

static void rmmap_release(struct handover *handover, void *root)
{
	(void)handover;
	if (rmmap_detach(root))
		bench_die(rmmap_error());
}

static void rmmap_stop(struct handover *handover, int produces)
{
	(void)handover;
	if (produces && handle[0] && rmmap_unpublish(handle))
		bench_die(rmmap_error());
	handle[0] = '\0';
}

const struct way way_rmmap = {
	.name = "rmmap", .shape = &structures,
	.send = rmmap_send, .receive = rmmap_receive, .release = rmmap_release, .stop = rmmap_stop,
};
