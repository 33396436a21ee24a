/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store.c - publications of this host: who may attach, and until when they live
 *
 * Worker thread only. What comes from outside is checked in store_take.c; here a
 * publication is whole.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/log.h"
#include "../../common/channel.h"
#include "../../common/handle.h"
#include "internal.h"

#define MSEC UINT64_C(1000000)
/* Other hosts that had it before a restart come back within this time (peer.h renews). */
#define REJOIN_NS (60000 * MSEC)

struct store *store_new(struct context *context, const struct store_events *events)
{
	struct store *store = calloc(1, sizeof(*store));

	if (!store)
		return NULL;
	store->context = context;
	store->events = *events;
	store->layers = layers_new(context);
	if (!store->layers) {
		free(store);
		return NULL;
	}
	return store;
}

/* The process ends: the keeper's copies stay, nothing is unpublished by this. */
void store_free(struct store *store)
{
	while (store->first) {
		struct publication *publication = store->first;

		store->first = publication->next;
		loop_timer_cancel(store->context->loop, &publication->lease);
		publication->layer_count = 0;
		publication_free(publication);
	}
	layers_free(store->layers);
	free(store);
}

/* ---- records ---- */

void store_save(struct publication *publication, const int *fds, unsigned count)
{
	struct publication_record record = {
		.terms = publication->terms,
		.admitted = publication->admitted,
		.slot = publication->slot,
		.publisher_pid = publication->publisher_pid,
		.layer_count = publication->layer_count,
		.has_slot = publication->slot_fd >= 0,
		.unpublished = publication->unpublished,
		.remote = publication->remote_attached != 0,
		.revoked = publication->revoked,
		.created_ns = publication->created_ns,
		.lease_ns = publication->lease.index ? publication->lease.at : 0,
		.rejoin_ns = publication->rejoin_ns,
		.served_bytes = publication->served_bytes,
	};

	memcpy(record.id, publication->id, sizeof(record.id));
	memcpy(record.secret, publication->secret, sizeof(record.secret));
	keeper_put(publication->store->context->keeper, RECORD_PUBLICATION, publication->record,
	           &record, sizeof(record), fds, count);
	sodium_memzero(&record, sizeof(record));
}

/* ---- the end of a publication ---- */

static void drop(struct publication *publication)
{
	struct store *store = publication->store;
	struct context *context = store->context;
	struct publication **link = &store->first;
	char id[9];

	while (*link != publication)
		link = &(*link)->next;
	*link = publication->next;
	store->count--;
	store->table_bytes -= publication->table.size;
	loop_timer_cancel(context->loop, &publication->lease);
	store->events.dropped(store->events.arg, publication);
	keeper_delete(context->keeper, publication->record);
	rm_short_id(publication->id, id);
	log_line("publication %s is gone", id);
	publication_free(publication);
	context->active_ns = rm_now_ns();
}

static bool held(const struct publication *publication)
{
	return publication->attached || publication->remote_attached;
}

/* Nobody can attach it any more: with the last one who has, it goes. */
static bool over(const struct publication *publication)
{
	return publication->unpublished ||
	       rm_terms_used_up(publication->terms, publication->admitted);
}

/* Other hosts had it when a worker died, and may still come back. */
static bool awaited(const struct publication *publication)
{
	return rm_now_ns() < publication->rejoin_ns;
}

static void lease_over(struct timer *timer)
{
	struct publication *publication = container_of(timer, struct publication, lease);

	if (!held(publication))
		drop(publication);
}

/* While nobody has it: UINT64_MAX if it is for ever. */
static uint64_t lives_until(const struct publication *publication)
{
	uint64_t at = rm_now_ns();

	if (!over(publication))
		at = publication->terms.ttl_ms == RM_TTL_NONE ? UINT64_MAX :
		     at + publication->terms.ttl_ms * MSEC;
	return at > publication->rejoin_ns ? at : publication->rejoin_ns;
}

static void lease_until(struct publication *publication, uint64_t at)
{
	if (at == UINT64_MAX)
		loop_timer_cancel(publication->store->context->loop, &publication->lease);
	else
		loop_timer(publication->store->context->loop, &publication->lease, at);
}

void store_lease(struct publication *publication)
{
	lease_until(publication, lives_until(publication));
}

void store_insert(struct store *store, struct publication *publication)
{
	publication->lease.fire = lease_over;
	publication->next = store->first;
	store->first = publication;
	store->count++;
	store->table_bytes += publication->table.size;
}

/* ---- readers ---- */

static void hold(struct publication *publication, bool remote)
{
	if (remote)
		publication->remote_attached++;
	else
		publication->attached++;
	loop_timer_cancel(publication->store->context->loop, &publication->lease);
}

/* A worker that was kept from running hears of a reader before it fires what is due. */
static bool lease_is_over(const struct publication *publication)
{
	return publication->lease.index && publication->lease.at <= rm_now_ns();
}

