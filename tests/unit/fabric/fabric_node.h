/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fabric_node.h - an endpoint with its loop, and a server in a process of its own, for test_fabric
 *
 * What is not as expected ends the process with 1.
 */
#ifndef RM_TEST_FABRIC_NODE_H
#define RM_TEST_FABRIC_NODE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#include "../../../src/daemon/base/loop.h"
#include "../../../src/daemon/fabric/fabric.h"

#define MEMORY ((size_t)16 << 20)
#define SECOND 1000000000ull
#define PATIENCE (60 * SECOND)          /* of a busy machine */
#define EXPECT(what) do { \
	if (!(what)) { \
		fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #what); \
		_exit(1); \
	} } while (0)

struct hello {                  /* what the server tells by the socket pair */
	int error;
	char why[256];
	struct rm_fabric_addr addr;
	struct fabric_region region;
};

struct node {                   /* an endpoint and its loop */
	struct loop *loop;
	struct fabric *fabric;
	struct timer stop;
	bool timed_out;
	char message[FABRIC_MESSAGE_MAX];
	size_t length;
	unsigned messages;
};

struct wait_read {
	struct fabric_read read;
	struct node *node;
	int error;
	bool done;
};

/* ---- fabric_node.c ---- */

/* Where the providers are tried: RDMA devices have no loopback address. */
const char *address(void);
uint64_t pattern(uint64_t word);        /* what the server's memory has there */

/* Run until somebody stops the loop; false if that took longer than ns. */
bool run(struct node *node, uint64_t ns);

int open_node(struct node *node, const char *provider, const struct rm_fabric_addr *again,
              void (*message)(void *, const void *, size_t), char *why, size_t why_size);
/* For open_node(): it is kept in the node, and the loop returns. */
void got_message(void *arg, const void *data, size_t length);

/* One with memory that can be read, which echoes messages; with again, at that address. */
pid_t start_server(const char *provider, const struct rm_fabric_addr *again,
                   struct hello *there);

/* One read; its result. */
int read_one(struct node *node, struct fabric_peer *peer, void *to,
             size_t length, uint64_t from, uint64_t key, uint64_t patience);
/* For a struct wait_read; the loop returns. */
void read_done(struct fabric_read *read, int error);

/* ---- fabric_try.c: a client of that server; memory is MEMORY bytes of its own ---- */

void try_messages(struct node *node, struct fabric_peer *peer);
void try_reads(struct node *node, struct fabric_peer *peer, const struct hello *there,
               uint64_t *memory);
void try_idle(struct node *node);
void try_late(struct node *node, struct fabric_peer *peer, const struct hello *there,
              uint64_t *memory);
void try_wrong(struct node *node, struct fabric_peer *peer, const struct hello *there,
               uint64_t *memory);
void try_stopped(struct node *node, struct fabric_peer *peer, const struct hello *there,
                 uint64_t *memory, pid_t pid);
void try_killed(struct node *node, struct fabric_peer *peer, const struct hello *there,
                uint64_t *memory, pid_t pid);
void try_cancel(struct node *node, struct fabric_peer *peer, const struct hello *there,
                uint64_t *memory);
void try_other_kinds(struct node *node, const struct hello *there);

#endif
