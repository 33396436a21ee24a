/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * upstream.c - layers of other hosts' publications that a publication of this host refers to
 *
 * A process that has attached another host's publication names the layers of that publication when
 * it publishes, as it does with layers of this host. They are in caches (remote/cache.h). Before
 * the publication is made, the pages that these caches lack are fetched. From then on a cache's
 * file is a layer like any other, since nobody writes to a complete cache, and it stays when the
 * other host's publication ends.
 *
 * Publications that have a layer in common may each have other pages of it visible. If the process
 * has attached several of them, one file is made with the pages of all.
 *
 * Worker thread only; allocates.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../store/layers.h"
#include "internal.h"
#include "../remote/remote.h"
#include "../store/visible.h"
#include "../store/internal.h"
#include "../remote/fetch_all.h"

#define DESCS 64                        /* layers' descriptions that are read at a time */

/* A layer of a remote publication that has to be complete. */
struct wanted {
	struct remote *remote;          /* held by remote_hold() */
	uint32_t index;                 /* of the layer in that publication */
	struct stored_layer *layer;     /* once it is a layer of this host: a reference; or NULL.
	                                   Only the first entry of each layer has it */
};

struct upstream {
	struct client *client;          /* the publisher */
	struct wanted *wanted;          /* entries of one layer are neighbours */
	uint32_t count, room;           /* of wanted: used, allocated */
	uint32_t next;                  /* wanted[0] to wanted[next - 1] are complete: <= count */
	struct fetch_all sweep;         /* fetches wanted[next] */
	bool running;                   /* upstream_advance() is on the stack */
	int error;                      /* of the fetch that failed, after which none is begun */
	upstream_done *done;
	void *arg;
};

void upstream_free(struct upstream *upstream)
{
	if (!upstream)
		return;
	/* Before the remotes are let go: it still has waiters in one of them. */
	fetch_all_cancel(&upstream->sweep);
	for (uint32_t i = 0; i < upstream->count; i++) {
		if (upstream->wanted[i].layer)
			layer_unref(upstream->wanted[i].layer);
		remote_unhold(upstream->wanted[i].remote);
	}
	free(upstream->wanted);
	free(upstream);
}

/* ---- find the layers ---- */

static int wanted_add(struct upstream *upstream, struct remote *remote, uint32_t index)
{
	struct wanted *more;

	if (upstream->count == upstream->room) {
		upstream->room = upstream->room ? 2 * upstream->room : 16;
		more = realloc(upstream->wanted, upstream->room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		upstream->wanted = more;
	}
	remote_hold(remote);
	upstream->wanted[upstream->count++] = (struct wanted){ .remote = remote, .index = index };
	return 0;
}

/* True if wanted[from] or a later one is of this remote. */
static bool wanted_has(const struct upstream *upstream, uint32_t from, const struct remote *remote)
{
	while (from < upstream->count && upstream->wanted[from].remote != remote)
		from++;
	return from < upstream->count;
}

/*
 * Find the publications of other hosts from which the process may have this layer, and add them to
 * wanted. Its own attachments come first. If none of them has the layer, any remote publication
 * that has it will do, since the process may have inherited the attachments of its parent.
 */
static int layer_want(struct upstream *upstream, const struct rm_layer_desc *desc)
{
	const struct client *client = upstream->client;
	struct layers *layers = store_layers(client->local->store);
	uint32_t index, from = upstream->count;
	struct remote *remote;
	int error = 0;

	if (layers_have(layers, desc, true))
		return 0;
	for (const struct local_attachment *a = client->attachments; !error && a; a = a->next)
		if (a->attachment.remote && remote_find_layer(a->attachment.remote, desc, &index) &&
		    !wanted_has(upstream, from, a->attachment.remote))
			error = wanted_add(upstream, a->attachment.remote, index);
	/* A layer of a publication of this host has the pages visible there; nothing is fetched. */
	if (error || upstream->count > from || layers_have(layers, desc, false))
		return error;
	remote = remotes_find_layer(client->local->remotes, desc, &index);
	return remote ? wanted_add(upstream, remote, index) : 0;
}

/*
 * Read which layers the publisher refers to. The table is not checked yet and may even change. What
 * is read here only says which caches to complete: store_add() checks the table.
 */
static int layers_want(struct upstream *upstream, const struct rm_wire_publish *request,
                       int table_fd)
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
			return 0;       /* store_add() will refuse the table */
		for (uint32_t i = 0; i < n; i++)
			if (layer_want(upstream, &descs[i]) < 0)
				return -ENOMEM;
		at += n;
	}
	return 0;
}

int upstream_new(struct client *client, const struct rm_wire_publish *request, int table_fd,
                 struct upstream **out)
{
	struct upstream *upstream = NULL;
	int error = 0;

	*out = NULL;
	if (!request->known_layers)
		return 0;
	upstream = calloc(1, sizeof(*upstream));
	if (!upstream)
		return -ENOMEM;
	upstream->client = client;
	error = layers_want(upstream, request, table_fd);
	if (error < 0 || !upstream->count) {
		upstream_free(upstream);
		return error;
	}
	*out = upstream;
	return 0;
}

/* ---- make them layers of this host ---- */