int store_admit(struct publication *publication, const uint8_t secret[RM_SECRET_BYTES],
                bool remote, bool again)
{
	if (sodium_memcmp(secret, publication->secret, RM_SECRET_BYTES) != 0)
		return -EACCES;
	if (publication->revoked || (!again && (publication->unpublished || lease_is_over(publication))))
		return -ENOENT;
	if (!again && rm_terms_used_up(publication->terms, publication->admitted))
		return -ENOENT;
	if (!again)
		publication->admitted++;
	hold(publication, remote);
	return 0;
}

void store_admitted(struct publication *publication)
{
	store_save(publication, NULL, 0);
}

void store_readmit(struct publication *publication, uint32_t admitted)
{
	if (publication->admitted < admitted)
		publication->admitted = admitted;
	hold(publication, false);
}

void store_release(struct publication *publication, bool remote)
{
	uint32_t *count = remote ? &publication->remote_attached : &publication->attached;

	if (*count)
		--*count;
	if (held(publication)) {
		if (remote && !*count)
			store_save(publication, NULL, 0);
		return;
	}
	if (over(publication) && !awaited(publication))
		return drop(publication);
	store_lease(publication);
	store_save(publication, NULL, 0);
}

/* The caller has words to say of the publication yet, so it goes at the loop's next turn. */
void store_unadmit(struct publication *publication, bool remote, bool again)
{
	uint32_t *count = remote ? &publication->remote_attached : &publication->attached;

	--*count;
	if (!again)
		publication->admitted--;
	if (!held(publication))
		store_lease(publication);
	store_save(publication, NULL, 0);
}

void store_unpublish(struct publication *publication)
{
	publication->unpublished = true;
	if (!held(publication) && !awaited(publication))
		return drop(publication);
	if (!held(publication))
		store_lease(publication);
	store_save(publication, NULL, 0);
}

void store_revoke(struct publication *publication)
{
	struct store *store = publication->store;
	char id[9];

	rm_short_id(publication->id, id);
	log_line("publication %s is revoked: %u other hosts lose it", id,
	         publication->remote_attached);
	publication->revoked = true;
	store->events.dropped(store->events.arg, publication);
	publication->remote_attached = 0;
	publication->rejoin_ns = 0;
	store_unpublish(publication);
}

/* ---- after a restart ---- */

/*
 * Attachments of this host are counted again by local.c before the loop runs. Other hosts ask
 * again when they notice, so what they had must wait for them. Both deadlines are recorded at
 * once: one that nobody came back for stays what it was, however many workers die meanwhile.
 */
static void restore_lease(struct publication *publication, const struct publication_record *record)
{
	publication->rejoin_ns = record->remote ? rm_now_ns() + REJOIN_NS : record->rejoin_ns;
	lease_until(publication, record->lease_ns ? record->lease_ns : lives_until(publication));
	store_save(publication, NULL, 0);
}

void store_restore_layer(struct store *store, const struct record *record)
{
	layers_restore(store->layers, record);
}

void store_restored(struct store *store)
{
	layers_restored(store->layers);
}

void store_restore(struct store *store, const struct record *record)
{
	const struct publication_record *saved = record->data;
	struct publication *publication = NULL;

	if (record->length == sizeof(*saved) && record->count == 1u + saved->has_slot)
		publication = publication_from_record(store, saved, record->fds);
	if (!publication) {
		/* descriptors did not fit into the keeper: its log says so */
		log_line("a publication was not kept whole and is dropped");
		for (unsigned i = 0; i < record->count; i++)
			close(record->fds[i]);
		keeper_delete(store->context->keeper, record->number);
		return;
	}
	publication->record = record->number;
	store_insert(store, publication);
	restore_lease(publication, saved);
}

/* ---- finding ---- */

struct publication *store_find(struct store *store, const uint8_t id[RM_ID_BYTES])
{
	struct publication *publication = store->first;

	while (publication && memcmp(publication->id, id, RM_ID_BYTES) != 0)
		publication = publication->next;
	return publication;
}

int store_find_short(struct store *store, const char *text, struct publication **out)
{
	size_t length = strlen(text);

	*out = NULL;
	if (length < 4 || length > 8)
		return -ENOENT;
	for (struct publication *p = store->first; p; p = p->next) {
		char id[9];

		rm_short_id(p->id, id);
		if (strncmp(id, text, length) != 0)
			continue;
		if (*out)
			return -EEXIST;
		*out = p;
	}
	return *out ? 0 : -ENOENT;
}

struct publication *store_first(struct store *store)
{
	return store->first;
}

uint32_t store_count(struct store *store)
{
	return store->count;
}

uint64_t store_bytes(struct store *store)
{
	return layers_bytes(store->layers) + store->table_bytes;
}

struct layers *store_layers(struct store *store)
{
	return store->layers;
}
