/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * local.h - processes of this host: the unix socket, requests, attachments
 *
 * A client is a process, known by its pidfd. Its attachments end when the process ends, not when
 * its socket is closed. Worker thread only; allocates.
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

/* The parts that carry out the requests of processes. All of them outlive local/. */
struct local_parts {
	struct store *store;
	struct nets *nets;
	struct remotes *remotes;
};
/* Implemented by worker/. */
struct local_events {
	void *arg;
	void (*client_gone)(void *arg); /* a process has ended; must not call local/ back */
};

/* With listener -1 there is none. NULL: no memory or descriptor. */
struct local *local_new(struct context *context, const struct local_parts *parts,
                        const struct local_events *events, int listener);
/*
 * Replace the listener, and serve connections that came while the worker was leaving. The
 * descriptors become local's.
 */
void local_listen(struct local *local, int listener, const int *connections, unsigned count);
/* --private: serve this connection. The descriptor stays the caller's. */
void local_serve(struct local *local, int connection);
/* SIGTERM came: fetch all pages that attachments lack. Does not wait for them. */
void local_drain(struct local *local);

/* After a restart: clients first, then attachments, then local_restored(). */
void local_restore_client(struct local *local, const struct record *record);
void local_restore_attachment(struct local *local, const struct record *record);
/* True if this is a record of an attachment of that publication, which is another host's. */
bool local_record_attaches(const struct record *record, const uint8_t id[RM_ID_BYTES]);
/* All records are restored: send RM_RESTARTED to the clients, which send their requests again. */
void local_restored(struct local *local);

uint32_t local_clients(struct local *local);            /* number of processes */
uint32_t local_attachments(struct local *local);        /* number of their attachments */
/* Find an attachment of a process of this host by its number. NULL: there is none. */
struct attachment *local_find_attachment(struct local *local, uint64_t number);

#endif
