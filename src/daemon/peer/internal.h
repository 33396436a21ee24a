/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer_internal.h - what peer*.c share; only they and their test include it
 *
 * Worker thread only. May allocate with malloc.
 *
 *   peer.c          messages in and out, detaching
 *   peer_client.c   sessions that this host holds on other hosts
 *   peer_admit.c    more readers of what such a session has
 *   peer_fetch.c    a table that did not fit a message
 *   peer_server.c   what other hosts hold here
 *   peer_attach.c   how they come to it
 *   peer_grant.c    and what each of them may read
 *   peer_bounds.c   and how much all of them may hold
 *   peer_move.c     a publication that is handed to another host
 *   peer_take.c     and one that is taken from another host
 *   peer_key.c      what two such hosts have in common
 *   peer_data.c     the pages of a small one, in messages
 *   peer_helpers.c  which of them is sent to which other one for its pages
 *   peer_asker.c    pages asked of another reader's host
 *   peer_relay.c    and passed on to one
 */
#ifndef RM_PEER_INTERNAL_H
#define RM_PEER_INTERNAL_H

#include "pages.h"
#include "nets.h"
#include "../../common/channel.h"
#include "../base/loop.h"
#include "peer.h"
#include "wire.h"
#include "../store/store.h"
#include "../base/container.h"

#define PEER_SECOND 1000000000ull
#define PEER_SERVED_MAX 4096    /* sessions that other hosts may hold here, */
#define PEER_SERVED_REGIONS_MAX ((uint64_t)4 << 20)     /* and their regions: see peer_bounds.c */
#define PEER_TRIM 256           /* sessions that ended, until memory is given back */
#define PEER_BLOBS_MAX ((uint64_t)1 << 30)      /* bytes of sealed tables waiting to be read */
#define PEER_LEAVING_MAX 256    /* detaches still to be acknowledged */
#define PEER_BARE_RATE 16       /* refusals without a seal, in a second */
#define PEER_BARE_NS (PEER_SECOND / 2)  /* and how long each may occupy a send buffer, and a
                                           message that may as well be lost */

struct peer_times {             /* ns; a test makes them short */
	uint64_t retry;         /* a request is sent again */
	uint64_t answer;        /* and given up */
	uint64_t renew;         /* between renewals */
	uint64_t lost;          /* unanswered for so long: the lease is gone */
	uint64_t expire;        /* the publisher's side waits so long for a renewal */
	uint64_t room;          /* and somebody who wants keys, so long for room for them */
};

struct peer_message {           /* a request as sent, to be sent again unchanged */
	uint8_t bytes[FABRIC_MESSAGE_MAX];
	size_t length;
};

/* ---- this host as a reader ---- */

enum session_state { SESSION_ASKING, SESSION_FETCHING, SESSION_HELD };

struct peer_fetch;

struct peer_probe {             /* is there nobody? See peer_probe.c */
	struct peers *peers;            /* NULL: not started, or stopped */
	struct fabric_peer *peer;
	struct source socket;           /* its fd is -1 where no connect is under way, */
	bool waiting;                   /* and it is the loop's while one is */
	struct timer timer;             /* the next connect */
	uint64_t since;                 /* refused since then; 0: it was not yet */
	void (*refused)(struct peer_probe *probe);      /* may free it, after probe_stop() */
};

struct peer_more {              /* the question whether so many more readers are admitted */
	unsigned count;         /* 0: none is under way */
	uint64_t number;        /* of the request; 0: it gets a new one when it is sent */
	uint64_t until;
	bool renewed;           /* the session was asked for anew on its account */
	struct timer timer;
};

struct peer_session {
	struct peers *peers;
	struct rm_handle handle;
	struct peer_keys keys;
	struct peer_events events;
	void *arg;
	struct fabric_peer *peer;
	enum session_state state;
	uint64_t number, session;       /* number: of the last request of any kind */
	uint64_t expected;      /* of the last attach or renewal: an answer must be to that */
	struct peer_more more;
	bool admitted;          /* attached once: the next attach is not one more reader */
	bool again;             /* asking once more on our own account: failure is a loss */
	bool tabled;            /* it has a table: an answer may have none */
	bool fetched;           /* the last table came by a read: tell with the next renewal */
	unsigned fetches;       /* failed reads of the table in this attach */
	uint64_t asked;         /* when asking began */
	uint64_t answered;      /* the last answer to anything */
	struct timer timer;     /* the next retry or renewal */
	struct peer_probe probe;        /* of a first attach */
	struct peer_fetch *fetch;
	struct {                /* what has come of its pages, see peer_data.c */
		uint8_t *bytes;
		uint32_t total, got;    /* got: a bit for each message */
		uint16_t count;         /* 0: none has come */
	} data;
	struct peer_session *next;
};

