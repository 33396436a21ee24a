/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session.h - this host as a reader: its sessions on other hosts, for the files of this room
 *
 * Worker thread only. May allocate with malloc.
 */
#ifndef RM_PEER_SESSION_H
#define RM_PEER_SESSION_H

#include "internal.h"

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

/* session_data.c */
/* PEER_DATA came and was opened. */
void data_arrived(struct peer_session *session, const uint8_t *bytes, size_t size);
const uint8_t *data_whole(const struct peer_session *session);  /* NULL: parts are missing */
void data_drop(struct peer_session *session);

#endif
