/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * internal.h - what the files of this room share; no other room includes it
 *
 * Worker thread only. May allocate with malloc.
 *
 * struct fabric is the endpoint, with all lists. Each other host's address is a struct
 * fabric_peer. Whatever libfabric works on is a struct fabric_op: a posted receive, a message being
 * sent, or a piece of a read. Completions lead back to the op through its context.
 *
 * Errors of libfabric are negative errno values (-FI_EAGAIN is -EAGAIN); some have no errno
 * counterpart and only appear with fi_strerror().
 */
#ifndef RM_FABRIC_INTERNAL_H
#define RM_FABRIC_INTERNAL_H

#include "../base/container.h"          /* before libfabric, which has its own container_of */

#include <netinet/in.h>
#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>

#include "fabric.h"
#include "poll_time.h"

#define FABRIC_API FI_VERSION(1, 17)
#define FABRIC_MR_MODES \
	(FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY | FI_MR_ENDPOINT)

/* Messages. */
#define FABRIC_RECEIVES 32      /* receive buffers that are posted */
#define FABRIC_SENDS 128        /* messages on their way, to all peers together */
#define FABRIC_SENDS_LEFT 64    /* of those, kept for messages that cannot be done without */
#define FABRIC_PEER_SENDS 32    /* of those, to one peer: a stopped one must not starve others */

/* Addresses. */
#define FABRIC_IDLE_PEERS 64    /* unused addresses that stay, so that their connections do */
#define FABRIC_PEER_IDLE_NS UINT64_C(30000000000) /* three renewals: then an RDMA peer is gone */
#define FABRIC_PEER_STUCK_NS UINT64_C(5000000000) /* given-up pieces of a peer, and none ended */

/* Reads. */
#define FABRIC_PIECE ((size_t)1 << 20)  /* bytes of one fi_read() at most */
#define FABRIC_PEER_PIECES 32   /* pieces under way from one peer */
#define FABRIC_PIECES 512       /* pieces under way from all: the completion queue must hold them */
#define FABRIC_RESPITES 10      /* how often a read's deadline may be put off: */
#define FABRIC_MOVED_NS UINT64_C(2000000000) /* to this long after the peer's last piece, */
#define FABRIC_LATE_NS UINT64_C(100000000) /* or, if this host looked this late at the time, */
#define FABRIC_GRACE_NS UINT64_C(1000000000) /* by this much */

/* Registrations that reads go into. */
#define FABRIC_LOCALS 640       /* those of all pieces under way, and some for later reads */
#define FABRIC_IDLE ((size_t)16 << 20)  /* bytes of those without a piece under way */

#define FABRIC_CQ_SIZE 1024     /* > FABRIC_RECEIVES + FABRIC_SENDS + FABRIC_PIECES */
#define FABRIC_RETRY_NS 1000000 /* after EAGAIN, if nothing else wakes the poller */

enum fabric_op_kind { FABRIC_RECEIVE, FABRIC_SEND, FABRIC_PIECE_READ };

/* Memory registered for reads to go into, where the provider demands it (FI_MR_LOCAL). */
struct fabric_local {
	struct fid_mr *mr;
	uintptr_t start;
	size_t length;
	unsigned users;                 /* pieces under way into it; it is closed only at 0 */
	struct fabric_local *next, *prev;       /* in fabric->locals: the newest first */
};

/* One operation of libfabric. Its context comes back in the completion. */
struct fabric_op {
	struct fi_context2 context;     /* the provider's while it is posted (FI_CONTEXT*); it must
	                                   be first: the pointer to it is the pointer to the op */
	enum fabric_op_kind kind;       /* never changes after the first use */
	struct fabric_peer *peer;       /* of a send or a piece; NULL: the op is free */
	struct fabric_op *next, *prev;  /* in one list: peer->posted (with prev), peer->again,
	                                   fabric->queue, free_sends or free_pieces */
	void *data;
	size_t length;                  /* of a piece: [data, data + length) may still be written */

	/* Messages. */
	uint64_t deadline;              /* of a send: dropped if not posted by then */
	bool posted;                    /* the provider has it */

	/* Pieces. */
	struct fabric_read *read;       /* NULL: the read was given up, and nobody waits for it */
	struct fabric_local *local;     /* counted in its users; NULL: nothing was registered */
};

/*
 * The address of another endpoint. It is freed only if nobody uses it and nothing is under way
 * (users, first, pieces and sends are all zero).
 */
