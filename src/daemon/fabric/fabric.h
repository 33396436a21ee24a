/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fabric.h - libfabric: one endpoint, messages, one-sided reads, memory keys
 *
 * This is the only room that calls libfabric. It knows no pages and no publications. What
 * fi_getinfo() answers decides (mr_mode, key size, limits); facts about a provider's name are in
 * providers.h. README lists the files behind this interface.
 *
 * Worker thread only. No call of libfabric is made before the worker was forked, because nothing
 * of libfabric survives a fork. May allocate with malloc. Callbacks run from the loop: from
 * inside fabric_cancel() and fabric_close(), but from no other call of this interface.
 */
#ifndef RM_FABRIC_H
#define RM_FABRIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../common/handle.h"
#include "../../common/options.h"
#include "../base/loop.h"

struct fabric;
struct fabric_peer;             /* another endpoint's address, counted by its users */

/* Memory that other hosts may read. All zeros: nothing is registered. */
struct fabric_region {
	void *mr;                       /* struct fid_mr *; NULL: not registered */
	void *desc;                     /* local descriptor; only the fabric uses it */
	size_t length;                  /* bytes that count in the fabric's total */
	uint64_t key;                   /* what the remote side names in a read */
	uint64_t base;                  /* the remote side adds its offset to this: 0, or the
	                                   virtual address, as the provider demands */
};

/*
 * One read of another host's memory. The caller owns it and fills in the first part. From
 * fabric_read() until done() is called it must stay in place, as must the memory it reads into.
 */
struct fabric_read {
	struct fabric_peer *peer;       /* the caller keeps its use of it until done() */
	void *to;
	size_t length;                  /* any; it is cut into pieces as the provider needs */
	void *around;                   /* memory that contains [to, to + length) and is about to
	                                   be read too, or is one huge page: it may be registered,
	                                   and so be pinned, as a whole. NULL: none */
	size_t around_length;
	uint64_t from;                  /* region base + offset */
	uint64_t key;
	uint64_t deadline;              /* ns; at this time it ends with -ETIMEDOUT, unless pieces
	                                   from the peer still arrive */
	bool low_priority;              /* reads without this flag that are posted later overtake
	                                   it, as long as no piece of it was posted */
	void (*done)(struct fabric_read *read, int error);     /* 0 or -errno; called once */

	/* The fabric's own; fabric_read() sets them. */
	size_t posted, completed;       /* bytes; completed <= posted <= length */
	unsigned outstanding;           /* its pieces under way, or to be posted again */
	unsigned respites;              /* how often the deadline was put off */
	uint64_t asked;                 /* ns: when fabric_read() was called */
	int error;                      /* the first one; no piece is posted after it */
	struct fabric_read *next, *prev;
};

struct fabric_events {
	void *arg;
	/* A message arrived. data is valid during the call only. */
	void (*message)(void *arg, const void *data, size_t length);
	/*
	 * A read's target cannot be registered within the limit of locked memory: unregister
	 * something that other hosts may read. False: there is nothing left. May be NULL.
	 */
	bool (*room)(void *arg);
};

/*
 * Open the provider that spec names, or the best one, and listen. again, if not NULL, is the
 * address that an earlier worker listened on; it is tried first.
 *
 * 0; -EINVAL: unknown provider; -EADDRNOTAVAIL: no such address; or another -errno, with the
 * reason in why. On success why is "", or a remark for the log: the earlier address could not be
 * had again, or there is an RDMA device that is not used.
 *
 * Takes about 150 ms, since libfabric loads its providers.
 */
int fabric_open(struct fabric **fabric, struct loop *loop, const struct rm_fabric_spec *spec,
                const struct rm_fabric_addr *again, const struct fabric_events *events,
                char *why, size_t why_size);
/* Cancel all reads, drop all messages, close everything. NULL is allowed. */
void fabric_close(struct fabric *fabric);

/* This host's address, as handles name it. */
const struct rm_fabric_addr *fabric_addr(const struct fabric *fabric);
/* libibverbs' name of the RDMA device that is used; NULL: none is. */
const char *fabric_device(const struct fabric *fabric);
/*
 * Make an address of this provider from a numeric host and a port. 0; -EINVAL: host is not
 * numeric; -ENOTSUP: the provider has other addresses. Both with why.
 */
