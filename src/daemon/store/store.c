/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store.c - publications of this host: who may attach, and until when they live
 *
 * Every publication in the list is complete: take.c and publication.c have checked what came
 * from outside. Worker thread only; allocates.
 */
#include <assert.h>
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
/* Hosts that had a publication attached before a restart come back within this time. */
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

void store_free(struct store *store)
{
	while (store->first) {
		struct publication *publication = store->first;

		store->first = publication->next;
		loop_timer_cancel(store->context->loop, &publication->lease);
		publication->layer_count = 0;   /* layers_free() frees them */
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

static bool publication_held(const struct publication *publication)
{
	return publication->attached || publication->remote_attached;
}

/* Nobody has it attached any more: take it out of the list, and free it. */
static void publication_drop(struct publication *publication)
{
	struct store *store = publication->store;
	struct context *context = store->context;
	struct publication **link = &store->first;
	char id[9];

	assert(!publication_held(publication));
	while (*link != publication)
		link = &(*link)->next;
	*link = publication->next;
	assert(store->count > 0 && store->table_bytes >= publication->table.size);
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

/* Is nobody new admitted? Then the publication is dropped when its last reader leaves. */
static bool publication_closed(const struct publication *publication)
{
	return publication->unpublished ||
	       rm_terms_used_up(publication->terms, publication->admitted);
}

/* May other hosts still come back that had it attached when a worker died? */
static bool publication_awaited(const struct publication *publication)
{
	return rm_now_ns() < publication->rejoin_ns;
}

static void lease_expired(struct timer *timer)
{
	struct publication *publication = container_of(timer, struct publication, lease);

	if (!publication_held(publication))
		publication_drop(publication);
}

/* The end of a lease that begins now; UINT64_MAX: it has none. */
static uint64_t lease_end(const struct publication *publication)
{
	uint64_t at = rm_now_ns();

	if (!publication_closed(publication))
		at = publication->terms.ttl_ms == RM_TTL_NONE ? UINT64_MAX :
		     at + publication->terms.ttl_ms * MSEC;
	return at > publication->rejoin_ns ? at : publication->rejoin_ns;
}

static void lease_set(struct publication *publication, uint64_t at)
{
	if (at == UINT64_MAX)
		loop_timer_cancel(publication->store->context->loop, &publication->lease);
	else
		loop_timer(publication->store->context->loop, &publication->lease, at);
}

void store_lease(struct publication *publication)
{
	assert(!publication_held(publication));
	lease_set(publication, lease_end(publication));
}

void store_insert(struct store *store, struct publication *publication)
{
	publication->lease.fire = lease_expired;
	publication->next = store->first;
	store->first = publication;
	store->count++;
	store->table_bytes += publication->table.size;
}

/* ---- readers ---- */

static void reader_add(struct publication *publication, bool remote)
{
	if (remote)
		publication->remote_attached++;
	else
		publication->attached++;
	loop_timer_cancel(publication->store->context->loop, &publication->lease);
}

/*
 * Has the lease ended, though its timer has not fired yet? A worker that was kept from running
 * reads requests before it fires its timers.
 */
static bool lease_due(const struct publication *publication)
{
	return publication->lease.index && publication->lease.at <= rm_now_ns();
}

int store_admit(struct publication *publication, const uint8_t secret[RM_SECRET_BYTES],
                bool remote, bool again)
{
	if (sodium_memcmp(secret, publication->secret, RM_SECRET_BYTES) != 0)
		return -EACCES;
	if (publication->revoked || (!again && (publication->unpublished || lease_due(publication))))
		return -ENOENT;
	if (!again && rm_terms_used_up(publication->terms, publication->admitted))
		return -ENOENT;
	if (!again)
		publication->admitted++;
	reader_add(publication, remote);
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
	reader_add(publication, false);
}

void store_release(struct publication *publication, bool remote)
{
	uint32_t *count = remote ? &publication->remote_attached : &publication->attached;

	if (*count)             /* 0 if it was revoked meanwhile */
		--*count;
	if (publication_held(publication)) {
		if (remote && !*count)
			store_save(publication, NULL, 0);
		return;
	}
	if (publication_closed(publication) && !publication_awaited(publication))
		return publication_drop(publication);
	store_lease(publication);
	store_save(publication, NULL, 0);
}

/*
 * The caller still uses the publication. So the publication is not dropped here, even if it is
 * closed: its lease is over at once, and the loop drops it in its next iteration.
 */
void store_unadmit(struct publication *publication, bool remote, bool again)
{
	uint32_t *count = remote ? &publication->remote_attached : &publication->attached;

	assert(*count > 0 && (again || publication->admitted > 0));
	--*count;
	if (!again)
		publication->admitted--;
	if (!publication_held(publication))
		store_lease(publication);
	store_save(publication, NULL, 0);
}

void store_unpublish(struct publication *publication)
{
	publication->unpublished = true;
	if (!publication_held(publication) && !publication_awaited(publication))
		return publication_drop(publication);
	if (!publication_held(publication))
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
 * Set both deadlines of a restored publication. local/ counts the attachments of this host again
 * before the loop runs. Other hosts ask again only when they notice the restart, so a
 * publication that they had waits REJOIN_NS for them. Both deadlines are recorded at once: if
 * nobody comes back, they stay the same however many workers die meanwhile.
 */
static void lease_restore(struct publication *publication, const struct publication_record *record)
{
	publication->rejoin_ns = record->remote ? rm_now_ns() + REJOIN_NS : record->rejoin_ns;
	lease_set(publication, record->lease_ns ? record->lease_ns : lease_end(publication));
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
		/* The keeper had no room for its descriptors: the keeper's log says so. */
		log_line("a publication was not kept whole and is dropped");
		for (unsigned i = 0; i < record->count; i++)
			close(record->fds[i]);
		keeper_delete(store->context->keeper, record->number);
		return;
	}
	publication->record = record->number;
	store_insert(store, publication);
	lease_restore(publication, saved);
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
