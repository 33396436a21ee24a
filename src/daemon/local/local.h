/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * local.h - processes of this host: the unix socket, requests, attachments
 *
 * A client is a process, known by its pidfd: its attachments go when the process
 * ends, not when its socket does. Worker thread only.
 */
#ifndef RM_LOCAL_H
#define RM_LOCAL_H

#include <stdbool.h>
#include <stdint.h>

#include "../../common/wire.h"
#include "../keeper/keeper.h"
#include "../base/context.h"

struct remote;
struct client;

#define SERVED_TO_THE_END 1u            /* nothing is absent, or what is was given up */
#define SERVED_LOST 2u                  /* some page was marked as lost in its process */

struct attachment {
	uint64_t number;                /* on the wire, and the keeper's record */
	uint64_t generation;            /* of the caches whose descriptors its process was sent:
	                                   see remote_shares(); an earlier one never harms */
	struct client *client;
	struct publication *publication;        /* one of these two */
	struct remote *remote;
	struct lazy *lazy;              /* pager.h; NULL if it does not page */
	uint32_t prefetch;              /* enum rm_prefetch_mode, as its process said */
	uint32_t served;                /* SERVED_ bits, of one that pages */
	struct rm_wire_attach_reply *pending;   /* reply under preparation, else NULL */
	struct attachment *next;        /* of the client */
};

struct local *local_new(struct context *context, int listener);   /* -1: there is none */
/* Another listener from now on, and connections that came while the worker was leaving. */
void local_listen(struct local *local, int listener, const int *connections, unsigned count);
/* --private: this connection, of a process that no listener has to be there for. */
void local_serve(struct local *local, int connection);
void local_drain(struct local *local);          /* SIGTERM: complete what is lazy */
void local_restore_client(struct local *local, const struct record *record);
void local_restore_attachment(struct local *local, const struct record *record);
/* Is this record of an attachment of another host's publication, and of that one? */
bool local_record_attaches(const struct record *record, const uint8_t id[RM_ID_BYTES]);
void local_restored(struct local *local);       /* all records are back: tell clients RM_RESTARTED */
uint32_t local_clients(struct local *local);
uint32_t local_attachments(struct local *local);
struct attachment *local_attachment(struct local *local, uint64_t number);
/* Counters of the process that holds this attachment, for pager and remote to add to. */
struct rm_counters *local_counters(struct attachment *attachment);
/* Its generation or served has changed: have the keeper know. */
void local_save(struct attachment *attachment);
/* The pidfd of that process, to signal it. */
int local_pidfd(struct attachment *attachment);

#endif