/* A table that was read, and may end the session; NULL: it could not be read. */
typedef void table_done(struct peer_session *session, const struct peer_snapshot *snapshot);

struct peer_fetch {             /* outlives its session: a read cannot be taken back */
	struct peers *peers;
	struct peer_session *session;   /* NULL: nobody wants it any more */
	struct fabric_peer *peer;
	struct fabric_read read;
	struct peer_attached_body body;
	table_done *done;
	uint8_t *memory;
	size_t size;            /* of the mapping: blob and tag */
	struct timer linger;    /* the read failed, but may still be written */
	struct peer_fetch *next;
};

struct peer_leaving {           /* a detach under way */
	struct peers *peers;
	struct fabric_peer *peer;
	uint8_t id[RM_ID_BYTES];
	uint64_t session;
	uint64_t until;
	struct timer timer;
	struct peer_message message;
	struct peer_leaving *next;
};

/* ---- this host as a publisher ---- */

struct served_region {
	struct peer_region wire;
	struct fabric_region region;
	struct peer_served *served;
	uint64_t since;                 /* registered, or asked for again */
	struct served_region *older, *newer;    /* while registered: of all sessions' */
};

struct peer_granting {          /* a request that registers, part by part, in several turns */
	bool active;
	struct timer timer;             /* the next turn */
	uint64_t since;
	struct peer_envelope to;        /* its head: whom to answer */
	struct peer_want wants[PEER_WANTS_MAX];
	unsigned want_count;            /* 0: everything, as far as there is room */
	unsigned want;                  /* the next of them, */
	uint32_t next;                  /* the next region, from the beginning or of that want, */
	uint32_t granted;               /* and how many of the wanted have their key */
};

struct peer_served {            /* one publication held by one other host */
	struct peer_served *helper;     /* who passes pages on to it; NULL: nobody, or gone */
	unsigned helped;                /* how many it passes pages on to */
	bool whole;                     /* it has all pages, or will have */
	bool heard;                     /* another request came of it than the first */
	uint8_t network[16];            /* of its address: fabric_network() */
	uint8_t address_length, address[RM_FABRIC_NAME_MAX];
	struct peers *peers;
	struct publication *publication;
	uint8_t host[RM_ID_BYTES];
	struct peer_keys keys;
	uint64_t session, number;       /* number: of the last request taken */
	uint64_t first;                 /* and of the one that made it */
	uint64_t more_number;           /* the last PEER_ADMIT taken, */
	uint32_t more_count;            /* and how many it was granted */
	struct served_region *regions;
	uint32_t region_count;
	struct peer_granting granting;
	uint8_t *blob;          /* table and regions, sealed, until the reader has them */
	size_t blob_size;
	struct fabric_region blob_region;
	uint8_t blob_nonce[PEER_NONCE_BYTES];
	struct timer expiry;
	struct peer_served *next;
};

/* ---- the fabrics that are open: nets.c ---- */

#define NETS_MAX 4

struct net {                            /* a fabric that is open, and the control on it */
	struct nets *nets;
	struct fabric *fabric;
	struct peers *peers;
	struct fabric_events events;
	struct rdma_watch *watch;       /* of its device; NULL: it has none */
	uint64_t record;                /* keeper's number */
	char spec[RM_SPEC_MAX];         /* RMMAP_FABRIC as it was when it was opened */
	bool chosen;                    /* for publications; else only to attach with */
	bool down;                      /* no port of its device is active */
};

struct nets {
	struct context *context;
	struct store *store;
	struct nets_events events;
	const struct page_source *source;       /* NULL: nothing is passed on */
	void *source_arg;
	struct peers *first;            /* of all fabrics that are open */
	struct peers *current;          /* on the one that publications name; NULL: none */
	struct net open[NETS_MAX];
	unsigned count;
	char why[256];                  /* why nets_publish() or nets_reach() failed last */
	uint64_t failed_ns;             /* when a fabric could not be opened last; 0: never */
	int failed_error;
	char failed_spec[RM_SPEC_MAX];
	char failed_why[256];
};
/* A device has an active port again, or none any more: which fabric do publications name? */
void net_changed(struct net *net, bool active);

