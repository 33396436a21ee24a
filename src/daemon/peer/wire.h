/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire.h - the bytes of the messages between two hosts' rmmapd
 *
 * Everything is little-endian. A message is an envelope:
 *
 *    0  magic u32, version u8, type u8, reserved u16 (0)
 *    8  publication id (16)
 *   24  session u64: the reader's side chooses it at random
 *   32  number u64: grows with each request of a session; a reply repeats it
 *   40  length of the address u8, reserved (7, 0)
 *   48  the sender's fabric address: in requests only, since a refusal needs it
 *       before the request can be opened
 *    .  nonce (24), ciphertext and tag: absent in PEER_GONE and PEER_DENIED
 *
 * Everything before the nonce is authenticated together with the ciphertext. Keys are derived from
 * the publication's secret, one for each direction.
 *
 *   reader's side                    publisher's side
 *   PEER_ATTACH                  ->
 *                                <-  PEER_ATTACHED, PEER_REFUSED (sealed),
 *                                    PEER_GONE (no such publication), PEER_DENIED (its
 *                                    secret does not open the request). If few pages have
 *                                    data and the reader wants them: PEER_DATA before
 *                                    PEER_ATTACHED
 *   PEER_RENEW                   ->
 *                                <-  PEER_RENEWED, PEER_NOT_HELD, or PEER_GONE
 *   PEER_ADMIT: more readers     ->
 *                                <-  PEER_ADMITTED, PEER_REFUSED, PEER_NOT_HELD, or
 *                                    PEER_GONE
 *   PEER_DETACH                  ->
 *                                <-  PEER_DETACHED or PEER_GONE
 *
 * A host hands a publication to another one. The other host does not know its secret, so these are
 * sealed with keys that are derived from the file move.key, which both hosts have:
 *
 *   PEER_MOVE, MOVE_ASK          ->
 *                                <-  PEER_MOVING, MOVE_READY and a number that it chose
 *   PEER_MOVE, MOVE_GO, the number, the handle ->
 *                                <-  PEER_MOVING: MOVE_FETCHING, MOVE_FAILED, or MOVE_DONE
 *                                    and the new handle (MOVE_READY: it has forgotten)
 *   PEER_MOVE, MOVE_UNDO         ->
 *                                <-  PEER_MOVING, MOVE_FAILED. PEER_DENIED answers any of these
 *
 *   reader's side                    another reader's side, which passes its pages on
 *   PEER_PAGES                   ->
 *                                <-  PEER_GRANTED, or PEER_GONE
 *
 * The first 48 bytes and the address are the same in every version. A host that gets a request of
 * another version answers PEER_GONE in its own, so that the sender learns both numbers.
 *
 * Pure: no globals, no allocation; any thread may call. Opening and decoding are fuzzed. Encoders
 * trust their input, which this host made.
 */
#ifndef RM_PEER_WIRE_H
#define RM_PEER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../common/handle.h"
#include "../../common/layout.h"
#include "../fabric/fabric.h"
#include "peer.h"

#define PEER_MAGIC 0x31504d52u          /* "RMP1" */
#define PEER_VERSION 5
#define PEER_KEY_BYTES 32
#define PEER_NONCE_BYTES 24
#define PEER_TAG_BYTES 16
#define PEER_HEAD_BYTES 48
/* What fits into a message beside the longest envelope. */
#define PEER_BODY_MAX \
	(FABRIC_MESSAGE_MAX - PEER_HEAD_BYTES - RM_FABRIC_NAME_MAX - PEER_NONCE_BYTES - \
	 PEER_TAG_BYTES)
#define PEER_REGION_BYTES 40
#define PEER_REGIONS_MAX (1u << 20)
#define PEER_TABLE_MAX ((uint64_t)512 << 20)
#define PEER_TEXT_MAX 200
#define PEER_WANTS_MAX 32       /* ranges of regions in one PEER_ATTACH */
#define PEER_KEYS_MAX 64        /* regions in the answer to that */
#define PEER_DONE_MAX 16        /* keys given back by one PEER_PAGES */
#define PEER_PAGES_MAX 256      /* pages wanted by one PEER_PAGES */
#define PEER_DATA_MAX (64u * 4096)      /* bytes of all pages that come in PEER_DATA */
#define PEER_PARTS_MAX 14       /* messages PEER_DATA for one attach; < 32: see session_data.c */
#define PEER_PARTS_LEFT 8       /* messages to the same host that must still have room */

enum peer_type {
	PEER_ATTACH = 1, PEER_RENEW, PEER_ADMIT, PEER_DETACH, PEER_PAGES,       /* requests */
	PEER_ATTACHED, PEER_REFUSED, PEER_RENEWED, PEER_NOT_HELD, PEER_ADMITTED, PEER_DETACHED,
	PEER_GRANTED,
	PEER_GONE, PEER_DENIED,                         /* not sealed */
	PEER_MOVE, PEER_MOVING,                         /* a request, its answer */
	PEER_DATA,
	PEER_TYPES = PEER_DATA,
};

