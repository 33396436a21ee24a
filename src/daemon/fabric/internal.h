/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fabric_internal.h - what fabric*.c share; nobody else includes it
 *
 * Worker thread only. May allocate with malloc.
 *
 *   fabric.c          open, close, and the poller that drives all of it
 *   fabric_peer.c     the addresses it talks to
 *   fabric_address.c  what is in an address
 *   fabric_choose.c   which provider
 *   fabric_here.c     which address to listen on
 *   fabric_message.c  buffers of messages, receiving and sending
 *   fabric_mr.c       registering memory
 *   fabric_rma.c      reads, cut into pieces
 */
#ifndef RM_FABRIC_INTERNAL_H
#define RM_FABRIC_INTERNAL_H

#include "../base/container.h"              /* before libfabric, which has a container_of of its own */

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

#define FABRIC_RECEIVES 32      /* message buffers posted */
#define FABRIC_SENDS 128        /* messages on their way, to all peers */
#define FABRIC_SENDS_LEFT 64    /* of those, for what cannot do without: see fabric_room() */
#define FABRIC_PEER_SENDS 32    /* of those, to one: a stopped peer must not starve the others */
#define FABRIC_PEER_IDLE_NS UINT64_C(30000000000) /* three renewals: an RDMA peer is gone */
#define FABRIC_PEER_STUCK_NS UINT64_C(5000000000) /* no piece ends though reads were given up */
#define FABRIC_RESPITES 10      /* a read's deadline is put off so often, */
#define FABRIC_MOVED_NS UINT64_C(2000000000) /* to so long after the peer's last piece, */
#define FABRIC_LATE_NS UINT64_C(100000000) /* or where we came so late to look at the time, */
#define FABRIC_GRACE_NS UINT64_C(1000000000) /* by so much */
#define FABRIC_IDLE_PEERS 64    /* addresses that stay, so that their connections do */
#define FABRIC_PIECE ((size_t)1 << 20)
#define FABRIC_PEER_PIECES 32   /* fi_read under way from one peer */
#define FABRIC_PIECES 512       /* and from all: what the completion queue can hold */
#define FABRIC_LOCALS 640       /* registrations for reads: all pieces' and some for later */
#define FABRIC_IDLE ((size_t)16 << 20)  /* of those for later, so many bytes */
#define FABRIC_CQ_SIZE 1024
#define FABRIC_RETRY_NS 1000000 /* after EAGAIN, when nothing else wakes us */

enum fabric_op_kind { FABRIC_RECEIVE, FABRIC_SEND, FABRIC_PIECE_READ };

/* Memory registered for reads to go into: where FI_MR_LOCAL is set. */
struct fabric_local {
	struct fid_mr *mr;
	uintptr_t start;
	size_t length;
	unsigned users;                 /* pieces under way; 0: may be closed */
	struct fabric_local *next, *prev;       /* the newest first */
};

/* One libfabric operation under way; its context comes back in the completion. */
struct fabric_op {
	struct fi_context2 context;     /* first: the provider's, where mode asks for FI_CONTEXT* */
	enum fabric_op_kind kind;
	struct fabric_peer *peer;       /* send, piece */
	struct fabric_op *next, *prev;  /* in the peer's pieces, the free list, or the queue of sends */
	/* message */
	void *data;
	size_t length;
	uint64_t deadline;
	bool posted;
	/* piece: data and length say what may still be written */
	struct fabric_read *read;       /* NULL: given up, its completion is only counted */
	struct fabric_local *local;     /* NULL: not registered by us */
};

