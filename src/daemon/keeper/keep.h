/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keep.h - what the keeper and its worker share: how they were started, the
 * records that outlive a worker, and the messages between the two
 *
 * The keeper forks each worker, so a worker starts with the listener and all
 * records in its own memory, descriptors included: nothing needs to be sent
 * again after a restart. From then on the worker tells the keeper what changes,
 * over a SOCK_SEQPACKET pair. What the worker sent before it died is in the
 * kernel, and the keeper reads all of it before it forks the next one.
 *
 * keep.c is the keeper's loop, take.c takes the run directory, start.c says how it
 * goes, records.c is the table, keeper.c the worker's end.
 */
#ifndef RM_KEEP_H
#define RM_KEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../common/channel.h"
#include "../../common/layout.h"
#include "../../common/options.h"
#include "../../common/rundir.h"
#include "keeper.h"

struct rmmapd {                         /* fixed before the first worker is forked */
	struct rm_options options;
	char rundir[RM_RUNDIR_MAX];     /* also the current directory, once it is taken */
	uint8_t host[RM_ID_BYTES];
	uint64_t idle_ns, grace_ns;     /* idle 0: never */
	uint64_t started_ns;
	bool foreground;
	bool inherited;                 /* started by the library: lock and listener came with it,
	                                   and it waits to hear how the start goes */
	int lock;                       /* flock()ed; open in the keeper and in its worker */
	int listener;                   /* another one after an exit that was called off, and
	                                   after the socket was removed */
	uint64_t socket_ino, socket_dev;        /* of its name in rundir */
	int directory;                  /* the run directory, locked shared, for systemd-tmpfiles */
	int watch;                      /* inotify on it; the keeper's. Negative: there is none */
	int served;                     /* --private: the socket of the one process that is
	                                   served, and no lock or listener; else -1 */
	uint32_t keeper_pid, restarts;
	int death;                      /* signal that ended the last worker; 0: none, or an exit */
};

/* ---- take.c: the run directory, taken, kept and given back; errors are said ---- */
#define START_LOOK_MS 10000     /* from one start_look() to the next where there is no inotify */
/* 0: taken, locked and listened in; the current directory is it. 1: another serves it. -errno. */
int start_take(struct rmmapd *rmmapd);
int start_listen(struct rmmapd *rmmapd);        /* bind RM_SOCKET_NAME: 0 or -errno */
void start_use_socket(struct rmmapd *rmmapd, int listener);     /* it is bound there */
void start_unlisten(const struct rmmapd *rmmapd);       /* unlink it, if it is this rmmapd's */
void start_write_pid(struct rmmapd *rmmapd, int pid);   /* the keeper's, into the lock file */
/*
 * Are socket and lock still there? 0: yes. 1: they were not, and listener and lock are others
 * now. -EWOULDBLOCK: another rmmapd serves the run directory now; other -errno: not now. Only
 * with make is the directory made anew, too.
 */
int start_look(struct rmmapd *rmmapd, bool make);

/* ---- start.c: what is said, and to whom ---- */
int start_private(struct rmmapd *rmmapd);       /* instead of start_take(): 0 or -errno */
int start_output(struct rmmapd *rmmapd);        /* the log, if there is one, becomes stderr */
void start_quiet(struct rmmapd *rmmapd);        /* in the background: no other output */

/* ---- records.c: bytes and descriptors by number; the keeper's, and a new worker's copy ---- */
struct kept {
	enum record_type type;
	uint64_t number;
	void *data;
	size_t length;
	int *fds;
	unsigned count;
	struct kept *next;
};
struct records;
struct records *records_new(void);
/* As keeper_put(); descriptors become the record's, on failure too. 0 or -ENOMEM. */
int records_put(struct records *records, enum record_type type, uint64_t number,
                const void *data, size_t length, const int *fds, unsigned count);
void records_delete(struct records *records, uint64_t number);
uint64_t records_highest(const struct records *records);        /* number ever put, or 0 */
/* Is there a publication, or something that is attached? */
bool records_in_use(const struct records *records);
/*
 * Take all records out, in the order in which a worker restores them (by type, then
 * number); a NULL ends the array, which is the caller's. NULL: no memory.
 */
struct kept **records_take(struct records *records);
void records_free_kept(struct kept *kept);      /* without closing its descriptors */

/* ---- messages ---- */
enum keep_type {
	KEEP_PUT = 1, KEEP_DELETE, KEEP_TELL,   /* worker to keeper, see keeper.h */
	KEEP_LEAVE,     /* worker: nothing is left to serve, may I go? It serves nobody until
	                   KEEP_STAY or KEEP_STOP is the answer */
	KEEP_STAY,      /* keeper: no, somebody came. fds: the listener from now on, connections */
	KEEP_LISTEN,    /* keeper: the socket was bound anew. fds: listener and lock from now on */
	KEEP_READY,     /* worker: it serves */
	KEEP_STOP,      /* keeper: exit now */
	KEEP_DRAIN,     /* keeper: SIGTERM came */
};

struct keep_message {
	uint32_t type;
	uint32_t record;                /* enum record_type */
	uint64_t number;
	uint64_t length;                /* bytes of data that follow */
};

#define KEEP_MESSAGE_MAX (sizeof(struct keep_message) + RECORD_DATA_MAX)
#define KEEP_FDS_MAX 60                 /* in one message */

/* ---- keep.c ---- */
/* A worker's life, in a process of its own; records are what earlier ones left. Exit status. */
typedef int keep_worker(const struct rmmapd *rmmapd, int keeper_socket, struct records *records);
/* Fork workers until nothing is left to serve: exit status. */
int keep_run(struct rmmapd *rmmapd, keep_worker *worker_run);

/* ---- keeper.c, beyond keeper.h: the worker's end ---- */
struct keeper *keeper_new(int fd, uint64_t highest);
int keeper_fd(const struct keeper *keeper);     /* -1 once the keeper is dead */
void keeper_dead(struct keeper *keeper);
void keeper_serving(struct keeper *keeper);     /* KEEP_READY: nothing can stop the start now */
/* Say KEEP_LEAVE and wait: the answer's type, KEEP_STOP if there is none. */
int keeper_leave(struct keeper *keeper, int fds[RM_CHANNEL_FDS_MAX], unsigned *count);

#endif
