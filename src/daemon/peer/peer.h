/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer.h - control between two hosts' rmmapd, on the fabric's messages
 *
 * Every message but "no such publication" is sealed with a key derived from the
 * publication's secret (libsodium XChaCha20-Poly1305; BLAKE2b for derivation),
 * so neither a memory key nor a segment table leaves without it. A table that
 * does not fit a message is read by fi_read out of memory that holds it sealed.
 *
 * As a server: answers attach requests for the store's publications, registers
 * their layers under keys of that reader's own, closes them when it detaches or
 * has not renewed its lease, or when the room is needed and others want it more. As a client: fetches snapshots and renews them.
 * Worker thread only.
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

struct peer_region {                    /* where a part of a layer can be read */
	uint32_t layer;
	bool keyless;                   /* it cannot yet: its key is to be asked for */
	uint64_t offset, length;        /* in the layer */
	uint64_t base, key;             /* read at base + (position - offset) */
};

/* Keys that are needed now: of so many regions, in the order of the snapshot, from this one on. */
struct peer_want {
	uint32_t first, count;
};

struct peer_session;                    /* one publication of another host, held by a lease */

struct peer_snapshot {                  /* handed to peer_attached; freed after it returns */
	const void *table;              /* not checked yet, 8-byte aligned; NULL: it is the same
	                                   as before, and these regions have their keys now */
	size_t table_size;
	const struct rm_fabric_addr *helper;    /* another reader that has pages; NULL: none */
	const uint8_t *data;            /* all pages with data, one after the other, layer by
	                                   layer; NULL: they are to be read */
	size_t data_size;
	const struct peer_region *regions;      /* checked: inside layers of the table or not
	                                           is the receiver's to check */
	unsigned region_count;
};

struct peer_events {
	/*
	 * The answer to peer_attach(): error 0 and a snapshot, or -ENOENT, -EACCES, -EPROTO,
	 * -EHOSTUNREACH (no answer in 4.5 s), with why. After an error the session is gone.
	 */
	void (*attached)(void *arg, int error, const char *why, const struct peer_snapshot *snapshot);
	/*
	 * The answer to peer_admit(): error 0 and how many were admitted, at least one and
	 * perhaps not all; or -ENOENT, -EHOSTUNREACH (no answer in 4.5 s), with why. Not called
	 * if the session ends before: then attached() or lost() tells.
	 */
	void (*admitted)(void *arg, int error, const char *why, unsigned count);
	/* The other host no longer has the lease (revoked, restarted, or unreachable for long). */
	void (*lost)(void *arg, int error, const char *why);
	/*
	 * Asked whenever a message to the other host can say it; both may be NULL. Which keys are
	 * needed, the most urgent first: how many there are of at most that many. And whether
	 * nothing is left to be read: then no key is, until it is asked for again.
	 */
	unsigned (*wants)(void *arg, struct peer_want *wants, unsigned most);
	bool (*complete)(void *arg);
	bool (*whole)(void *arg);       /* are all pages here, or being fetched? NULL: no */
	bool data;                      /* peer_snapshot.data is welcome */
};

/* One for each fabric that is open: they are linked from the nets. */
struct nets;
struct peers *peers_new(struct nets *nets, struct fabric *fabric);
void peers_free(struct peers *peers);
struct fabric *peers_fabric(const struct peers *peers);
void peers_message(void *peers, const void *data, size_t length);       /* fabric_events.message */

/*
 * Ask the handle's host for one reader to be admitted; again: an earlier worker of this host
 * was, for those who still have it. 0 and a session: attached() will be called, later.
 * Or -errno and why.
 */
int peer_attach(struct peers *peers, const struct rm_handle *handle, bool again,
                const struct peer_events *events, void *arg,
                struct peer_session **session, char *why, size_t why_size);
/*
 * The same session once more, after reads failed or because keys are wanted: the other host's
 * worker may have been replaced and its keys with it, or it gave keys up to have room for
 * others. attached() is called again.
 */
void peer_again(struct peer_session *session);
/*
 * Ask for count more readers (1 to PEER_ADMIT_MAX) of what this session has or is about to
 * get. One such question at a time: not before admitted() was called.
 */
void peer_admit(struct peer_session *session, unsigned count);
struct fabric_peer *peer_of(struct peer_session *session);
void peer_detach(struct peer_session *session);         /* tells the other host; ends the session */

/*
 * This host's own reads find no room to be registered: give up what other hosts may read and
 * have not asked for in longest. False: there is nothing.
 */
bool peers_make_room(struct peers *peers);
/* ---- pages from another reader's host, which peer_snapshot.helper names ---- */

struct peer_ask {                      /* embed it; it stays until granted() or the asker's end */
	uint32_t layer, count;          /* count: at most 256 */
	uint64_t page;
	/*
	 * 0: they can be read from base on under key, until peer_asked(). -ENODATA: they are
	 * not there; -EHOSTUNREACH: no answer in 3 s, or peer_asker_stop(). Never called from
	 * peer_ask().
	 */
	void (*granted)(struct peer_ask *want, int error, uint64_t base, uint64_t key);
	/* peer_asker.c's: */
	uint64_t number, deadline;
	struct peer_ask *next;
};

struct peer_asker;
/* NULL: no memory, or an address that cannot be used. */
struct peer_asker *peer_asker_new(struct peer_session *session, const struct rm_fabric_addr *helper);
void peer_ask(struct peer_asker *asker, struct peer_ask *want);
void peer_asked(struct peer_asker *asker, uint64_t number);    /* what this granted was read */
void peer_asker_stop(struct peer_asker *asker); /* it is no good: all wants fail, soon */
struct fabric_peer *peer_asker_peer(struct peer_asker *asker);
void peer_asker_end(struct peer_asker *asker);  /* no granted() any more */

/* It goes, or its host does not hold it any more: close what others may read of it. */
struct remote;
void peers_relay_drop(struct nets *nets, struct remote *remote);

/* --- handing a publication to another host's rmmapd --- */
struct publication;
struct peer_move;
struct peer_order {                     /* what is to become of it */
	uint8_t id[RM_ID_BYTES];
	uint8_t secret[RM_SECRET_BYTES];
	const char *host;               /* an address in numbers */
	uint16_t port;
};
/* error 0 and the new handle, or -errno and why. The move is over, and may not be looked at. */
typedef void peer_moved(void *arg, int error, const char *text);
/*
 * 0: done() will be called, later; or -errno and why: -ENOKEY (this host has no move.key),
 * -EINVAL, -EPROTO (no address of this fabric's kind).
 */
int peer_move(struct peers *peers, struct publication *publication, const struct peer_order *order,
              peer_moved *done, void *arg, struct peer_move **move, char *why, size_t why_size);
/* done() is not called any more; the other host is told. */
void peer_move_cancel(struct peer_move *move);
/* Does this host take publications, by move.key? Then it has to listen for them. */
bool peer_takes(struct context *context);

/* The store drops a publication, or revokes it: close what other hosts have of it. */
void peers_drop(struct nets *nets, struct publication *publication);

#endif