struct fabric_peer {
	struct rm_fabric_addr name;
	fi_addr_t address;              /* FI_ADDR_NOTAVAIL: to be inserted */
	unsigned users;                 /* fabric_peer() minus fabric_peer_put() */
	unsigned sends, pieces;         /* operations under way */
	unsigned posted_sends;          /* of the sends, those that the provider has */
	uint64_t idle_since;            /* nobody has named it since then */
	uint64_t moved;                 /* when a piece of it last arrived; 0: none did */
	uint64_t stuck_since;           /* pieces without an owner, and none ended; 0: it is not */
	bool broken;                    /* an operation failed: insert the address anew */
	bool heard;                     /* it has answered something: fabric_peer_hear() */
	bool stalled;                   /* the provider said EAGAIN in this round */
	struct fabric_read *first, *last; /* not finished; in the order of asking */
	struct fabric_read *cursor;     /* the first that has pieces left to post */
	struct fabric_op *posted;       /* its pieces */
	struct fabric_op *again;        /* pieces to be posted once more */
	struct fabric_peer *next;
};

struct fabric {
	struct loop *loop;
	struct fabric_events events;
	struct fi_info *info;           /* fi_getinfo's answer: it decides */
	struct fid_fabric *net;
	struct fid_domain *domain;
	struct fid_av *av;
	struct fid_cq *cq;
	struct fid_ep *ep;
	struct rm_fabric_addr addr;     /* ours */

	struct poller poller;
	struct source wait;             /* the queue's descriptor, or fd -1 */
	struct timer timer;             /* wakes the poller: deadlines, retries */
	struct poll_time poll_time;
	uint64_t active_until;          /* spin until then */
	uint64_t retry_at;              /* something got EAGAIN: next try; 0: nothing did */
	uint64_t idle_at;               /* look for idle peers, and stuck ones, then; UINT64_MAX:
	                                   there are none */
	uint64_t next_deadline;         /* the earliest of all reads; UINT64_MAX: none */
	bool armed;                     /* fi_trywait() said yes: the descriptor means something */
	bool woken;                     /* it fired then */
	bool quiet;                     /* it has not, and the queue was not read since */
	bool asked;                     /* poll before sleeping: something was asked, or is due */

	struct fabric_peer *peers;
	unsigned pieces;                /* fi_read under way */
	size_t piece_size;
	uint64_t read_calls;
	struct fabric_op *free_pieces;
	struct fabric_read *finished, **finished_end;   /* done() is still to be called */

	/* registrations */
	size_t registered;              /* bytes, all together */
	struct fabric_local *locals, *oldest_local;
	unsigned local_count;
	size_t idle;                    /* bytes of locals without users */

	/* messages */
	void *slab;                     /* all buffers, one mapping */
	struct fabric_region slab_region;
	struct fabric_op receives[FABRIC_RECEIVES];
	struct fabric_op sends[FABRIC_SENDS];
	struct fabric_op *free_sends;
	unsigned sending;               /* of sends, those on their way */
	struct fabric_op *queue, **queue_end;   /* not posted yet */
	unsigned receive_count;
	unsigned unposted_receives;     /* receives the provider did not take: tried again */
};

/*
 * What a provider says when it was asked to send or read: -EAGAIN means later. ofi_rxm
 * says ENOTCONN between a connection's failure and its clean-up; after that it connects anew.
 */
static inline int fabric_soon(ssize_t error)
{
	return error == -FI_ENOTCONN ? -FI_EAGAIN : (int)error;
}

/* address.c; fabric_addr() and fabric_device() of fabric.h, too */
union fabric_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	uint8_t bytes[RM_FABRIC_NAME_MAX];
};
socklen_t fabric_address_size(const union fabric_address *address);     /* 0: no sockaddr_in* */
/* Has meaning on one link only: which one, its scope says, which differs from host to host. */
bool fabric_link_local(const union fabric_address *address);
#define FABRIC_HOST_MAX 64              /* an address of IPv6, "%" and an interface */
/* An address in numbers, "fe80::1%eth0" too, with no port. 0; -EINVAL. */
int fabric_host_parse(const char *host, union fabric_address *out);
/*
 * The address of another host as it is written here: a link-local one gets the scope of ours. 0,
 * or -EPROTO with why where ours has none.
 */
