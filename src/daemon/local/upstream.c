/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * local_upstream.c - layers of other hosts' publications that a publication here refers to
 *
 * A process that has attached another host's publication names its layers when it
 * publishes, as it does with those of this host. They lie in caches (cache.h). Before the
 * publication is made, what is absent of these is fetched; from then on the file is a layer
 * like any other, since nobody writes to a complete cache, and it stays when the other
 * host's publication ends. Publications that have a layer in common may each show other
 * pages of it: where the process has attached several, a file is made of all their pages.
 * Worker thread only; allocates.
 */
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

#define DESCS 64                        /* read of the table at a time */

struct wanted {
	struct remote *remote;          /* held */
	uint32_t index;                 /* there */
	struct stored_layer *layer;            /* once it is here */
};

struct upstream {
	struct client *client;
	struct wanted *wanted;          /* those of one layer are neighbours */
	uint32_t count, room, next;
	struct fetch_all sweep;             /* of wanted[next] */
	bool running;
	int error;
	upstream_done *done;
	void *arg;
};

void upstream_free(struct upstream *upstream)
{
	if (!upstream)
		return;
	fetch_all_cancel(&upstream->sweep);
	for (uint32_t i = 0; i < upstream->count; i++) {
		if (upstream->wanted[i].layer)
			layer_unref(upstream->wanted[i].layer);
		remote_unhold(upstream->wanted[i].remote);
	}
	free(upstream->wanted);
	free(upstream);
}

/* ---- which ones ---- */

static int add(struct upstream *upstream, struct remote *remote, uint32_t index)
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

static bool is_wanted(const struct upstream *upstream, uint32_t from, const struct remote *remote)
{
	while (from < upstream->count && upstream->wanted[from].remote != remote)
		from++;
	return from < upstream->count;
}

/* A process may have inherited its parent's attachments, so those of others count too. */
static int want(struct upstream *upstream, const struct rm_layer_desc *desc)
{
	const struct client *client = upstream->client;
	struct layers *layers = store_layers(client->local->store);
	uint32_t index, from = upstream->count;
	struct remote *remote;
	int ret = 0;

	if (layers_have(layers, desc, true))
		return 0;
	for (const struct local_attachment *a = client->attachments; !ret && a; a = a->next)
		if (a->attachment.remote && remote_find_layer(a->attachment.remote, desc, &index) &&
		    !is_wanted(upstream, from, a->attachment.remote))
			ret = add(upstream, a->attachment.remote, index);
	/* What came from a publication of this host has what that one shows, and needs nobody. */
	if (ret || upstream->count > from || layers_have(layers, desc, false))
		return ret;
	remote = remotes_find_layer(client->local->remotes, desc, &index);
	return remote ? add(upstream, remote, index) : 0;
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

static const struct rm_layer_desc *desc_of(const struct wanted *wanted)
{
	return &remote_table(wanted->remote)->layers[wanted->index];
}

/* How many from this one on are of the same layer. */
static uint32_t alike(const struct upstream *upstream, uint32_t from)
{
	const struct rm_layer_desc *first = desc_of(&upstream->wanted[from]);
	uint32_t to = from + 1;

	while (to < upstream->count &&
	       desc_of(&upstream->wanted[to])->length == first->length &&
	       !memcmp(desc_of(&upstream->wanted[to])->id, first->id, RM_ID_BYTES))
		to++;
	return to - from;
}

static void copy_shown(char *to, const struct wanted *wanted, uint64_t pages)
{
	uint64_t at = 0, start, count;
	bool whole;
	const uint64_t *shown = remote_visible(wanted->remote, wanted->index, &whole);

	for (; rm_bit_run(shown, at, pages, true, &start, &count); at = start + count)
		memcpy(to + start * RM_PAGE, remote_data(wanted->remote, wanted->index, start),
		       count * RM_PAGE);
}

/* A sealed file with the pages of all of them, read-only; or -errno. */
static int join(const struct wanted *wanted, uint32_t count, uint64_t length)
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
		copy_shown(map, &wanted[i], length / RM_PAGE);
	munmap(map, length);
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL))
		error = -errno;
	else
		error = file_reopen(fd);
	if (error < 0)
		close(fd);
	return error;
}

/* Those of one layer: the file of one that has all pages of the others, or one made of all. */
static int adopt_layer(struct layers *layers, struct wanted *wanted, uint32_t count)
{
	const struct rm_layer_desc *desc = desc_of(wanted);
	size_t words = visible_words(desc->length);
	uint64_t *have = calloc(words, sizeof(*have));
	int fd = -1, ret;
	bool whole = false;

	if (!have)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		const uint64_t *shown = remote_visible(wanted[i].remote, wanted[i].index, &whole);

		for (size_t word = 0; word < words; word++)
			have[word] |= shown[word];
	}
	for (uint32_t i = 0; fd < 0 && i < count; i++) {
		const uint64_t *shown = remote_visible(wanted[i].remote, wanted[i].index, &whole);

		if (!memcmp(shown, have, words * sizeof(*have)))
			fd = remote_layer_fd(wanted[i].remote, wanted[i].index);
	}
	if (fd >= 0) {
		ret = layers_adopt(layers, desc, fd, have, whole, &wanted->layer);
	} else if ((wanted->layer = layers_find(layers, desc, have))) {
		ret = 0;                /* joined for an earlier publish */
	} else {
		ret = fd = join(wanted, count, desc->length);
		if (fd >= 0) {
			ret = layers_adopt(layers, desc, fd, have, false, &wanted->layer);
			close(fd);
		}
	}
	free(have);
	return ret;
}

static int adopt(struct upstream *upstream)
{
	struct layers *layers = store_layers(upstream->client->local->store);
	int ret = 0;

	for (uint32_t i = 0, n; !ret && i < upstream->count; i += n) {
		n = alike(upstream, i);
		ret = adopt_layer(layers, &upstream->wanted[i], n);
	}
	return ret;
}

static void end(struct upstream *upstream)
{
	int error = upstream->error;

	if (!error)
		error = adopt(upstream);
	upstream->done(upstream->arg, error);
}

static void advance(struct upstream *upstream);

static void swept(struct fetch_all *sweep, int error)
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

		fetch_all_layer(&upstream->sweep, wanted->remote, wanted->index, swept);
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
