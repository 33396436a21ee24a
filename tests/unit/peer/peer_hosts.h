/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer_hosts.h - two hosts' rmmapd in two processes, for the tries of test_peer
 *
 * The server (peer_hosts.c) has a store of two publications, written here, so that what the
 * store was told can be looked at. The client (peer_client.c) runs its loop until a session
 * answers. Times are short. A failed expectation ends the process.
 */
#ifndef RM_TEST_PEER_HOSTS_H
#define RM_TEST_PEER_HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

#include "../../../src/daemon/peer/session.h"

#define SMALL 0                 /* fits a message */
#define BIG 1                   /* 100,000 segments */
#define LAYERS 3
#define REGIONS 6               /* runs of pages with data, all layers */
#define MS 1000000ull
#define PATIENCE (60000 * MS)             /* of a busy machine */
#define EXPIRE (5000 * MS)
#define EXPECT(what) do { \
	if (!(what)) { \
		fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #what); \
		_exit(1); \
	} } while (0)

struct shared {                 /* what the server's store counts, for the client to see */
	unsigned attached[2], admitted[2], again[2];
	bool unpublished;               /* by the client, for the server to see: */
	size_t limit;                   /* of what may be registered at once; 0: none */
	unsigned slow_ms;               /* registering takes so long */
};

extern struct shared *shared;           /* mapped by main() */

struct host {
	struct context context;
	struct nets nets;
	struct fabric *fabric;
	struct peers *peers;
	struct timer stop;
	bool timed_out;
	/* of the last callbacks */
	unsigned attaches, losses, admissions, admitted, attaches_then;
	int error;
	char why[256];
	struct peer_region regions[REGIONS];
	unsigned region_count, keys;    /* keys: how many came without a table */
	struct peer_want want;          /* what to ask for; count 0: nothing */
	bool complete;
	void *table;
	size_t table_size;
	unsigned parts;                 /* messages with pages that came */
	unsigned lose;                  /* which of them is lost on the way; 0: none */
	bool data;                      /* all pages came, and are right */
};

/* ---- the server, and what both sides have: peer_hosts.c ---- */

/* Make the server that will be forked; again: at this address, as a worker that was restarted. */
pid_t start_server(const struct rm_fabric_addr *again, struct rm_fabric_addr *addr);
void open_host(struct host *host, uint8_t name, const struct rm_fabric_addr *again);
uint64_t pattern(unsigned layer, uint64_t word);        /* what its layers' pages are made of */
size_t make_table(unsigned segments, void **out);       /* of a publication; the caller frees it */

/* ---- the client: peer_client.c ---- */

void make_handle(struct rm_handle *handle, unsigned n, const struct rm_fabric_addr *addr);
bool run(struct host *host, uint64_t ns);       /* false: nothing stopped the loop before */

/* Of a session, with the host as argument: they note in it what came, and stop the loop. */
void on_attached(void *arg, int error, const char *why, const struct peer_snapshot *snapshot);
void on_lost(void *arg, int error, const char *why);

/* These return when it was answered; the answer is in the host. */
struct peer_session *attach(struct host *host, const struct rm_handle *handle);
struct peer_session *attach_to(struct host *host, const struct rm_handle *handle, bool data);
void admit(struct host *host, struct peer_session *session, unsigned count);

/* Read with the keys that the host has, and compare. 0 or -errno */
int read_region(struct host *host, struct peer_session *session, unsigned i);
int read_layers(struct host *host, struct peer_session *session);
void expect_table(struct host *host, unsigned segments);

/* Until the server's store has so many attached to publication n; or none, its lease over. */
void wait_attached(struct host *host, unsigned n, unsigned count);
void wait_expired(unsigned n);

/* ---- the tries that are not in test_peer.c ---- */

/* Readers, counted and limited: peer_try_admit.c */
void try_admit(struct host *host, const struct rm_fabric_addr *addr);
void try_admit_limit(struct host *host, const struct rm_fabric_addr *addr);

/* Sessions without end: peer_try_bounds.c */
void try_bounds(struct host *host, const struct rm_fabric_addr *addr);

/* Keys of registered memory, and pages that need none: peer_try_keys.c */
void try_room(struct host *host, const struct rm_fabric_addr *addr);
void try_slow(struct host *host, const struct rm_fabric_addr *addr);
void try_data(struct host *host, const struct rm_fabric_addr *addr);

#endif
