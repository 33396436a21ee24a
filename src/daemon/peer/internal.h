/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * internal.h - what the files of this room share; they, their tests and remote/take.c include it
 *
 * Worker thread only. May allocate with malloc. README lists the files.
 *
 * A session has a struct peer_session on the reader's host (session.h) and a struct peer_served on
 * the publisher's (served.h). struct peers is the control on one fabric and owns all lists of them;
 * struct nets owns the fabrics.
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

#endif