struct peers {
	struct context *context;
	struct nets *nets;
	struct fabric *fabric;
	struct peers *next;             /* on the next fabric that is open */
	struct peer_times times;
	struct peer_session *sessions;
	struct peer_fetch *fetches;
	struct peer_leaving *leaving;
	unsigned leaving_count;
	struct peer_served *served;
	unsigned served_count;
	unsigned ended;         /* sessions, since memory was given back */
	uint64_t crowded;       /* when it was last told that they are too many; 0: never */
	struct peer_move *moves;
	struct incoming_move *incoming_moves;
	void (*take)(struct peers *peers, const void *message,
	             const struct peer_envelope *envelope);
	void (*take_end)(struct peers *peers);
	void *take_arg;                 /* these three by remote/take.c; NULL: nothing is taken */
	struct served_region *newest, *oldest;  /* registered */
	uint64_t pressed;       /* when it was last told that they do not all fit; 0: never */
	struct peer_asker *askers;
	struct peer_relay *relays;
	unsigned relay_count;
	uint64_t bare_second;   /* the second in which bare_count was counted */
	unsigned bare_count;
};

/* send.c */
/* As peer_open(), and who calls from where the message is of is known from then on. */
int peer_open_from(const struct rm_fabric_addr *from, const void *message,
                   const struct peer_envelope *envelope, const uint8_t key[PEER_KEY_BYTES],
                   uint8_t *body, size_t *size);
/* The same of a request, which says where it is of. */
int peer_open_request(const void *message, const struct peer_envelope *envelope,
                      const uint8_t key[PEER_KEY_BYTES], uint8_t *body, size_t *size);
/* A message that cannot be sent in that time is as good as lost on the way. */
void peer_send(struct peers *peers, struct fabric_peer *peer, const struct peer_message *message,
               uint64_t patience);
bool peer_request(struct peers *peers, enum peer_type type, const uint8_t id[RM_ID_BYTES],
                  uint64_t session, uint64_t number, const uint8_t key[PEER_KEY_BYTES],
                  const void *body, size_t size, struct peer_message *out);

/* leave.c */
void peer_leave(struct peers *peers, struct peer_session *session);
/* The other host has heard of it, or has nothing to hear of. */
void leave_answered(struct peers *peers, const struct peer_head *head);
void leaves_free(struct peers *peers);

/* probe.c */
/* From now on, until it is stopped; refused() is called once at most, never from here. */
void probe_start(struct peer_probe *probe, struct peers *peers, struct fabric_peer *peer,
                 void (*refused)(struct peer_probe *probe));
void probe_stop(struct peer_probe *probe);
/* "10.0.0.1:4711 does not answer: ", and what to look at. */
void peer_unanswered(const char *host, bool refused, char *why, size_t size);

/* session_state.c */
void session_host(const struct peer_session *session, char *text, size_t size);
/* It has no page, and would take them in messages. */
bool session_small(const struct peer_session *session);

/* session.c */
void session_answer(struct peers *peers, const void *message,
                    const struct peer_envelope *envelope);
void session_free(struct peer_session *session);
/* A bare answer in another version of the protocol. */
void session_version(struct peers *peers, const struct peer_envelope *envelope);

/* peer_admit.c */
bool more_expects(const struct peer_session *session, uint64_t number);
/* True: it is not held over there, and has to be asked for anew. */
bool more_answer(struct peer_session *session, enum peer_type type, const uint8_t *body,
                 size_t size);
void more_held(struct peer_session *session);   /* the session is held (again): go on */
void more_stop(struct peer_session *session);

/* session_table.c; done() is not called from fetch_start() */
int fetch_start(struct peer_session *session, const struct peer_attached_body *body,
                table_done *done);
void fetch_abandon(struct peer_session *session);
/* Take table and regions out of opened memory and hand them to done(). */
int fetch_deliver(struct peer_session *session, const struct peer_attached_body *body,
                  uint8_t *memory, table_done *done);
void fetches_free(struct peers *peers);

