/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer.h - control between two hosts' rmmapd, on the fabric's messages
 *
 * Every message but two short refusals is sealed with a key that is derived from the publication's
 * secret (libsodium: XChaCha20-Poly1305, BLAKE2b for derivation). So no memory key and no segment
 * table is sent in the clear. A table that does not fit a message is read by fi_read() from memory
 * that holds it sealed.
 *
 * As a server: answers attach requests for the store's publications and registers their layers
 * under keys that only this reader has. It closes them when the reader detaches, does not renew its
 * lease, or when others need the room more. As a client: fetches snapshots and renews their leases.
 *
 * Worker thread only. May allocate with malloc. Callbacks come from the loop, never from inside a
 * call of this interface.
 */
#ifndef RM_PEER_H
#define RM_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../common/handle.h"
#include "../fabric/fabric.h"
#include "../base/context.h"

#define PEER_ADMIT_MAX 64       /* readers that one peer_admit() asks for */

/* Where a part of a layer can be read. */
struct peer_region {
	uint32_t layer;
	bool keyless;                   /* not yet: ask for its key. Then base and key are 0 */
	uint64_t offset, length;        /* in the layer */
	uint64_t base, key;             /* to read position, read at base + (position - offset) */
};

/* Keys that are needed now: of count regions from first on, in the order of the snapshot. */
struct peer_want {
	uint32_t first, count;
};

struct peer_session;                    /* one publication of another host, held by a lease */

/* What attached() gets. It is freed when attached() returns. */
struct peer_snapshot {
	const void *table;              /* not checked yet; aligned to 8 bytes. NULL: it is the
	                                   same as before, and regions have new keys */
	size_t table_size;
	const struct rm_fabric_addr *helper;    /* another reader that has pages; NULL: none */
	const uint8_t *data;            /* all pages with data, one after the other, layer by
	                                   layer; NULL: they have to be read */
	size_t data_size;
	const struct peer_region *regions;      /* whole pages that do not wrap around. The
	                                           receiver checks that the layers have them */
	unsigned region_count;
};

/* Called from the loop, with the arg of peer_attach(). */
struct peer_events {
	/*
	 * The answer to peer_attach(): error 0 and a snapshot, or -ENOENT, -EACCES, -EPROTO,
	 * -EHOSTUNREACH (no answer in 4.5 s), with why. After an error the session is gone.
	 */
	void (*attached)(void *arg, int error, const char *why,
	                 const struct peer_snapshot *snapshot);
	/*
	 * The answer to peer_admit(): error 0 and how many were admitted, at least one and
	 * perhaps not all; or -ENOENT, -EHOSTUNREACH (no answer in 4.5 s), with why. It is not
	 * called if the session ends before: then attached() or lost() is.
	 */
	void (*admitted)(void *arg, int error, const char *why, unsigned count);
	/* The lease is lost: revoked, restarted, or unreachable for long. The session is gone. */
	void (*lost)(void *arg, int error, const char *why);
	/*
	 * These three are called whenever a message to the other host can carry the answer; each
	 * may be NULL. wants(): which keys are needed, the most urgent first; returns their number,
	 * at most most. complete(): is nothing left to be read? Then all keys are given back until
	 * peer_again(). whole(): are all pages here, or being fetched?
	 */
	unsigned (*wants)(void *arg, struct peer_want *wants, unsigned most);
	bool (*complete)(void *arg);
	bool (*whole)(void *arg);
	bool data;                      /* peer_snapshot.data may be used */
};

/* The control on one open fabric, linked into nets. NULL: no memory. */
struct nets;
struct peers *peers_new(struct nets *nets, struct fabric *fabric);
void peers_free(struct peers *peers);
struct fabric *peers_fabric(const struct peers *peers);
void peers_message(void *peers, const void *data, size_t length);       /* fabric_events.message */

