/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host.h - a run directory with an rmmapd in it, and a client that speaks wire.h itself
 *
 * For tests of the daemon without the library. unit.h forks a process for each test.
 * Everything fails the test by itself.
 */
#ifndef RM_TEST_HOST_H
#define RM_TEST_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "channel.h"
#include "wire.h"

#define NS UINT64_C(1000000000)
#define PATIENCE (120 * NS)             /* of a busy machine nothing is soon */

/* ---- host.c ---- */

void host_new(void);                            /* a fresh RMMAP_RUNDIR; cleaned up at exit */
void host_use(unsigned n);                      /* the nth that was made: all below is about it */
const char *host_directory(void);               /* its RMMAP_RUNDIR */
const char *host_path(const char *name);        /* a file in it; valid until the next call */
pid_t host_spawn(const char *const *options);   /* rmmapd with these, NULL-terminated */
int host_start(const char *const *options);     /* the same, in the background: exit status */
int host_wait(pid_t pid);                       /* exit status; 128 + signal */
pid_t host_keeper(void);                        /* by the lock file */
bool host_eventually(bool (*true_now)(void));    /* within a minute, or two */
bool host_gone(void);                           /* no socket, nobody holds the lock */
bool host_listens(void);
bool host_dead(void);                           /* nobody listens or holds the lock */
unsigned host_fds(pid_t pid);
unsigned host_settled_fds(pid_t pid);   /* once it waits, and so has read all that was sent */
long host_rss(pid_t pid);                       /* KiB */

/* ---- snapshot.c ---- */

struct snapshot {                               /* what a test publishes */
	unsigned layers;
	uint64_t pages;                         /* in each */
	unsigned char fill;
	uint32_t readers, ttl_ms;
	const char *fabric;
	bool unsealed;                          /* layers that could still change */
	bool lazy;                              /* attach: no page has come, and none is checked */
	uint16_t id;                            /* and its secret */
	unsigned known;                         /* so many of the layers come without descriptor: */
	uint16_t known_of;                      /* they are the first ones of this publication */
};
unsigned char snapshot_fill(const struct snapshot *snapshot, unsigned layer);
/* Memory files, sealed if it is. */
int snapshot_layer(const struct snapshot *snapshot, unsigned layer);
int snapshot_table(const struct snapshot *snapshot, size_t *size);

/* ---- client.c ---- */

int client_new(void);                           /* connected, greeted */
int client_of_new(void);                         /* of a new host, without options */
int client_of_idle(const char *const *options);  /* starts rmmapd, which may leave at once */
int client_connect(void);                       /* only connected */
int client_greet(int fd);                       /* that one; returns it */
void client_send(int fd, void *message, size_t size, unsigned type, uint64_t seq,
                 const int *fds, unsigned count);
/* The next message that is no RM_PROGRESS. Its type, 0 at the end of the connection. */
int client_recv(int fd, void *message, int fds[RM_CHANNEL_FDS_MAX], unsigned *count);
/* The same in halves: the request with its descriptor, nothing waits for the answer. */
void client_ask_publish(int fd, const struct snapshot *snapshot);
int client_publish(int fd, const struct snapshot *snapshot, char handle[RM_HANDLE_TEXT_MAX]);
/* 0 or a positive errno; checks that every page has the fill of its layer. */
int client_attach(int fd, const char *handle, const struct snapshot *expected, uint64_t *number);
int client_name(int fd, unsigned type, const char *name);       /* RM_UNPUBLISH: the error */
int client_detach(int fd, uint64_t number);
int client_complete(int fd, uint64_t number);
void client_info(struct rm_daemon_info *info);  /* over a connection of its own */
pid_t host_worker(void);                        /* by RM_INFO */
/* rm_pub_info records that RM_LIST gives. */
unsigned client_list(struct rm_pub_info *infos, unsigned max);

#endif
