/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * served.h - this host as a publisher: what other hosts hold here, for the files of this room
 * and remote/take.c
 *
 * Worker thread only. May allocate with malloc.
 */
#ifndef RM_PEER_SERVED_H
#define RM_PEER_SERVED_H

#include "internal.h"

/* A part of a layer, as one session may read it. !wire.keyless: registered, and in the list. */
struct served_region {
	struct peer_region wire;        /* base and key are 0 while it is keyless */
	struct fabric_region region;
	struct peer_served *served;
	uint64_t since;                 /* ns: when it was registered, or asked for again */
	struct served_region *older, *newer;    /* from peers->oldest to newest: of all sessions */
};

/* A PEER_ATTACH that registers memory, in several turns of the loop; see served_keys.c. */
struct peer_granting {
	bool active;                    /* it is not answered yet */
	struct timer timer;             /* the next turn */
	uint64_t since;                 /* ns: when it came */
	struct peer_envelope to;        /* only its head is set: whom to answer */
	struct peer_want wants[PEER_WANTS_MAX];
	unsigned want_count;            /* 0: all regions, as far as there is room */
	unsigned want;                  /* index of the want that is worked on */
	uint32_t next;                  /* the next region: of all, or of that want */
	uint32_t granted;               /* wanted regions that have their key; <= PEER_KEYS_MAX */
};

/* One publication of this host, held by one other host. In peers->served, the newest first. */
struct peer_served {
	struct peer_served *helper;     /* who passes pages on to it; NULL: nobody */
	unsigned helped;                /* sessions whose helper this is */
	bool whole;                     /* it has all pages, or is fetching them */
	bool heard;                     /* a further request came after the first one */
	uint8_t network[16];            /* its address's: fabric_network() */
	uint8_t address_length, address[RM_FABRIC_NAME_MAX];
	struct peers *peers;
	struct publication *publication;
	uint8_t host[RM_ID_BYTES];
	struct peer_keys keys;
	uint64_t session;               /* chosen by the reader's host */
	uint64_t number;                /* of the last attach or renewal taken; it only grows */
	uint64_t first;                 /* number of the request that made the session */
	uint64_t admit_number;          /* of the last PEER_ADMIT taken */
	uint32_t admit_count;           /* readers that it admitted */
	struct served_region *regions;  /* region_count of them, in the order of the layers */
	uint32_t region_count;
	struct peer_granting granting;
	uint8_t *blob;          /* table and regions, sealed, until the reader has them; or NULL */
	size_t blob_size;
	struct fabric_region blob_region;
	uint8_t blob_nonce[PEER_NONCE_BYTES];
	struct timer expiry;
	struct peer_served *next;
};

/* served.c */
/* In words, why an attach is refused. */
const char *served_refusal(int error);
void served_free_all(struct peers *peers);
/* Answer the request that to is the envelope of. keys NULL: the type is not sealed. */
void served_reply(struct peers *peers, const struct peer_envelope *to, enum peer_type type,
                  const struct peer_keys *keys, const void *body, size_t size);
struct peer_part {
	size_t size;
	uint8_t body[PEER_BODY_MAX];
};
/*
 * Send sealed messages that may as well be lost. True: all are sent; false: none is, because others
 * would have no room then. A host that cannot be reached holds their buffers for a short time.
 */
bool served_gift(struct peers *peers, const struct peer_envelope *to, enum peer_type type,
                 const struct peer_keys *keys, const struct peer_part *parts, unsigned count);
/* Without a seal, and at most PEER_BARE_RATE in a second. */
void served_reply_bare(struct peers *peers, const struct peer_envelope *to, enum peer_type type);
void served_refuse(struct peers *peers, const struct peer_envelope *to,
                   const struct peer_keys *keys, int error, const char *text);
struct peer_served *served_find(struct peers *peers, const struct publication *publication,
                                uint64_t session);
void served_renewed(struct peer_served *served);        /* the lease begins anew */
void served_expire(struct timer *timer);        /* the expiry timer's fire() */
/* Close its keys and free it. The caller lowers the store's count. */
void served_free(struct peer_served *served);
/* The same, and lower the store's count: the publication may be gone after this. */
void served_end(struct peer_served *served);

/* serve_attach.c */
/* PEER_ATTACH came and was opened. */
void served_attach(struct peers *peers, struct publication *publication,
                   const struct peer_keys *keys, const struct peer_envelope *envelope,
                   const uint8_t *bytes, size_t size);

/* served_data.c */
/* Send all pages in messages. False: they are too many, or cannot be sent now. */
bool data_send(struct peer_served *served, const struct peer_envelope *to);

/* served_helper.c */
/* Choose who passes pages on to a new session. again: it takes the place of an earlier one. */
void helper_choose(struct peer_served *served, bool again);
void helper_forget(struct peer_served *served); /* served ends: it helps nobody any more */

/* served_bounds.c */
/*
 * Is there room for a new session, which takes the place of old if that is not NULL? 0: there is,
 * perhaps because other sessions were ended; -EAGAIN: there is not.
 */
int bounds_hold(struct peer_served *served, const struct peer_served *old);

/* served_keys.c */
int grant_map(struct stored_layer *layer);     /* set layer->map: once for all readers */
/* Make the session's regions, without keys. 0 or -errno; grant_close() on failure too. */
int grant_open(struct peer_served *served);
/*
 * Register what served->granting asks for, for a short time. 0: it may be answered; -EAGAIN: call
 * again at *when; -ENOMEM: no room was found in the time that it may wait; or another -errno.
 */
int grant_step(struct peer_served *served, uint64_t *when);
/* Encode the wanted regions that have a key, at most most of them. Returns their count. */
uint32_t grant_wanted(const struct peer_served *served, uint8_t *memory, uint32_t most);
void grant_release(struct peer_served *served); /* close all its keys */
void grant_close(struct peer_served *served);

/* served_blob.c */
/* Encode table and regions into memory of size (peer_blob_size()) bytes that are zeros. */
void grant_fill(const struct peer_served *served, uint8_t *memory, size_t size);
/* Make the sealed table, readable under a key of its own. 0 or -errno; 0 if it exists. */
int grant_blob(struct peer_served *served, size_t size);
void grant_blob_close(struct peer_served *served);

/* serve.c */
/* A request for a publication of this host came. It is not opened yet. */
void served_request(struct peers *peers, const void *message,
                    const struct peer_envelope *envelope);

#endif
