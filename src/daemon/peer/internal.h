/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * internal.h - what the files of this room share; only they and their tests include it
 *
 * Worker thread only. May allocate with malloc. README lists the files.
 *
 * A session has a struct peer_session on the reader's host and a struct peer_served on the
 * publisher's. struct peers is the control on one fabric and owns all lists of them; struct nets
 * owns the fabrics.
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
#define PEER_SERVED_MAX 4096    /* sessions that other hosts may hold here */
#define PEER_SERVED_REGIONS_MAX ((uint64_t)4 << 20)     /* their regions; see served_bounds.c */
#define PEER_TRIM 256           /* sessions that end between two calls of malloc_trim() */
#define PEER_BLOBS_MAX ((uint64_t)1 << 30)      /* bytes of sealed tables that wait for readers */
#define PEER_LEAVING_MAX 256    /* detaches that are not acknowledged yet */
#define PEER_BARE_RATE 16       /* refusals without a seal in one second */
#define PEER_BARE_NS (PEER_SECOND / 2)  /* how long such a refusal, or a message that may as well
                                           be lost, may occupy a send buffer */

/* Durations in ns; tests shorten them. retry < room < answer < renew < lost < expire. */
struct peer_times {
	uint64_t retry;         /* an unanswered request is sent again after this */
	uint64_t answer;        /* and given up after this */
	uint64_t renew;         /* between two renewals of a lease */
	uint64_t lost;          /* the reader's side gives up an unanswered lease after this */
	uint64_t expire;        /* the publisher's side ends a lease without a renewal after this */
	uint64_t room;          /* a request for keys waits this long for room for them */
};

/* A sealed message, which can be sent again unchanged. */
struct peer_message {
	uint8_t bytes[FABRIC_MESSAGE_MAX];
	size_t length;
};

/* ---- this host as a reader ---- */

enum session_state {
	SESSION_ASKING,         /* PEER_ATTACH is repeated until it is answered */
	SESSION_FETCHING,       /* the answer names memory: the table is being read */
	SESSION_HELD,           /* the table was handed over; the lease is renewed */
};

struct peer_fetch;

/* Does nobody listen at a peer's port? See probe.c. Embed it, all zeros at first. */
struct peer_probe {
	struct peers *peers;            /* NULL: not started, or stopped */
	struct fabric_peer *peer;       /* the owner of the probe keeps its use of it */
	struct source socket;           /* fd -1: no connect is under way */
	bool waiting;                   /* the socket is in the loop; only with a valid fd */
	struct timer timer;             /* the next connect */
	uint64_t since;                 /* ns: the first refusal; 0: there was none yet */
	void (*refused)(struct peer_probe *probe);      /* may free it after probe_stop() */
};

/* A request that more readers be admitted to what a session has; see session_admit.c. */
struct peer_admission {
	unsigned count;         /* readers; 0: no request is under way */
	uint64_t number;        /* of the request; 0: it gets a new one when it is sent */
	uint64_t until;         /* ns: when it is given up */
	bool renewed;           /* the session was asked for anew because of this request */
	struct timer timer;
};

/* One publication of another host, held by this one. In peers->sessions. */
struct peer_session {
	struct peers *peers;
	struct rm_handle handle;
	struct peer_keys keys;
	struct peer_events events;
	void *arg;
	struct fabric_peer *peer;
	enum session_state state;
	uint64_t number;        /* of the last request of any kind; it only grows */
	uint64_t session;       /* random; with the id it names the session on both hosts */
	uint64_t expected;      /* number of the last attach or renewal: answers must repeat it */
	struct peer_admission admission;
	bool admitted;          /* it was attached once: the next attach is no further reader */
	bool again;             /* asking once more without being told to: a failure is a loss */
	bool tabled;            /* it has a table, so an answer may come without one */
	bool fetched;           /* the last table came by a read: the next renewal says so */
	unsigned fetches;       /* failed reads of the table since this attach began */
	uint64_t asked;         /* ns: when asking began */
	uint64_t answered;      /* ns: the last answer to anything */
	struct timer timer;     /* the next retry or renewal */
	struct peer_probe probe;        /* runs during a first attach only */
	struct peer_fetch *fetch;       /* the read under way; NULL: none */
	struct {                /* pages that came in messages; see session_data.c */
		uint8_t *bytes; /* total of them; NULL if count is 0 */
		uint32_t total;
		uint32_t got;   /* bit i: message i has come; all below bit count */
		uint16_t count; /* messages; 0: none has come */
	} data;
	struct peer_session *next;
};