struct fabric_peer {
	struct rm_fabric_addr name;
	fi_addr_t address;              /* FI_ADDR_NOTAVAIL: not inserted */
	unsigned users;                 /* fabric_peer() minus fabric_peer_put() */
	unsigned sends;                 /* messages queued or posted; <= FABRIC_PEER_SENDS */
	unsigned posted_sends;          /* those of them that the provider has; <= sends */
	unsigned pieces;                /* the length of the list posted */
	uint64_t idle_since;            /* ns: when it became unused; kept for devices only */
	uint64_t moved;                 /* ns: when a piece of it last arrived; 0: none did */
	uint64_t stuck_since;           /* ns: a piece was given up then and none has ended since;
	                                   0: no such piece */
	bool broken;                    /* an operation failed: insert the address anew */
	bool heard;                     /* it has answered something: fabric_peer_hear() */
	bool stalled;                   /* the provider returned EAGAIN in this round */
	struct fabric_read *first, *last; /* unfinished reads: in the order of asking, but for those
	                                     that overtook others of low priority */
	struct fabric_read *cursor;     /* the first of them with pieces left to post; all before it
	                                   have none; NULL: none has */
	struct fabric_op *posted;       /* pieces under way */
	struct fabric_op *again;        /* pieces to be posted once more; each has a read, which
	                                   counts it as outstanding */
	struct fabric_peer *next;
};

struct fabric {
	struct loop *loop;
	struct fabric_events events;
	struct fi_info *info;           /* fi_getinfo()'s answer: decides about modes and limits */
	struct fid_fabric *net;
	struct fid_domain *domain;
	struct fid_av *av;
	struct fid_cq *cq;
	struct fid_ep *ep;
	struct rm_fabric_addr addr;     /* ours, as handles name it */

	/* Polling and sleeping: see fabric.c. */
	struct poller poller;
	struct source wait;             /* the queue's descriptor; fd -1: it has none that works */
	struct timer timer;             /* wakes the poller for deadlines and retries */
	struct poll_time poll_time;
	uint64_t active_until;          /* ns: poll until then without sleeping */
	uint64_t retry_at;              /* ns: try what got EAGAIN again; UINT64_MAX: nothing did */
	uint64_t idle_at;               /* ns: look at idle and stuck peers; UINT64_MAX: none are */
	uint64_t next_deadline;         /* ns: <= that of each unfinished read; UINT64_MAX: none */
	bool armed;                     /* fi_trywait() agreed, so the descriptor firing means a
	                                   completion */
	bool woken;                     /* it fired while armed */
	bool quiet;                     /* it has not fired since, and the queue was not read */
	bool asked;                     /* poll before sleeping: something is to be posted or due */

	/* Reads. */
	struct fabric_peer *peers;      /* the newest first */
	unsigned pieces;                /* under way: the sum over all peers */
	size_t piece_size;              /* <= FABRIC_PIECE, and what the provider allows */
	uint64_t read_calls;
	struct fabric_op *free_pieces;  /* kept for the next piece */
	struct fabric_read *finished, **finished_end;   /* done() is still to be called for these;
	                                                   they are in no peer's list any more */

	/* Registrations. */
	size_t registered;              /* bytes: of all regions and locals */
	struct fabric_local *locals, *oldest_local;
	unsigned local_count;           /* their number; if > FABRIC_LOCALS, all have users */
	size_t idle;                    /* bytes of the locals without users */

	/* Messages. */
	void *slab;                     /* all buffers: one mapping, made at opening */
	struct fabric_region slab_region;
	struct fabric_op receives[FABRIC_RECEIVES];
	struct fabric_op sends[FABRIC_SENDS];
	struct fabric_op *free_sends;
	unsigned sending;               /* sends not in free_sends: the sum over all peers */
	struct fabric_op *queue, **queue_end;   /* sends not posted yet, in order */
	unsigned receive_count;         /* receives in use: what the provider takes at once */
	unsigned unposted_receives;     /* those of them that it did not take: tried again */
};

/*
 * The result of posting a send or a read; -FI_EAGAIN means try later. ofi_rxm returns ENOTCONN
 * between the failure of a connection and its clean-up; after that it connects anew.
 */
static inline int fabric_soon(ssize_t error)
{
	return error == -FI_ENOTCONN ? -FI_EAGAIN : (int)error;
}

/* address.c (with fabric_network(), fabric_addr_text(), fabric_addr() and fabric_device()) */
union fabric_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	uint8_t bytes[RM_FABRIC_NAME_MAX];
};
/* The size of the sockaddr_in or sockaddr_in6; 0: it is neither. */
socklen_t fabric_address_size(const union fabric_address *address);
/* Is it valid on one link only? Its scope says on which, by a number of this host's own. */
bool fabric_link_local(const union fabric_address *address);
#define FABRIC_HOST_MAX 64              /* an IPv6 address, "%" and an interface */
/* Parse a numeric address without a port, "fe80::1%eth0" too. 0; -EINVAL. */
int fabric_host_parse(const char *host, union fabric_address *out);
/*
 * Adapt another host's address to this host: a link-local one gets the scope of our own address. 0;
 * -EPROTO with why: our own has none.
 */
int fabric_scoped(const struct rm_fabric_addr *ours, struct rm_fabric_addr *theirs, char *why,
                  size_t why_size);
/* Format as numbers, so that no file is read; a scope as its interface's name. 0; -EINVAL. */
int fabric_host_port(const union fabric_address *address, char *host, size_t size,
                     uint16_t *port);
/* The same of the sockaddr in addr->name. -EINVAL: it is none. */
int fabric_numeric(const struct rm_fabric_addr *addr, char *host, size_t host_size, uint16_t *port);
/* Is name[] a sockaddr_in or sockaddr_in6, as its address format says? */
bool fabric_has_sockaddr(const struct rm_fabric_addr *addr);
/* Can b be inserted in the address vector of an endpoint at a, or a in that of b? */
bool fabric_same_kind(const struct rm_fabric_addr *a, const struct rm_fabric_addr *b);

