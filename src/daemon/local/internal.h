/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * internal.h - shared by the files of local/, and by no others; README names the files
 *
 * Worker thread only; all of it may allocate, except where a file says that it does not. A request
 * function answers at once, mostly by connection_reply(), or it marks the connection busy and
 * answers later. It never frees a connection or a client. A connection that must go is shut down
 * by connection_fail(), and freed when the loop tells that its other end is closed.
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

struct queued;                          /* connection.c: a message that waits to be sent */
struct incoming_publish;                /* publish.c: a publish whose layers are coming */

/* A request RM_COMPLETE under way. Freed by the last of its parts. */
struct completion {
	struct connection *connection;  /* to answer; NULL: it was closed meanwhile */
	unsigned left;                  /* attachments that are not complete yet, and one more while
	                                   they are asked; the completion exists while it is > 0 */
	int error;                      /* the last error of a part, or 0 */
};

/*
 * One socket of a process. It has at most one request under way. If the request is not answered
 * before its handler returns, the connection is busy, which is while progress is set; or the
 * request is a publish whose layers are still to come.
 */
struct connection {
	struct client *client;          /* whose list it is in; never NULL */
	struct source socket;           /* waits for EPOLLOUT while messages are queued, and is not
	                                   read then; else for EPOLLIN. connection_free() closes
	                                   its fd, of which the keeper has a duplicate */
	uint64_t record;                /* number of its RECORD_CLIENT; names it in other records */
	struct queued *first, *last;    /* messages to send, oldest first; last is valid if first is */
	unsigned queued;                /* length of that list: <= QUEUE_MAX */
	struct incoming_publish *publish;       /* from RM_PUBLISH until it is answered; or NULL */
	struct completion *completion;  /* RM_COMPLETE under way, or NULL */
	struct peer_move *move;         /* RM_MOVE under way, or NULL */
	struct timer progress;          /* sends RM_PROGRESS every second; set while busy */
	struct timer stuck;             /* ends the connection; set while messages are queued */
	uint64_t seq;                   /* of the request under way, while busy */
	uint64_t latest;                /* of the last request that came */
	bool unread;                    /* at least one message to this client was not delivered, or
	                                   its socket was closed with messages unread */
	struct connection *next;        /* of the client */
};

/*
 * A process. It exists from its first connection until the process ends, which the pidfd tells,
 * even if it closes all its sockets before.
 */
struct client {
	struct local *local;
	uint32_t pid;                   /* 0: it is in a pid namespace that is not visible here */
	struct source pidfd;            /* readable when the process has ended; closed by
	                                   client_end(), the attachments only name it */
	uint64_t record;                /* number of its RECORD_CLIENT */
	struct process_counters *counters;      /* never NULL; reads under way refer to it, too */
	struct connection *connections; /* all of its sockets */
	struct local_attachment *attachments;   /* all that it has attached, or waits for */
	struct held_layers holding;     /* layers of its last publication: see store/layers.h */
	struct client *next;
};

/* The data of RECORD_CLIENT: of a process, or of a socket of one. */
struct client_record {
	uint64_t client;                /* of a socket: its process's record; of a process: 0 */
	uint32_t pid;                   /* of the process */
	uint32_t reserved;
};

/* Implemented by requests.c, called by connection.c. No function frees the connection. */
struct connection_events {
	/*
	 * A request came whose version and size are right, and the connection is not busy. The
	 * descriptors become the callee's.
	 */
	void (*request)(struct connection *connection, const void *message, const int *fds,
	                unsigned count);
	/* A message of another version came. */
	void (*other_version)(struct connection *connection, const struct rm_wire *head);
	/*
	 * A message came whose descriptors could not be received, since this process has too many.
	 * True: it was answered. Else the connection is closed.
	 */
	bool (*no_fds)(struct connection *connection, const struct rm_wire *head);
	/* The other end is closed: end the attachments that were asked for through this socket. */
	void (*hung_up)(struct connection *connection);
	/* The connection is about to be freed: cancel all that would answer through it. */
	void (*closing)(struct connection *connection);
};

/* An attachment of a process of this host. The part that other rooms know is a member of it. */
struct local_attachment {
	struct attachment attachment;   /* for remote/ and pager/ */
	struct client *client;          /* whose list it is in; never NULL */
	struct publication *publication;        /* a publication of this host, which counts this
	                                           attachment; NULL: attachment.remote is set */
	uint8_t id[RM_ID_BYTES];        /* of the publication */
	uint64_t connection, seq;       /* the RM_ATTACH that made it: the connection's record and
	                                   the number. The same request again gets it again */
	struct connection *waiting;     /* busy with that request until remote_attach() is done;
	                                   NULL: it was answered */
	uint32_t mode;                  /* enum rm_attach_mode; valid once it was answered */
	struct local_attachment *next;  /* of the client */
	uint32_t admitted;              /* of a publication of this host: how many readers had been
	                                   admitted, with this one, for store_readmit() */
};

#define REFUSALS_MAX 4

/* A connection that is only told that there are no descriptors: see shortage.c. */
struct refusal {
	struct local *local;
	struct source socket;           /* fd -1: this refusal is free */
	struct timer timer;             /* closes the connection if RM_HELLO does not come */
};

/* All processes of this host. There is one, built by worker/, and never freed. */
struct local {
	struct context *context;
	struct store *store;            /* these three are the constructor's arguments */
	struct nets *nets;
	struct remotes *remotes;
	struct local_events events;
	const struct connection_events *requests;       /* local_requests: connection.c calls up */
	struct source listener;         /* fd -1: there is none (--private) */
	struct timer accept_again;      /* set while no descriptor is left and the listener is not
	                                   watched */
	uint64_t told_ns;               /* when the log last said so; 0: never */
	struct refusal refusals[REFUSALS_MAX];
	int spares[REFUSALS_MAX];       /* descriptors that are open only to be closed when no other
	                                   is left; -1: closed for the refusal of that index */
	struct client *clients;
	uint32_t client_count;          /* length of that list */
	uint32_t attachment_count;      /* of all clients */
	struct rm_counters ended;       /* sum of the counters of processes that have ended */
};