/* Called with a table that was read, or NULL if it could not be. It may end the session. */
typedef void table_done(struct peer_session *session, const struct peer_snapshot *snapshot);

/* A read of a table. It may outlive its session, since a posted read cannot be taken back. */
struct peer_fetch {
	struct peers *peers;
	struct peer_session *session;   /* whose fetch this is; NULL: nobody wants it any more */
	struct fabric_peer *peer;
	struct fabric_read read;
	struct peer_attached_body body;
	table_done *done;
	uint8_t *memory;
	size_t size;            /* of the mapping: blob and tag */
	struct timer grace_timer;       /* the read failed, but its memory may still be written */
	struct peer_fetch *next;
};

/* A detach that is repeated until the other host acknowledges it; see leave.c. */
struct peer_leaving {
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

/* ---- the fabrics that are open: nets.c ---- */

#define NETS_MAX 4

/* A fabric that is open, and the control on it. */
struct net {
	struct nets *nets;
	struct fabric *fabric;
	struct peers *peers;
	struct fabric_events events;
	struct rdma_watch *watch;       /* of its device; NULL: it has none */
	uint64_t record;                /* the keeper's number of its record; 0: not saved yet */
	char spec[RM_SPEC_MAX];         /* RMMAP_FABRIC when it was opened, or a provider's name */
	bool chosen;                    /* for publications; false: opened only to attach */
	bool down;                      /* its device has no active port */
};

/* All fabrics of this worker. None is closed before the worker ends. */
struct nets {
	struct context *context;
	struct store *store;
	struct nets_events events;
	const struct page_source *source;       /* NULL: nothing is passed on */
	void *source_arg;
	struct peers *first;            /* the list of the control on each open fabric */
	struct peers *current;          /* on the fabric that publications name; NULL: none */
	struct net open[NETS_MAX];      /* the first count of them; they never move */
	unsigned count;
	char why[256];                  /* the last failure of nets_publish() or nets_reach() */
	uint64_t failed_ns;             /* the last failure to open a fabric; 0: there was none. The
	                                   three below are that failure's */
	int failed_error;
	char failed_spec[RM_SPEC_MAX];
	char failed_why[256];
};
/* net's device got an active port (active), or lost the last one: choose the current fabric. */
void net_changed(struct net *net, bool active);

/* The control on one fabric. Each list owns its members; each count is its list's length. */
struct peers {
	struct context *context;
	struct nets *nets;
	struct fabric *fabric;
	struct peers *next;             /* in nets->first */
	struct peer_times times;
	struct peer_session *sessions;
	struct peer_fetch *fetches;
	struct peer_leaving *leaving;
	unsigned leaving_count;
	struct peer_served *served;
	unsigned served_count;
	unsigned ended;         /* served sessions that ended since the last malloc_trim() */
	uint64_t crowded;       /* ns: the last log line that there are too many; 0: none */
	struct peer_move *moves;
	struct incoming_move *incoming_moves;
	void (*take)(struct peers *peers, const void *message,
	             const struct peer_envelope *envelope);
	void (*take_end)(struct peers *peers);
	void *take_arg;         /* remote/take.c sets these three; NULL: nothing is taken */
	struct served_region *newest, *oldest;  /* all registered regions: keys are given up
	                                           from the oldest on */
	uint64_t pressed;       /* ns: the last log line that not all fit; 0: none */
	struct fanout_ask *asks;
	struct fanout_give *gives;
	unsigned give_count;
	uint64_t bare_second;   /* the second in which bare_count was counted */
	unsigned bare_count;
};

/* send.c */
/* As peer_open(); on success callers from the address from are no strangers any more. */
int peer_open_from(const struct rm_fabric_addr *from, const void *message,
                   const struct peer_envelope *envelope, const uint8_t key[PEER_KEY_BYTES],
                   uint8_t *body, size_t *size);
/* The same for a request, whose envelope names the address. */
int peer_open_request(const void *message, const struct peer_envelope *envelope,
                      const uint8_t key[PEER_KEY_BYTES], uint8_t *body, size_t *size);
/* Send, or drop the message if the provider does not take it within patience ns. */
void peer_send(struct peers *peers, struct fabric_peer *peer, const struct peer_message *message,
               uint64_t patience);
/* Seal a request of this host. False: it does not fit. */
bool peer_request(struct peers *peers, enum peer_type type, const uint8_t id[RM_ID_BYTES],
                  uint64_t session, uint64_t number, const uint8_t key[PEER_KEY_BYTES],
                  const void *body, size_t size, struct peer_message *out);

/* leave.c */
/* Tell the other host that the session ends. The caller frees the session. */
void peer_leave(struct peers *peers, struct peer_session *session);
/* The other host has acknowledged a detach, or does not know the publication. */
void leave_answered(struct peers *peers, const struct peer_head *head);
void leaves_free(struct peers *peers);

/* probe.c */
/* Probe until it is stopped. refused() is called at most once, from the loop. */
void probe_start(struct peer_probe *probe, struct peers *peers, struct fabric_peer *peer,
                 void (*refused)(struct peer_probe *probe));
void probe_stop(struct peer_probe *probe);
/* "10.0.0.1:4711 does not answer: ", and what to check. */
void peer_unanswered(const char *host, bool refused, char *why, size_t size);

/* session_state.c */
/* The publisher's host, as fabric_addr_text() writes it. */
void session_host(const struct peer_session *session, char *text, size_t size);
/* Would it take pages in messages? Then it has none yet. */
bool session_small(const struct peer_session *session);

/* session.c */
/* An answer came that no other part has claimed. It may end the session that it is for. */
void session_answer(struct peers *peers, const void *message,
                    const struct peer_envelope *envelope);
void session_free(struct peer_session *session);
/* An answer came in another version of the protocol: the session it is for fails. */
void session_version(struct peers *peers, const struct peer_envelope *envelope);

/* session_admit.c */
/* Is an answer with this number one to the admission? */
bool admit_expects(const struct peer_session *session, uint64_t number);
/* True: the other host does not hold the session, which has to be asked for anew. */
bool admit_answer(struct peer_session *session, enum peer_type type, const uint8_t *body,
                  size_t size);
void admit_held(struct peer_session *session);   /* the session is held, or held again */
void admit_stop(struct peer_session *session);

/* session_table.c */
/* Read the table from the other host. 0: done() is called later; -ENOMEM. */
int fetch_start(struct peer_session *session, const struct peer_attached_body *body,
                table_done *done);
/* The session does not want its fetch any more; done() is not called. */
void fetch_abandon(struct peer_session *session);
/*
 * Decode table and regions in opened memory and hand them to done(). 0: the session may be gone;
 * -EINVAL, -ENOMEM: done() was not called.
 */
int fetch_deliver(struct peer_session *session, const struct peer_attached_body *body,
                  uint8_t *memory, table_done *done);
void fetches_free(struct peers *peers);

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

/* serve.c */
/* A request for a publication of this host came. It is not opened yet. */
void served_request(struct peers *peers, const void *message,
                    const struct peer_envelope *envelope);

/* serve_attach.c */
/* PEER_ATTACH came and was opened. */
void served_attach(struct peers *peers, struct publication *publication,
                   const struct peer_keys *keys, const struct peer_envelope *envelope,
                   const uint8_t *bytes, size_t size);

/* served_data.c */
/* Send all pages in messages. False: they are too many, or cannot be sent now. */
bool data_send(struct peer_served *served, const struct peer_envelope *to);

/* session_data.c */
/* PEER_DATA came and was opened. */
void data_arrived(struct peer_session *session, const uint8_t *bytes, size_t size);
const uint8_t *data_whole(const struct peer_session *session);  /* NULL: parts are missing */
void data_drop(struct peer_session *session);

/* served_helper.c */
/* Choose who passes pages on to a new session. again: it takes the place of an earlier one. */
void helper_choose(struct peer_served *served, bool again);
void helper_forget(struct peer_served *served); /* served ends: it helps nobody any more */

/* fanout_ask.c */
/* True: the answer was for one of peers->asks. */
bool fanout_ask_answer(struct peers *peers, const void *message,
                       const struct peer_envelope *envelope);
void fanout_asks_free(struct peers *peers);

/* fanout_give.c */
/* PEER_PAGES came. It is not opened yet. */
void fanout_give_request(struct peers *peers, const void *message,
                         const struct peer_envelope *envelope);
void fanout_gives_free(struct peers *peers);

/* move_key.c */
/* Derive the keys from move.key. 0; -ENOKEY with why: there is none that can be used. */
int peer_key(const struct context *context, struct peer_keys *keys, char *why, size_t why_size);

/* move.c */
/* PEER_MOVING or PEER_DENIED came. It is not opened yet. */
void move_answer(struct peers *peers, const void *message, const struct peer_envelope *envelope);
/* May this host attach once without being counted, because the publication moves there? */
bool move_admits(struct nets *nets, const struct publication *publication,
                 const uint8_t host[RM_ID_BYTES]);
void moves_free(struct peers *peers);

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

#endif