/* here.c */
struct ifaddrs;
/* The source address of the default route: the one for a documentation address. 0 or -errno. */
int fabric_default_source(int family, union fabric_address *out);
/* Is the interface up, with an IPv4 or IPv6 address that is valid on more than its own link? */
bool fabric_usable(const struct ifaddrs *entry);
/*
 * The numeric address to listen on. named is an interface, an address, or "": the one of the
 * default route. 0; -EADDRNOTAVAIL, and why lists the addresses that there are.
 */
int fabric_address_here(const char *named, char *host, size_t host_size, char *why,
                        size_t why_size);

/* choose.c */
void fabric_environment(void);          /* before the process's first call of libfabric */
/* Put into why, in words, why the endpoint that info describes could not be opened. */
void fabric_failed(const struct fi_info *info, int error, char *why, size_t why_size);
/*
 * Choose the provider and address to open. rdma false: take no device unless one is named. 0 or
 * -errno with why; on success why may have a remark about a device that is not used.
 */
int fabric_choose(const struct rm_fabric_spec *spec, const struct rm_fabric_addr *again, bool rdma,
                  struct fi_info **info, char *why, size_t why_size);

/* queue.c */
/* Open a completion queue. wait.fd becomes its descriptor, or -1 if the provider has none. */
int fabric_queue_open(struct fabric *fabric);
bool fabric_queue_wakes(struct fabric *fabric);         /* does the descriptor work? */
/* Handle what has ended, up to a limit. True: at least one operation has. */
bool fabric_queue_read(struct fabric *fabric);

/* message.c */
int fabric_messages_open(struct fabric *fabric);        /* 0 or -errno; close it on failure too */
void fabric_messages_close(struct fabric *fabric);      /* after the endpoint was closed */
bool fabric_messages_post(struct fabric *fabric, uint64_t now);  /* true: it posted something */
/* A receive or a send has ended. length is that of the message received. */
void fabric_message_done(struct fabric *fabric, struct fabric_op *op, size_t length, int error);

/* memory.c */
/* Register memory for access; unused locals are closed to make room. 0 or -errno. */
int fabric_mr_open(struct fabric *fabric, void *memory, size_t length, uint64_t access,
                   struct fabric_region *region);
/*
 * Can a key be closed while the endpoint is open? A provider whose keys belong to the endpoint
 * (FI_MR_ENDPOINT) may refuse that. 0; -EKEYREVOKED: it cannot; or why it could not be tried.
 */
int fabric_mr_probe(struct fabric *fabric);
/*
 * Set op->local and *desc for a piece: its memory is registered if the provider demands that. 0 or
 * -errno; -ENOMEM: there is nothing left to close for it.
 */
int fabric_local_get(struct fabric *fabric, struct fabric_op *op, void *around,
                     size_t around_length, void **desc);
void fabric_local_put(struct fabric *fabric, struct fabric_op *op);     /* once for each get */
void fabric_locals_close(struct fabric *fabric);        /* after the endpoint was closed */

/* piece.c (with fabric_busy() and fabric_read_calls()) */
struct fabric_op *fabric_piece_new(struct fabric *fabric);      /* NULL: no memory */
void fabric_piece_free(struct fabric *fabric, struct fabric_op *op);
/* 0; -EAGAIN; or why the piece can never be posted. The caller keeps op unless it is 0. */
int fabric_piece_post(struct fabric *fabric, struct fabric_op *op);
/* The piece has ended: take it off the peer's list. */
void fabric_piece_stop(struct fabric *fabric, struct fabric_peer *peer, struct fabric_op *op);
void fabric_pieces_close(struct fabric *fabric);        /* after the endpoint was closed */

/* read.c (with fabric_read() and fabric_cancel()) */
bool fabric_reads_post(struct fabric *fabric);          /* true: it posted something */
/* Put off the deadlines that have passed by now, or give those reads up. */
void fabric_reads_expire(struct fabric *fabric, uint64_t now);
bool fabric_reads_finish(struct fabric *fabric);        /* calls done(); true: for at least one */
/* A piece has ended; afterwards its peer may be gone. */
void fabric_piece_done(struct fabric *fabric, struct fabric_op *op, int error);

/* peer.c */
/* See that the peer's address is inserted. 0; -EHOSTUNREACH: the provider does not take it. */
int fabric_peer_reach(struct fabric *fabric, struct fabric_peer *peer);
/* One reason to keep the peer has ended. If that was the last one, it may be freed here. */
void fabric_peer_reap(struct fabric *fabric, struct fabric_peer *peer);
/* A piece of this peer was given up, or ended: (re)start the time after which it is stuck. */
void fabric_peer_stuck(struct fabric *fabric, struct fabric_peer *peer);
/* Drop idle peers of a device, and close the connections of stuck peers. */
void fabric_peers_expire(struct fabric *fabric, uint64_t now);

#endif