int fabric_scoped(const struct rm_fabric_addr *ours, struct rm_fabric_addr *theirs, char *why,
                  size_t why_size);
/* Numeric, so that no file is looked into; a scope by its interface's name. 0 or -EINVAL. */
int fabric_host_port(const union fabric_address *address, char *host, size_t size,
                     uint16_t *port);
/* The address of a sockaddr in name[], as numeric host and port; -EINVAL if it is none. */
int fabric_numeric(const struct rm_fabric_addr *addr, char *host, size_t host_size, uint16_t *port);
bool fabric_has_sockaddr(const struct rm_fabric_addr *addr);    /* name[] is a sockaddr_in* */
bool fabric_same_kind(const struct rm_fabric_addr *a, const struct rm_fabric_addr *b);

/* fabric_here.c */
struct ifaddrs;
/* The source address of the route to a documentation address: the default route's. 0 or -errno. */
int fabric_default_source(int family, union fabric_address *out);
/* Up, of IPv4 or IPv6, and not link-local: that means something on its own link only. */
bool fabric_usable(const struct ifaddrs *entry);
/*
 * The address to listen on, numeric: of an interface or equal to an address, or (named "") the
 * default route's. 0, or -EADDRNOTAVAIL with what there is in why.
 */
int fabric_address_here(const char *named, char *host, size_t host_size, char *why,
                        size_t why_size);

/* fabric_choose.c */
void fabric_environment(void);          /* before libfabric is called at all */
/* In words, why what info says could not be opened. */
void fabric_failed(const struct fi_info *info, int error, char *why, size_t why_size);
/* rdma false: not verbs unless it is named. On success why may have a remark. */
int fabric_choose(const struct rm_fabric_spec *spec, const struct rm_fabric_addr *again, bool rdma,
                  struct fi_info **info, char *why, size_t why_size);

/* fabric_message.c */
int fabric_messages_open(struct fabric *fabric);
void fabric_messages_close(struct fabric *fabric);
bool fabric_messages_post(struct fabric *fabric, uint64_t now);  /* true: something was posted */
void fabric_message_done(struct fabric *fabric, struct fabric_op *op, size_t length, int error);

/* fabric_mr.c */
int fabric_mr_open(struct fabric *fabric, void *memory, size_t length, uint64_t access,
                   struct fabric_region *region);
/*
 * Can a key be closed while the endpoint is open? A provider that has keys of endpoints
 * (FI_MR_ENDPOINT) may refuse that. 0; -EKEYREVOKED: no; or why it cannot be tried.
 */
int fabric_mr_probe(struct fabric *fabric);
/*
 * The local descriptor for a piece, which is registered if it must be: op->local. 0 or -errno;
 * -ENOMEM: nothing is left that could be closed for it.
 */
int fabric_local_get(struct fabric *fabric, struct fabric_op *op, void *around,
                     size_t around_length, void **desc);
void fabric_local_put(struct fabric *fabric, struct fabric_op *op);
void fabric_locals_close(struct fabric *fabric);        /* the endpoint is closed */

/* fabric_rma.c */
bool fabric_reads_post(struct fabric *fabric);          /* true: something was posted */
void fabric_reads_expire(struct fabric *fabric, uint64_t now);
bool fabric_reads_finish(struct fabric *fabric);        /* calls done(); true: it called any */
void fabric_piece_done(struct fabric *fabric, struct fabric_op *op, int error);
void fabric_reads_close(struct fabric *fabric);

/* fabric_peer.c */
int fabric_peer_reach(struct fabric *fabric, struct fabric_peer *peer); /* address is usable */
void fabric_peer_reap(struct fabric *fabric, struct fabric_peer *peer);
void fabric_peer_stuck(struct fabric *fabric, struct fabric_peer *peer);
void fabric_peers_expire(struct fabric *fabric, uint64_t now);

#endif
