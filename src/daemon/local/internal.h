/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * internal.h - what the files of local/ share
 *
 *   local.c        all of it, and what is restored
 *   listen.c       the listener
 *   shortage.c     connections while no descriptor is left
 *   requests.c     what a connection brings: the table of requests
 *   publish.c      RM_PUBLISH and its RM_LAYERS; RM_UNPUBLISH
 *   upstream.c     layers of other hosts' publications that one of this host refers to
 *   attach.c       RM_ATTACH, RM_DETACH
 *   lazy.c         RM_LAZY, RM_COMPLETE, RM_PREFETCH
 *   info.c         RM_LIST, RM_STAT, RM_INFO, RM_STATS
 *   move.c         RM_MOVE
 *   client.c       a process
 *   attachment.c   what it has attached
 *   connection.c   one socket of it: messages in, replies out, never waiting
 *
 * Worker thread only. A request function answers with connection_reply() or marks
 * the connection busy and answers later. None frees a connection or a client: a
 * connection that must go is shut down and goes when the loop says so.
 */
#ifndef RM_LOCAL_INTERNAL_H
#define RM_LOCAL_INTERNAL_H

#include "../peer/nets.h"
#include "../remote/attachment.h"
#include "../../common/channel.h"
#include "../../common/say.h"
#include "local.h"
#include "../base/loop.h"
#include "../store/store.h"
#include "../base/container.h"

#define NO_FDS_TEXT "rmmapd has no descriptors left: unpublish something, or raise its limit " \
	"(ulimit -n, LimitNOFILE=)"

struct queued;                          /* connection.c: a message that did not fit yet */
struct gather;                          /* local_publish.c: a publish whose layers are coming */

struct completion {                     /* RM_COMPLETE under way */
	struct connection *connection;  /* NULL: nobody waits for it any more */
	unsigned left;
	int error;
};

struct connection {
	struct client *client;
	struct source socket;
	uint64_t record;
	struct queued *first, *last;
	unsigned queued;
	struct gather *gather;
	struct completion *completion;
	struct peer_move *move;         /* under way */
	struct timer progress;          /* runs while busy */
	struct timer stuck;             /* runs while something is queued */
	uint64_t seq;                   /* of the request under way */
	uint64_t latest;                /* of the last request that came */
	bool deaf;                      /* something sent to it was not, or will not be, read */
	struct connection *next;        /* of the client */
};

struct client {                         /* a process */
	struct local *local;
	uint32_t pid;                   /* 0: of a pid namespace that we do not see */
	struct source pidfd;
	uint64_t record;
	struct process_counters *counters;
	struct connection *connections;
	struct local_attachment *attachments;
	struct held_layers holding;         /* of its last publication */
	struct client *next;
};

struct client_record {                  /* data of RECORD_CLIENT: a process or a socket of one */
	uint64_t client;                /* a socket: whose; a process: 0 */
	uint32_t pid;
	uint32_t reserved;
};

/* What is done with a connection by the rest of local/: requests.c. */
struct connection_events {
	/* A request of a version and size that are right; its descriptors are the callee's. */
	void (*request)(struct connection *connection, const void *message, const int *fds,
	                unsigned count);
	/* A message of another version. */
	void (*other_version)(struct connection *connection, const struct rm_wire *head);
	/* A message's descriptors did not fit into this process. True: it was answered. */
	bool (*no_fds)(struct connection *connection, const struct rm_wire *head);
	/* The other end is closed: what was asked or attached through it may end. */
	void (*hung_up)(struct connection *connection);
	/* It is about to be freed: forget what it has under way. */
	void (*closing)(struct connection *connection);
};

struct local_attachment {               /* an attachment of a process of this host */
	struct attachment attachment;   /* what remote/ and pager/ need of it */
	struct client *client;
	struct publication *publication;        /* of this host; NULL: attachment.remote is set */
	uint8_t id[RM_ID_BYTES];        /* of the publication */
	uint64_t connection, seq;       /* the request that made it, should it be sent again */
	struct connection *waiting;     /* for remote_attach(), or NULL */
	uint32_t mode;                  /* enum rm_attach_mode */
	struct local_attachment *next;  /* of the client */
	uint32_t admitted;              /* readers of the publication of this host, with this one */
};

#define REFUSALS_MAX 4

struct refusal {                        /* a connection that is only told why */
	struct local *local;
	struct source socket;           /* fd -1: this one is free */
	struct timer timer;             /* until then */
};