/* One key for each direction. To be cleared by sodium_memzero(). */
struct peer_keys {
	uint8_t request[PEER_KEY_BYTES];
	uint8_t reply[PEER_KEY_BYTES];
};

/* The envelope's head, without what is the same in all messages. */
struct peer_head {
	enum peer_type type;
	uint8_t id[RM_ID_BYTES];
	uint64_t session, number;
	uint8_t address_length;         /* 0 in replies */
	uint8_t address[RM_FABRIC_NAME_MAX];
};

/* An envelope taken apart. Its pointers point into the message. */
struct peer_envelope {
	struct peer_head head;
	uint8_t version;
	size_t head_size;               /* authenticated bytes before the nonce */
	const uint8_t *nonce, *cipher;  /* NULL if not sealed */
	size_t cipher_size;             /* tag included */
};

struct peer_attach_body {               /* PEER_ATTACH */
	uint8_t host[RM_ID_BYTES];      /* the reader's host: it has one session */
	bool again;                     /* this reader was admitted before */
	bool whole;                     /* it will have all pages, and can pass them on */
	bool small;                     /* it has no page, and takes PEER_DATA */
	unsigned want_count;            /* > 0: it has the table, and needs these keys */
	struct peer_want wants[PEER_WANTS_MAX];
};

/*
 * PEER_ATTACHED: table and regions follow inline, or are read, sealed, from memory. If the reader
 * has the table and wants keys: table_size is 0, and some of the wanted regions follow inline.
 */
struct peer_attached_body {
	uint64_t table_size;
	uint32_t region_count;
	bool is_inline;
	uint64_t base, key;             /* where the sealed table is */
	uint8_t nonce[PEER_NONCE_BYTES]; /* with which it was sealed */
	const uint8_t *data;            /* inline: peer_inline_size() bytes */
	uint8_t helper_length;          /* the address of a host with these pages; 0: none */
	uint8_t helper[RM_FABRIC_NAME_MAX];
};
#define PEER_ATTACHED_MAX (16 + RM_FABRIC_NAME_MAX)     /* before what is inline */

struct peer_refused_body {              /* PEER_REFUSED */
	uint32_t error;                 /* a positive errno */
	char text[PEER_TEXT_MAX];
};

struct peer_renew_body {                /* PEER_RENEW */
	bool have_table;                /* the sealed table may be freed */
	bool complete;                  /* nothing will be read: all keys may be closed */
};

struct peer_admit_body {                /* PEER_ADMIT, PEER_ADMITTED */
	uint32_t count;                 /* wanted, admitted: 1 to PEER_ADMIT_MAX */
};

enum peer_step {
	MOVE_ASK = 1, MOVE_GO, MOVE_UNDO,
	MOVE_READY, MOVE_FETCHING, MOVE_DONE, MOVE_FAILED,
};

struct peer_move_body {                 /* PEER_MOVE */
	enum peer_step step;            /* MOVE_ASK to MOVE_UNDO */
	struct rm_terms terms;          /* of the publication to be */
	uint64_t challenge;             /* MOVE_GO: as in MOVE_READY */
	uint64_t bytes;                 /* of data */
	uint8_t id[RM_ID_BYTES];        /* of the publication to be */
	uint8_t secret[RM_SECRET_BYTES];
	char handle[RM_HANDLE_TEXT_MAX]; /* MOVE_GO: where it is now */
};

struct peer_moving_body {               /* PEER_MOVING */
	enum peer_step step;            /* MOVE_READY to MOVE_FAILED */
	uint32_t error;                 /* MOVE_FAILED: a positive errno */
	uint64_t challenge;             /* MOVE_READY: the MOVE_GO that follows must repeat it */
	uint64_t left;                  /* MOVE_FETCHING: pages */
	uint8_t host[RM_ID_BYTES];      /* who will fetch it */
	char text[RM_HANDLE_TEXT_MAX];  /* MOVE_DONE: the handle; MOVE_FAILED: why */
};

struct peer_pages_body {                /* PEER_PAGES */
	uint32_t layer, count;          /* count 0: nothing is wanted */
	uint64_t page;
	bool leave;                     /* nothing will be wanted any more */
	uint32_t done_count;            /* numbers of earlier PEER_PAGES whose keys may be closed */
	uint64_t done[PEER_DONE_MAX];
};

struct peer_granted_body {              /* PEER_GRANTED */
	bool here;                      /* false: it does not have all of these pages */
	uint64_t base, key;             /* of the first of them */
};