/*
 * Ask the handle's host to admit one reader. again: it was admitted by an earlier worker of this
 * host, and is still here. 0 and a session: attached() is called later. Or -errno and why.
 */
int peer_attach(struct peers *peers, const struct rm_handle *handle, bool again,
                const struct peer_events *events, void *arg,
                struct peer_session **session, char *why, size_t why_size);
/*
 * Ask for the same session once more, because reads failed or keys are wanted: the other host's
 * worker may have been replaced, and its keys with it, or it gave up keys to have room for others.
 * attached() is called again.
 */
void peer_again(struct peer_session *session);
/*
 * Ask for count more readers (1 to PEER_ADMIT_MAX) of what this session has or is about to get. One
 * such request at a time: the next one after admitted() was called.
 */
void peer_admit(struct peer_session *session, unsigned count);
struct fabric_peer *peer_of(struct peer_session *session);
void peer_detach(struct peer_session *session);         /* tells the other host; ends the session */

/*
 * This host's own reads find no room to be registered: close the key that other hosts have not
 * asked for in the longest time. False: there is none.
 */
bool peers_make_room(struct peers *peers);

/* ---- pages from another reader's host, which peer_snapshot.helper names ---- */

/* A run of pages to ask for. Embed it; it must stay until granted() or fanout_ask_end(). */
struct fanout_want {
	uint32_t layer, count;          /* count: at most 256 pages */
	uint64_t page;
	/*
	 * error 0: the pages can be read from base on under key, until fanout_ask_done().
	 * -ENODATA: they are not there; -EHOSTUNREACH: no answer in 3 s, or fanout_ask_stop().
	 * Never called from fanout_ask_for().
	 */
	void (*granted)(struct fanout_want *want, int error, uint64_t base, uint64_t key);
	/* fanout_ask.c's own: */
	uint64_t number, deadline;
	struct fanout_want *next;
};

struct fanout_ask;
/* The requests to one helper. NULL: no memory, or an address that cannot be used. */
struct fanout_ask *fanout_ask_new(struct peer_session *session,
                                  const struct rm_fabric_addr *helper);
void fanout_ask_for(struct fanout_ask *ask, struct fanout_want *want);
/* The pages of the want with this number were read: its key is given back. */
void fanout_ask_done(struct fanout_ask *ask, uint64_t number);
/* The helper is of no use: all wants fail, from the loop. */
void fanout_ask_stop(struct fanout_ask *ask);
struct fabric_peer *fanout_ask_peer(struct fanout_ask *ask);
/* Free it; granted() is not called any more. Allowed from inside granted(). */
void fanout_ask_end(struct fanout_ask *ask);

/* remote ends, or this host does not hold it any more: close what others may read of it. */
struct remote;
void fanout_give_drop(struct nets *nets, struct remote *remote);

/* --- handing a publication to another host's rmmapd --- */
struct publication;
struct peer_move;
/* What the publication becomes, and where. */
struct peer_order {
	uint8_t id[RM_ID_BYTES];
	uint8_t secret[RM_SECRET_BYTES];
	const char *host;               /* a numeric address */
	uint16_t port;
};
/* error 0 and the new handle, or -errno and why. The move has been freed. */
typedef void peer_moved(void *arg, int error, const char *text);
/*
 * 0: done() is called later; or -errno and why: -ENOKEY (this host has no move.key), -EINVAL,
 * -EPROTO (an address that this fabric cannot use).
 */
int peer_move(struct peers *peers, struct publication *publication, const struct peer_order *order,
              peer_moved *done, void *arg, struct peer_move **move, char *why, size_t why_size);
/* done() is not called any more; the other host is told to undo the move. */
void peer_move_cancel(struct peer_move *move);
/* Has this host a move.key, so that it has to listen for publications? */
bool peer_takes(struct context *context);

/* The store drops or revokes a publication: close what other hosts have of it. */
void peers_drop(struct nets *nets, struct publication *publication);

#endif