/* ---- attachment.c ---- */

/* Add an attachment with a new number to the client's. NULL: no memory. */
struct local_attachment *attachment_new(struct client *client);
/* Record it with the keeper, or record what has changed. */
void attachment_save(struct local_attachment *held);
/* End it in whatever state it is, delete its record, and free it. */
void attachment_end(struct local_attachment *held);
struct local_attachment *attachment_find(struct client *client, uint64_t number);

/* ---- client.c ---- */

/* The pidfd becomes the client's. NULL: no memory, and the pidfd stays the caller's. */
struct client *client_new(struct local *local, uint32_t pid, int pidfd, uint64_t record);
/* The process has ended: end its attachments and connections, and free it. */
void client_end(struct client *client);
/* Serve a new connection. Finds or makes its client; fd is closed if it cannot be served. */
void connection_take(struct local *local, int fd);
void counters_add(struct rm_counters *sum, const struct rm_counters *more);

/* ---- listen.c ---- */

/* Start to accept connections. With listener -1 there is none. 0 or -errno. */
int listen_init(struct local *local, int listener);

/* ---- shortage.c ---- */

void shortage_init(struct local *local);
/* Open the spare descriptors that are missing, as far as possible. */
void shortage_refill(struct local *local);
/* Accept a connection in the place of a spare, and refuse it. False: none was accepted. */
bool shortage_accept(struct local *local);
/* True if this errno means that this process, or the host, can have no more descriptors. */
bool shortage_is(int error);
/* Tell this connection that there are no descriptors. fd is closed, now or later. */
void shortage_refuse(struct local *local, int fd);

/* ---- connection.c ---- */

/* NULL: no memory or descriptor, and fd stays the caller's. */
struct connection *connection_new(struct client *client, int fd, uint64_t record);
/* Close the socket and delete its record. Only for connection.c and client_end(). */
void connection_free(struct connection *connection);
/* Shut the socket down. The loop tells of that later, and then the connection is freed. */
void connection_fail(struct connection *connection);
/* Fill in the head and send the message, or queue it. The descriptors stay the caller's. */
void connection_send(struct connection *connection, void *message, size_t size, uint16_t type,
                     uint64_t seq, const int *fds, unsigned count);
/* Text of a reply: WHY, and for -ENOMEM the limit of rmmapd that may be the cause. */
void connection_why(char text[RM_TEXT_MAX], int error, const char *why);
/* Send RM_REPLY; error is 0 or -errno. */
void connection_reply(struct connection *connection, uint64_t seq, int error, const char *text);
/* This request is answered later: send RM_PROGRESS every second until connection_idle(). */
void connection_busy(struct connection *connection, uint64_t seq);
void connection_idle(struct connection *connection);    /* nothing happens if it is not busy */

/* ---- publish.c: the request functions own the descriptors that came with the message ---- */

void request_publish(struct connection *connection, const void *message, const int *fds,
                     unsigned count);
void request_layers(struct connection *connection, const void *message, const int *fds,
                    unsigned count);
/*
 * Descriptors of a message could not be received: refuse the publish under way. False: there is
 * none.
 */
bool publish_no_fds(struct connection *connection);
/* Drop the publish under way, without an answer. Nothing happens if there is none. */
void publish_forget(struct connection *connection);
void request_unpublish(struct connection *connection, const void *message);
/* Find the publication of this host that a handle, or a short id, names. 0 or -errno and why. */
int publication_named(struct local *local, const char *name, struct publication **out,
                      const char **why);

/* ---- move.c ---- */

void request_move(struct connection *connection, const void *message);
/* The connection is closed: cancel its move, if there is one. */
void move_forget(struct connection *connection);

/* ---- upstream.c: layers of other hosts' publications that a new publication refers to ---- */

struct upstream;
typedef void upstream_done(void *arg, int error);
/*
 * Find those of the request's known layers that are in caches of other hosts' publications. 0 and
 * *out (NULL: there are none), or -ENOMEM.
 */
int upstream_new(struct client *client, const struct rm_wire_publish *request, int table_fd,
                 struct upstream **out);
/*
 * Fetch what is absent of these layers. After done() with error 0 they are layers of this host, and
 * stay so at least until upstream_free(). done() is called once, maybe before this returns, and
 * may free the upstream.
 */
void upstream_start(struct upstream *upstream, upstream_done *done, void *arg);
/* Cancels it if it is under way: done() is not called then. NULL is fine. */
void upstream_free(struct upstream *upstream);

/* ---- attach.c, lazy.c: request_lazy() owns the descriptors that came with the message ---- */

void request_attach(struct connection *connection, const void *message);
void request_lazy(struct connection *connection, const void *message, const int *fds,
                  unsigned count);
void request_complete(struct connection *connection, const void *message);
void request_prefetch(struct connection *connection, const void *message);
void request_detach(struct connection *connection, const void *message);
/* The other end of a connection is closed: complete or end the attachments that came by it. */
void attach_connection_gone(struct connection *connection);
/* After a restart: the same for the connections that were closed before it. */
void attach_restored(struct client *client);

/* ---- info.c ---- */

void request_info(struct connection *connection, const void *message);

/* ---- requests.c ---- */

extern const struct connection_events local_requests;

#endif
