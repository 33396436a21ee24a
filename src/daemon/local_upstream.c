/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * local_upstream.c - layers of other hosts' publications that a publication here refers to
 *
 * A process that has attached another host's publication names its layers when it
 * publishes, as it does with those of this host. They lie in caches (cache.h). Before the
 * publication is made, what is absent of these is fetched; from then on the file is a layer
 * like any other, since nobody writes to a complete cache, and it stays when the other
 * host's publication ends. Worker thread only; allocates.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "layers.h"
#include "local_internal.h"
#include "remote.h"
#include "sweep.h"

#define DESCS 64                        /* read of the table at a time */

struct wanted {
	struct remote *remote;          /* held */
	uint32_t index;                 /* there */
	struct layer *layer;            /* once it is here */
};

struct upstream {
	struct client *client;
	struct wanted *wanted;
	uint32_t count, room, next;
	struct sweep sweep;             /* of wanted[next] */
	bool running;
	int error;
	upstream_done *done;
	void *arg;
};

void upstream_free(struct upstream *upstream)
{
	if (!upstream)
		return;
	sweep_cancel(&upstream->sweep);
	for (uint32_t i = 0; i < upstream->count; i++) {
		if (upstream->wanted[i].layer)
			layer_unref(upstream->wanted[i].layer);
		remote_unhold(upstream->wanted[i].remote);
	}
	free(upstream->wanted);
	free(upstream);
}

/* ---- which ones ---- */

/* A process may have inherited its parent's attachments, so those of others count too. */
static bool find(const struct client *client, const struct rm_layer_desc *desc,
                 struct wanted *wanted)
{
	for (const struct attachment *a = client->attachments; a; a = a->next) {
		if (a->remote && remote_find_layer(a->remote, desc, &wanted->index)) {
			wanted->remote = a->remote;
			return true;
		}
	}
	wanted->remote = remotes_find_layer(client->local->worker->remotes, desc, &wanted->index);
	return wanted->remote != NULL;
}

static int want(struct upstream *upstream, const struct rm_layer_desc *desc)
{
	struct wanted wanted = { 0 }, *more;

	if (layers_have(store_layers(upstream->client->local->worker->store), desc) ||
	    !find(upstream->client, desc, &wanted))
		return 0;
	if (upstream->count == upstream->room) {
		upstream->room = upstream->room ? 2 * upstream->room : 16;
		more = realloc(upstream->wanted, upstream->room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		upstream->wanted = more;
	}
	remote_hold(wanted.remote);
	upstream->wanted[upstream->count++] = wanted;
	return 0;
}

/*
 * The table is not checked yet and may even change: what is read of it here only says
 * which caches to complete, and the store looks at all of it once more.
 */
static int want_all(struct upstream *upstream, const struct rm_wire_publish *request, int table_fd)
{
	uint32_t at = request->layer_count - request->known_layers;
	struct rm_layer_desc descs[DESCS];

	while (at < request->layer_count) {
		uint32_t n = request->layer_count - at;
		off_t from = (off_t)(sizeof(struct rm_table_header) + at * sizeof(*descs));
		ssize_t size;

		n = n < DESCS ? n : DESCS;
		size = pread(table_fd, descs, n * sizeof(*descs), from);
		if (size != (ssize_t)(n * sizeof(*descs)))
			return 0;       /* the store will say what is wrong with it */
		for (uint32_t i = 0; i < n; i++)
			if (want(upstream, &descs[i]) < 0)
				return -ENOMEM;
		at += n;
	}
	return 0;
}

int upstream_new(struct client *client, const struct rm_wire_publish *request, int table_fd,
                 struct upstream **out)
{
	struct upstream *upstream = NULL;
	int ret = 0;

	*out = NULL;
	if (!request->known_layers)
		return 0;
	upstream = calloc(1, sizeof(*upstream));
	if (!upstream)
		return -ENOMEM;
	upstream->client = client;
	ret = want_all(upstream, request, table_fd);
	if (ret < 0 || !upstream->count) {
		upstream_free(upstream);
		return ret;
	}
	*out = upstream;
	return 0;
}

/* ---- complete them, one after the other ---- */

static int adopt(struct upstream *upstream)
{
	struct layers *layers = store_layers(upstream->client->local->worker->store);

	for (uint32_t i = 0; i < upstream->count; i++) {
		struct wanted *wanted = &upstream->wanted[i];
		const struct rm_layer_desc *desc =
			&remote_table(wanted->remote)->layers[wanted->index];
		int ret = layers_adopt(layers, desc, remote_layer_fd(wanted->remote, wanted->index),
		                       &wanted->layer);

		if (ret < 0)
			return ret;
	}
	return 0;
}

static void end(struct upstream *upstream)
{
	int error = upstream->error;

	if (!error)
		error = adopt(upstream);
	upstream->done(upstream->arg, error);
}

static void advance(struct upstream *upstream);

static void swept(struct sweep *sweep, int error)
{
	struct upstream *upstream = container_of(sweep, struct upstream, sweep);

	upstream->error = error;
	upstream->next++;
	if (!upstream->running)
		advance(upstream);
}

/* A sweep may end before it returns: no recursion. */
static void advance(struct upstream *upstream)
{
	upstream->running = true;
	while (!upstream->error && upstream->next < upstream->count && !upstream->sweep.remote) {
		const struct wanted *wanted = &upstream->wanted[upstream->next];

		sweep_layer(&upstream->sweep, wanted->remote, wanted->index, swept);
	}
	upstream->running = false;
	if (!upstream->sweep.remote)
		end(upstream);
}

void upstream_start(struct upstream *upstream, upstream_done *done, void *arg)
{
	upstream->done = done;
	upstream->arg = arg;
	advance(upstream);
}
