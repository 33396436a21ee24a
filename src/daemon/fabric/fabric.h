/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fabric.h - libfabric: one endpoint, messages, one-sided reads, memory keys
 *
 * Knows no pages, no publications. fabric.c opens domain, endpoint, address
 * vector and completion queue and runs them as a poller of the loop;
 * fabric_mr.c registers memory; fabric_rma.c reads. What fi_getinfo answers
 * decides (mr_mode, key size, limits), nothing is written for one provider.
 * Worker thread only; no fi_ call is made before the worker was forked.
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
struct fabric_peer;             /* an address inserted, reached or not */

/* Memory that others may read. */
struct fabric_region {
	void *mr;                       /* struct fid_mr *, or NULL */
	void *desc;                     /* fabric's: its local descriptor */
	size_t length;
	uint64_t key;                   /* for the remote side */
	uint64_t base;                  /* what the remote side adds its offset to:
	                                   0, or the virtual address */
};

struct fabric_read {            /* one read; the caller's until done() was called */
	struct fabric_peer *peer;
	void *to;
	size_t length;                  /* any; it is cut into pieces as the fabric needs */
	void *around;                   /* memory with [to, to + length) in it that is about to be
	                                   read, too: it may be registered, and so be pinned, with
	                                   it; NULL: none */
	size_t around_length;
	uint64_t from;                  /* region base + offset */
	uint64_t key;
	uint64_t deadline;              /* ns; then done with -ETIMEDOUT, unless the peer moves */
	bool later;                     /* those without it that come after it go before it */
	void (*done)(struct fabric_read *read, int error);     /* 0 or -errno */
	/* fabric's: */
	size_t posted, completed;
	unsigned outstanding, respites;
	uint64_t asked;
	int error;
	struct fabric_read *next, *prev;
};

struct fabric_events {
	void *arg;
	/* A message arrived; data is valid during the call. */
	void (*message)(void *arg, const void *data, size_t length);
	/*
	 * A read finds no room to be registered, in the limit of locked memory: give up something
	 * that others may read. False: there is nothing. May be NULL.
	 */
	bool (*room)(void *arg);
};

/*
 * Open the provider that spec names, or the best one, and listen. again, if not
 * NULL, is the address that an earlier worker listened on, to be taken again.
 * 0; -EINVAL unknown provider; -EADDRNOTAVAIL; other -errno; the reason in why. On
 * success why is "" or a remark for the log (the earlier address could not be had, an RDMA
 * device is there and is not used).
 * Takes some 150 ms: libfabric loads its providers.
 */
int fabric_open(struct fabric **fabric, struct loop *loop, const struct rm_fabric_spec *spec,
                const struct rm_fabric_addr *again, const struct fabric_events *events,
                char *why, size_t why_size);
void fabric_close(struct fabric *fabric);

const struct rm_fabric_addr *fabric_addr(const struct fabric *fabric);  /* for handles */
/* The RDMA device that it is on, as libibverbs calls it; NULL: on none. */
const char *fabric_device(const struct fabric *fabric);
/* An address of our kind, from numbers. 0; -EINVAL, -ENOTSUP with why. */
int fabric_addr_of(const struct fabric *fabric, const char *host, uint16_t port,
                   struct rm_fabric_addr *addr, char *why, size_t why_size);
/*
 * Where a name is of, to bound what one host may have here: an IPv4 address as IPv6 maps it, of
 * an IPv6 address the first 64 bits, since a host has as many as it likes, but all of a
 * link-local one, whose first 64 bits every host has; of other names the start.
 */
void fabric_network(const void *name, size_t length, uint8_t network[16]);
/* "10.0.0.1:4711" */
void fabric_addr_text(const struct rm_fabric_addr *addr, char *text, size_t size);

/*
 * The peer at addr, counted. 0; -EPROTO (other provider or protocol than ours:
 * why names both); -EINVAL; -ENOMEM.
 */
int fabric_peer(struct fabric *fabric, const struct rm_fabric_addr *addr,
                struct fabric_peer **peer, char *why, size_t why_size);
/* The TCP port behind it, for others than libfabric: its size; 0: that is no provider over TCP. */
struct sockaddr_storage;
unsigned fabric_tcp_address(const struct fabric *fabric, const struct fabric_peer *peer,
                            struct sockaddr_storage *address);
void fabric_peer_put(struct fabric *fabric, struct fabric_peer *peer);
/* It has answered; has it ever, since its address was last forgotten? */
void fabric_peer_hear(struct fabric_peer *peer);
bool fabric_peer_heard(const struct fabric_peer *peer);

#define FABRIC_MESSAGE_MAX 4096
/*
 * Copy and send; kept trying until deadline, then dropped: control has its own time-outs.
 * 0; -EAGAIN: too many messages are on their way, to this peer or to all; -EMSGSIZE.
 */
int fabric_send(struct fabric *fabric, struct fabric_peer *peer, const void *data, size_t length,
                uint64_t deadline);

/* Could so many be sent to it now, and leave enough for others to all? For what is not needed. */
bool fabric_room(const struct fabric *fabric, const struct fabric_peer *peer, unsigned messages);

/*
 * Devices pin in one go what is registered in one, and the loop waits for it: what is long is
 * to be cut into pieces of at most this.
 */
#define FABRIC_REGION_MAX ((uint64_t)16 << 20)
/* Let others read it. 0 or -errno (-ENOMEM: see fabric_memlock_text()). */
int fabric_register(struct fabric *fabric, void *memory, size_t length,
                    struct fabric_region *region);
void fabric_unregister(struct fabric *fabric, struct fabric_region *region);
/* What reads went into is about to be unmapped; none is under way there. */
void fabric_forget(struct fabric *fabric, const void *memory, size_t length);
/* In words, what -ENOMEM from fabric_register() or a read means and what to do. */
void fabric_memlock_text(const struct fabric *fabric, char *text, size_t size);

/* Start a read. done() is called later, never from here. */
void fabric_read(struct fabric *fabric, struct fabric_read *read);
/* Give all reads from this peer up: done() is called for each before this returns, with
 * -ECANCELED, or with its own result if it had ended already. */
void fabric_cancel(struct fabric *fabric, struct fabric_peer *peer);
/*
 * A read that ended with an error may still be written, late, by a peer that was merely slow:
 * with the right bytes. True while that can happen inside [memory, memory + length): do not
 * unmap it and put nothing else there until it is false.
 */
bool fabric_busy(const struct fabric *fabric, const void *memory, size_t length);

uint64_t fabric_read_calls(const struct fabric *fabric);        /* fi_read calls so far */

#endif
