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

struct attachment;
struct local;
struct nets;
struct remotes;
struct store;

/* What a process of this host can ask for is done by these. */
struct local_parts {
	struct store *store;
	struct nets *nets;
	struct remotes *remotes;
};
struct local_events {
	void *arg;
	void (*client_gone)(void *arg); /* a process ended; called from within local/ */
};

/* listener -1: there is none. NULL: no memory or descriptor. */
struct local *local_new(struct context *context, const struct local_parts *parts,
                        const struct local_events *events, int listener);
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
/* That of a process of this host; NULL: no such attachment. */
struct attachment *local_find_attachment(struct local *local, uint64_t number);

#endif