struct local {
	struct context *context;
	struct store *store;
	struct nets *nets;
	struct remotes *remotes;
	struct local_events events;
	const struct connection_events *requests;
	struct source listener;
	struct timer accept_again;      /* after EMFILE */
	uint64_t told_ns;               /* when that was last logged; 0: never */
	struct refusal refusals[REFUSALS_MAX];
	int spares[REFUSALS_MAX];       /* open for nothing, to be had when no other is; or -1 */
	struct client *clients;
	uint32_t client_count, attachment_count;
	struct rm_counters ended;       /* of processes that are gone */
};

/* ---- attachment.c ---- */
struct local_attachment *attachment_new(struct client *client);
void attachment_save(struct local_attachment *held);
void attachment_end(struct local_attachment *held);         /* and free it */
struct local_attachment *attachment_find(struct client *client, uint64_t number);

/* ---- client.c ---- */
/* A process, known by this pidfd, which becomes the client's. NULL: no memory; it stays yours. */
struct client *client_new(struct local *local, uint32_t pid, int pidfd, uint64_t record);
void client_end(struct client *client);
void connection_take(struct local *local, int fd);      /* of whoever it is; closed if not served */
void counters_add(struct rm_counters *sum, const struct rm_counters *more);

/* ---- listen.c ---- */
int listen_init(struct local *local, int listener);     /* -1: there is none. 0 or -errno */

/* ---- shortage.c ---- */
void short_init(struct local *local);
void short_refill(struct local *local);         /* have spares again, as far as possible */
/* Accept one by a spare, to tell it that there is none. False: nobody was accepted. */
bool short_accept(struct local *local);
bool short_of(int error);       /* this process, or the host, may have no more descriptors */
/* Tell this one that there is none, and close it: the descriptor is taken in any case. */
void short_refuse(struct local *local, int fd);

/* ---- connection.c ---- */
struct connection *connection_new(struct client *client, int fd, uint64_t record);
void connection_free(struct connection *connection);    /* and its record */
void connection_fail(struct connection *connection);    /* shut it down; it goes later */
/* Fill in the head and send or queue; descriptors stay the caller's. */
void connection_send(struct connection *connection, void *message, size_t size, uint16_t type,
                     uint64_t seq, const int *fds, unsigned count);
/* RM_REPLY; error as -errno or 0. */
/* For a reply: why, and what of rmmapd's limits has to do with that error. */
void connection_why(char text[RM_TEXT_MAX], int error, const char *why);
void connection_reply(struct connection *connection, uint64_t seq, int error, const char *text);
void connection_busy(struct connection *connection, uint64_t seq);      /* RM_PROGRESS from now on */
void connection_idle(struct connection *connection);

/* ---- requests: descriptors are theirs ---- */
void request_publish(struct connection *connection, const void *message, const int *fds,
                     unsigned count);
void request_layers(struct connection *connection, const void *message, const int *fds,
                    unsigned count);
/* Descriptors did not fit into this process: refuse the publish under way, if there is one. */
bool publish_no_fds(struct connection *connection);
void publish_forget(struct connection *connection);
void request_unpublish(struct connection *connection, const void *message);
/* The publication of this host that a handle, or a short id, names. 0 or -errno and why. */
int publication_named(struct local *local, const char *name, struct publication **out,
                      const char **why);

void request_move(struct connection *connection, const void *message);
void move_forget(struct connection *connection);        /* whoever asked is gone */

/*
 * Those of the request's known layers that lie in caches of other hosts' publications: 0 and
 * *out (NULL: there are none), or -ENOMEM. Once done() said 0 they are held as layers of this
 * host until upstream_free(). done() may be called before upstream_start() returns, and may
 * free it.
 */
struct upstream;
typedef void upstream_done(void *arg, int error);
int upstream_new(struct client *client, const struct rm_wire_publish *request, int table_fd,
                 struct upstream **out);
void upstream_start(struct upstream *upstream, upstream_done *done, void *arg);
void upstream_free(struct upstream *upstream);  /* under way or not, NULL or not */

void request_attach(struct connection *connection, const void *message);
void request_lazy(struct connection *connection, const void *message, const int *fds,
                  unsigned count);
void request_complete(struct connection *connection, const void *message);
void request_prefetch(struct connection *connection, const void *message);
void request_detach(struct connection *connection, const void *message);
void attach_connection_gone(struct connection *connection);
void attach_restored(struct client *client);    /* the same of what went before a restart */

void request_info(struct connection *connection, const void *message);

/* ---- requests.c ---- */
extern const struct connection_events local_requests;

#endif