struct peer_data_body {                 /* PEER_DATA, checked; points into the body */
	uint32_t total;                 /* bytes of all pages */
	uint16_t index, count;          /* this is message index of count */
	const uint8_t *runs;
	size_t size;
};

bool peer_type_sealed(enum peer_type type);
bool peer_type_request(enum peer_type type);
void peer_keys_derive(const uint8_t secret[RM_SECRET_BYTES], struct peer_keys *keys);

/*
 * Write an envelope around body, sealed with key unless the type is not sealed. Returns the length
 * of the message; 0: it does not fit into FABRIC_MESSAGE_MAX.
 */
size_t peer_seal(const struct peer_head *head, const uint8_t key[PEER_KEY_BYTES],
                 const void *body, size_t body_size, uint8_t message[FABRIC_MESSAGE_MAX]);

/*
 * Take a message apart without opening it. 0; -EPROTO: it is of another version, and *out has that
 * and the head; -EINVAL.
 */
int peer_parse(const void *message, size_t length, struct peer_envelope *out);
/* Open it. body has room for FABRIC_MESSAGE_MAX; *size is set. 0 or -EBADMSG. */
int peer_open(const void *message, const struct peer_envelope *envelope,
              const uint8_t key[PEER_KEY_BYTES], uint8_t *body, size_t *size);

/* Bodies. Encoders return the length written, at most PEER_BODY_MAX; decoders 0 or -EINVAL. */
size_t peer_put_attach(const struct peer_attach_body *in, uint8_t *out);
int peer_get_attach(const uint8_t *body, size_t size, struct peer_attach_body *out);
size_t peer_put_attached(const struct peer_attached_body *in, uint8_t *out);
int peer_get_attached(const uint8_t *body, size_t size, struct peer_attached_body *out);
size_t peer_put_refused(const struct peer_refused_body *in, uint8_t *out);
int peer_get_refused(const uint8_t *body, size_t size, struct peer_refused_body *out);
size_t peer_put_renew(const struct peer_renew_body *in, uint8_t *out);
int peer_get_renew(const uint8_t *body, size_t size, struct peer_renew_body *out);
size_t peer_put_admit(const struct peer_admit_body *in, uint8_t *out);
int peer_get_admit(const uint8_t *body, size_t size, struct peer_admit_body *out);
size_t peer_put_move(const struct peer_move_body *in, uint8_t *out);
int peer_get_move(const uint8_t *body, size_t size, struct peer_move_body *out);
size_t peer_put_moving(const struct peer_moving_body *in, uint8_t *out);
int peer_get_moving(const uint8_t *body, size_t size, struct peer_moving_body *out);
size_t peer_put_pages(const struct peer_pages_body *in, uint8_t *out);
int peer_get_pages(const uint8_t *body, size_t size, struct peer_pages_body *out);
size_t peer_put_granted(const struct peer_granted_body *in, uint8_t *out);
/*
 * Encode as much of data from *at on as fits one message. Returns its length, and moves *at on, up
 * to total at the end. When all messages exist, peer_number_data() numbers each.
 */
size_t peer_put_data(const uint8_t *data, uint32_t total, uint32_t *at, uint8_t *out);
void peer_number_data(uint8_t *out, uint16_t index, uint16_t count);
int peer_get_data(const uint8_t *body, size_t size, struct peer_data_body *out);
/* Copy the pages into data: in->total bytes, which are zeros at first. */
void peer_take_data(const struct peer_data_body *in, uint8_t *data);
int peer_get_granted(const uint8_t *body, size_t size, struct peer_granted_body *out);

/*
 * The size of a block with the table, padded to a multiple of 8, and the regions. 0: beyond the
 * limits. Sealed, it has PEER_TAG_BYTES more.
 */
size_t peer_blob_size(uint64_t table_size, uint32_t region_count);
/* The same; with table_size 0 the size of the regions alone, of which there is at least one. */
size_t peer_inline_size(uint64_t table_size, uint32_t region_count);
void peer_put_region(const struct peer_region *in, uint8_t out[PEER_REGION_BYTES]);
/*
 * 0; -EINVAL: not whole pages, it wraps around, or it is keyless and has a key. Whether the layer
 * has these pages, the receiver checks.
 */
int peer_get_region(const uint8_t in[PEER_REGION_BYTES], struct peer_region *out);
/* Seal in place: memory has room for size + PEER_TAG_BYTES. Also authenticates the session. */
void peer_blob_seal(uint8_t *memory, size_t size, uint64_t session,
                    const uint8_t key[PEER_KEY_BYTES], const uint8_t nonce[PEER_NONCE_BYTES]);
/* Open in place; size is without the tag. 0; -EBADMSG. */
int peer_blob_open(uint8_t *memory, size_t size, uint64_t session,
                   const uint8_t key[PEER_KEY_BYTES], const uint8_t nonce[PEER_NONCE_BYTES]);

#endif