static const struct rm_layer_desc *wanted_desc(const struct wanted *wanted)
{
	return &remote_table(wanted->remote)->layers[wanted->index];
}

/* The number of entries, from this one on, that are of the same layer. */
static uint32_t wanted_run(const struct upstream *upstream, uint32_t from)
{
	const struct rm_layer_desc *first = wanted_desc(&upstream->wanted[from]);
	uint32_t to = from + 1;

	while (to < upstream->count &&
	       wanted_desc(&upstream->wanted[to])->length == first->length &&
	       !memcmp(wanted_desc(&upstream->wanted[to])->id, first->id, RM_ID_BYTES))
		to++;
	return to - from;
}

/* Copy the pages that are visible in one publication. */
static void layer_copy_visible(char *to, const struct wanted *wanted, uint64_t pages)
{
	uint64_t at = 0, start, count;
	bool whole;
	const uint64_t *visible = remote_visible(wanted->remote, wanted->index, &whole);

	for (; rm_bit_run(visible, at, pages, true, &start, &count); at = start + count)
		memcpy(to + start * RM_PAGE, remote_data(wanted->remote, wanted->index, start),
		       count * RM_PAGE);
}

/* Make a sealed file with the pages of all entries of one layer: a read-only fd, or -errno. */
static int layer_join(const struct wanted *wanted, uint32_t count, uint64_t length)
{
	int fd = memfd_create("rmmap-layer", MFD_CLOEXEC | MFD_ALLOW_SEALING), error = 0;
	char *map = MAP_FAILED;

	if (fd < 0)
		return -errno;
	if (!ftruncate(fd, (off_t)length))
		map = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		error = -errno;
		close(fd);
		return error;
	}
	for (uint32_t i = 0; i < count; i++)
		layer_copy_visible(map, &wanted[i], length / RM_PAGE);
	munmap(map, length);
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL))
		error = -errno;
	else
		error = file_reopen(fd);
	if (error < 0)
		close(fd);
	return error;
}

/*
 * Make the entries of one layer a layer of this host. Its file is the cache of an entry that has
 * all pages of the others; if there is none, a file with the pages of all.
 */
static int wanted_adopt(struct layers *layers, struct wanted *wanted, uint32_t count)
{
	const struct rm_layer_desc *desc = wanted_desc(wanted);
	size_t words = visible_words(desc->length);
	uint64_t *have = calloc(words, sizeof(*have));
	int fd = -1, error;
	bool whole = false;

	if (!have)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		const uint64_t *visible = remote_visible(wanted[i].remote, wanted[i].index, &whole);

		for (size_t word = 0; word < words; word++)
			have[word] |= visible[word];
	}
	for (uint32_t i = 0; fd < 0 && i < count; i++) {
		const uint64_t *visible = remote_visible(wanted[i].remote, wanted[i].index, &whole);

		if (!memcmp(visible, have, words * sizeof(*have)))
			fd = remote_layer_fd(wanted[i].remote, wanted[i].index);
	}
	if (fd >= 0) {
		error = layers_adopt(layers, desc, fd, have, whole, &wanted->layer);
	} else if ((wanted->layer = layers_find(layers, desc, have))) {
		error = 0;              /* it was joined for an earlier publish */
	} else {
		fd = layer_join(wanted, count, desc->length);
		error = fd < 0 ? fd : layers_adopt(layers, desc, fd, have, false, &wanted->layer);
		if (fd >= 0)
			close(fd);
	}
	free(have);
	return error;
}

static int upstream_adopt(struct upstream *upstream)
{
	struct layers *layers = store_layers(upstream->client->local->store);
	int error = 0;

	for (uint32_t i = 0, n; !error && i < upstream->count; i += n) {
		n = wanted_run(upstream, i);
		error = wanted_adopt(layers, &upstream->wanted[i], n);
	}
	return error;
}

/* All are complete, or one has failed. */
static void upstream_end(struct upstream *upstream)
{
	int error = upstream->error;

	assert(error || upstream->next == upstream->count);
	if (!error)
		error = upstream_adopt(upstream);
	upstream->done(upstream->arg, error);
}

static void upstream_advance(struct upstream *upstream);

static void upstream_layer_fetched(struct fetch_all *sweep, int error)
{
	struct upstream *upstream = container_of(sweep, struct upstream, sweep);

	upstream->error = error;
	upstream->next++;
	if (!upstream->running)
		upstream_advance(upstream);
}

/*
 * Fetch the layers one after the other.
 *
 * fetch_all_layer() may call back before it returns. upstream_layer_fetched() then leaves it to
 * this loop to go on, so that many layers do not make a deep recursion. upstream_end() may free
 * the upstream, so nothing follows it.
 */
static void upstream_advance(struct upstream *upstream)
{
	upstream->running = true;
	while (!upstream->error && upstream->next < upstream->count && !upstream->sweep.remote) {
		const struct wanted *wanted = &upstream->wanted[upstream->next];

		fetch_all_layer(&upstream->sweep, wanted->remote, wanted->index, upstream_layer_fetched);
	}
	upstream->running = false;
	if (!upstream->sweep.remote)
		upstream_end(upstream);
}

void upstream_start(struct upstream *upstream, upstream_done *done, void *arg)
{
	upstream->done = done;
	upstream->arg = arg;
	upstream_advance(upstream);
}