/* served.c */
const char *served_refusal(int error);
void served_free_all(struct peers *peers);
void served_reply(struct peers *peers, const struct peer_envelope *to, enum peer_type type,
                  const struct peer_keys *keys, const void *body, size_t size);
/*
 * Sealed messages that may as well be lost: all are sent, or, since there is not room for that
 * and more, none. A host that cannot be reached holds their buffers for a short time only.
 */
struct peer_part {
	size_t size;
	uint8_t body[PEER_BODY_MAX];
};
bool served_gift(struct peers *peers, const struct peer_envelope *to, enum peer_type type,
                 const struct peer_keys *keys, const struct peer_part *parts, unsigned count);
/* Without a seal, and only so many a second. */
void served_reply_bare(struct peers *peers, const struct peer_envelope *to, enum peer_type type);
void served_refuse(struct peers *peers, const struct peer_envelope *to,
                   const struct peer_keys *keys, int error, const char *text);
struct peer_served *served_find(struct peers *peers, const struct publication *publication,
                                uint64_t session);
void served_renewed(struct peer_served *served);        /* its lease begins anew */
void served_expire(struct timer *timer);
void served_free(struct peer_served *served);   /* the store's count is for the caller to lower */
void served_end(struct peer_served *served);    /* after which its publication may be gone */

/* serve.c */
void served_request(struct peers *peers, const void *message,
                    const struct peer_envelope *envelope);

/* serve_attach.c */
void served_attach(struct peers *peers, struct publication *publication,
                   const struct peer_keys *keys, const struct peer_envelope *envelope,
                   const uint8_t *bytes, size_t size);

/* served_data.c */
bool data_send(struct peer_served *served, const struct peer_envelope *to);    /* false: too much */

/* session_data.c */
void data_arrived(struct peer_session *session, const uint8_t *bytes, size_t size);
const uint8_t *data_whole(const struct peer_session *session);  /* NULL: some are missing */
void data_drop(struct peer_session *session);

/* peer_helpers.c */
void helper_choose(struct peer_served *served, bool again);
void helper_forget(struct peer_served *served); /* it ends: nobody is sent to it any more */

/* peer_asker.c */
bool asker_answer(struct peers *peers, const void *message, const struct peer_envelope *envelope);
void askers_free(struct peers *peers);

/* peer_relay.c */
void relay_request(struct peers *peers, const void *message, const struct peer_envelope *envelope);
void relays_free(struct peers *peers);

/* peer_key.c: 0; -ENOKEY: there is no move.key, or it is not to be used: why says the rest */
int peer_key(const struct context *context, struct peer_keys *keys, char *why, size_t why_size);

/* peer_move.c */
void move_answer(struct peers *peers, const void *message, const struct peer_envelope *envelope);
/* The host that takes this publication is let in once beside those who count. */
bool move_admits(struct nets *nets, const struct publication *publication,
                 const uint8_t host[RM_ID_BYTES]);
void moves_free(struct peers *peers);

/* served_bounds.c */
/*
 * It is new, and takes the place of old if that is not NULL: 0, perhaps after others were ended
 * for it; -EAGAIN: there is no room for it.
 */
int bounds_hold(struct peer_served *served, const struct peer_served *old);

/* served_keys.c */
int grant_map(struct stored_layer *layer);     /* layer->map, mapped once for all readers */
int grant_open(struct peer_served *served);     /* no key yet; close it on failure too */
/*
 * Register what granting says, for a while: 0, it may be answered; -EAGAIN, more is to be done,
 * at *when; -ENOMEM, there is no room, and it was waited for; or another reason.
 */
int grant_step(struct peer_served *served, uint64_t *when);
/* Regions into memory of count * PEER_REGION_BYTES: those wanted that have a key; their count. */
uint32_t grant_wanted(const struct peer_served *served, uint8_t *memory, uint32_t most);
void grant_release(struct peer_served *served); /* its keys, all of them */
void grant_close(struct peer_served *served);

/* served_blob.c */
/* Table and regions into memory of peer_blob_size() bytes, which are zeros. */
void grant_fill(const struct peer_served *served, uint8_t *memory, size_t size);
/* Sealed as a whole, readable under a key of its own until the reader says it has it. */
int grant_blob(struct peer_served *served, size_t size);
void grant_blob_close(struct peer_served *served);

#endif