int fabric_addr_of(const struct fabric *fabric, const char *host, uint16_t port,
                   struct rm_fabric_addr *addr, char *why, size_t why_size);
/*
 * The network that a provider's address belongs to, for limits on what one host may have here:
 * an IPv4 address mapped into IPv6; the first 64 bits of an IPv6 address, since one host can
 * have as many of the rest as it likes; all of a link-local address, since every host has its first
 * 64 bits; the first 16 bytes of anything else. Pure.
 */
void fabric_network(const void *name, size_t length, uint8_t network[16]);
/* "10.0.0.1:4711" */
void fabric_addr_text(const struct rm_fabric_addr *addr, char *text, size_t size);

/*
 * The peer at addr; the caller gives its use back with fabric_peer_put(). 0; -EPROTO: the other
 * host's provider, protocol or kind of address differs from ours, and why names both; -ENOMEM.
 * addr may come from another host: it is checked here.
 */
int fabric_peer(struct fabric *fabric, const struct rm_fabric_addr *addr,
                struct fabric_peer **peer, char *why, size_t why_size);
struct sockaddr_storage;
/*
 * The TCP port that the peer's provider listens on, for a connection that is not libfabric's. The
 * size of the address; 0: the provider does not use TCP.
 */
unsigned fabric_tcp_address(const struct fabric *fabric, const struct fabric_peer *peer,
                            struct sockaddr_storage *address);
void fabric_peer_put(struct fabric *fabric, struct fabric_peer *peer);
/* Note that the peer has answered. The note stays until its address is forgotten. */
void fabric_peer_hear(struct fabric_peer *peer);
bool fabric_peer_heard(const struct fabric_peer *peer);

#define FABRIC_MESSAGE_MAX 4096
/*
 * Copy data and send it. It is tried until deadline and then dropped without a report: control
 * messages have time-outs of their own. 0; -EMSGSIZE; -EAGAIN: too many messages are on their way,
 * to this peer or to all.
 */
int fabric_send(struct fabric *fabric, struct fabric_peer *peer, const void *data, size_t length,
                uint64_t deadline);
/*
 * Could this many messages be sent to the peer now, and enough be left for messages to all
 * others? To be asked before messages are sent that can be done without.
 */
bool fabric_room(const struct fabric *fabric, const struct fabric_peer *peer, unsigned messages);

/*
 * The longest piece of memory to register at once. A device pins all of a registration in one
 * call, and the loop waits for it.
 */
#define FABRIC_REGION_MAX ((uint64_t)16 << 20)
/* Let other hosts read memory. 0 or -errno (for -ENOMEM see fabric_memlock_text()). */
int fabric_register(struct fabric *fabric, void *memory, size_t length,
                    struct fabric_region *region);
/* Close the region's key and clear *region. A region that is all zeros is allowed. */
void fabric_unregister(struct fabric *fabric, struct fabric_region *region);
/* The caller is about to unmap memory that reads went into. No read is under way there. */
void fabric_forget(struct fabric *fabric, const void *memory, size_t length);
/* In words: what -ENOMEM from fabric_register() or from a read means, and what to do. */
void fabric_memlock_text(const struct fabric *fabric, char *text, size_t size);

/* Start a read. done() is called later from the loop, never from here. */
void fabric_read(struct fabric *fabric, struct fabric_read *read);
/*
 * Give up all reads from this peer. done() is called for each of them before this returns: with
 * -ECANCELED, or with its own result if it had ended already. done() may put the peer.
 */
void fabric_cancel(struct fabric *fabric, struct fabric_peer *peer);
/*
 * Can a piece of a read that was given up still arrive in [memory, memory + length)? Its peer may
 * just be slow; then the right bytes arrive late. While this is true, do not unmap the memory
 * and put nothing else there.
 */
bool fabric_busy(const struct fabric *fabric, const void *memory, size_t length);

uint64_t fabric_read_calls(const struct fabric *fabric);        /* fi_read() calls so far */

#endif
