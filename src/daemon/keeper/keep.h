/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keep.h - shared by the keeper and its worker: how rmmapd was started, the records that
 * outlive a worker, and the messages between the two processes
 *
 * The keeper forks each worker. So a worker starts with the listener and all records in its
 * memory, descriptors included, and nothing needs to be sent after a restart. From then on the
 * worker tells the keeper of each change, over a SOCK_SEQPACKET pair. Messages that it sent before
 * it died are in the kernel, and the keeper reads all of them before it forks the next worker.
 *
 * keep.c is the keeper's loop, keep_worker.c forks workers and reads their messages, take.c takes
 * the run directory, start.c sets up the standard descriptors, records.c is the table of records,
 * keeper.c is the worker's end of the pair.
 * The keeper has one thread, and calls only these files and defaults.c. Of what is declared here,
 * the worker calls only records_highest(), records_take(), stored_record_free() and the functions
 * of keeper.c.
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

/*
 * How rmmapd was started. main.c sets it before the first worker is forked. Later only the keeper
 * changes it: the socket and the lock if they were removed, and restarts and death. Each worker has
 * a copy from when it was forked.
 */
struct rmmapd {
	struct rm_options options;      /* options.rundir points to rundir once that is found */
	char rundir[RM_RUNDIR_MAX];     /* the current directory from start_take() on */
	uint8_t host[RM_ID_BYTES];      /* id of this host */
	uint64_t idle_ns;               /* --idle; 0: never leave */
	uint64_t grace_ns;              /* --grace */
	uint64_t started_ns;            /* when the keeper started */
	bool foreground;                /* --foreground */
	bool inherited;                 /* --inherit: the library started it, has opened the lock
	                                   and the listener, and waits for the outcome */
	int lock;                       /* flock()ed; open in the keeper and in its worker */
	int listener;                   /* replaced after an exit that was called off, and after
	                                   the socket was removed */
	uint64_t socket_ino, socket_dev;        /* the socket's file in rundir, to tell it from
	                                           another rmmapd's */
	int directory;                  /* the run directory, locked shared, for systemd-tmpfiles */
	int watch;                      /* inotify on it, open in the keeper only; negative: none */
	int served;                     /* --private: the socket of the only process that is
	                                   served, and lock and listener are -1; else -1 */
	uint32_t keeper_pid;
	uint32_t restarts;              /* workers that have died */
	int death;                      /* signal that ended the last worker; 0: none, or an exit */
};

/* ---- take.c: take the run directory, keep it, give it back; errors are logged ---- */

#define START_LOOK_MS 10000     /* between two calls of start_look() where there is no inotify */

/*
 * Find the run directory, enter it, lock it, and bind the socket. 0, -errno, or 1 if another
 * rmmapd serves this directory.
 */
int start_take(struct rmmapd *rmmapd);
int start_listen(struct rmmapd *rmmapd);        /* bind RM_SOCKET_NAME: 0 or -errno */
/* This listener is bound to RM_SOCKET_NAME: use it, and note which file that is. */
void start_use_socket(struct rmmapd *rmmapd, int listener);
/* Unlink the socket, unless another rmmapd has put its own in the place. */
void start_unlisten(const struct rmmapd *rmmapd);
void start_write_pid(struct rmmapd *rmmapd, int pid);   /* to the lock file, for messages */
/*
 * Check that socket and lock are still in the run directory. 0: they are. 1: they were not, so both
 * were made anew, and listener and lock are other descriptors. -EWOULDBLOCK: another rmmapd serves
 * the directory now. Other -errno: it could not be mended, and the caller may try again. With MAKE
 * the directory itself is made anew, too, if it was removed.
 */
int start_look(struct rmmapd *rmmapd, bool make);

/* ---- start.c: standard descriptors, and a start without a run directory ---- */

/* --private: have an id, and no run directory; instead of start_take(). 0 or -errno. */
int start_private(struct rmmapd *rmmapd);
/* Open the log, if there is one, as standard error, and keep the starter's pipe. 0 or -errno. */
int start_output(struct rmmapd *rmmapd);
/* In the background: standard output, and standard error without a log, go to /dev/null. */
void start_quiet(struct rmmapd *rmmapd);

/* ---- records.c: the table of records, of the keeper, and a new worker's copy of it ---- */

/* A record in the table: bytes and descriptors under a number. */
struct stored_record {
	enum record_type type;
	uint64_t number;                /* key of the table */
	void *data;                     /* allocated, also where length is 0 */
	size_t length;
	int *fds;                       /* allocated; in the order in which they were put */
	unsigned count;
	struct stored_record *next;     /* in its bucket */
};
struct records;
struct records *records_new(void);      /* NULL: no memory */
/* As keeper_put(). The descriptors become the record's, on failure too. 0 or -ENOMEM. */
int records_put(struct records *records, enum record_type type, uint64_t number,
                const void *data, size_t length, const int *fds, unsigned count);
/* Delete a record and close its descriptors. Nothing happens if there is none. */
void records_delete(struct records *records, uint64_t number);
/* The highest number that was ever put, also by earlier workers; 0: none. */
uint64_t records_highest(const struct records *records);
/* True if there is a publication or an attachment. */
bool records_in_use(const struct records *records);
/*
 * Take all records out of the table, in the order in which a worker restores them: by type, then by
 * number. A NULL ends the array. The caller frees the array and each record. NULL: no memory.
 */
struct stored_record **records_take(struct records *records);
void stored_record_free(struct stored_record *stored);  /* does not close its descriptors */

/* ---- messages between worker and keeper ---- */

enum keep_type {
	/* from the worker, see keeper.h */
	KEEP_PUT = 1,
	KEEP_DELETE,
	KEEP_TELL,
	/* From the worker: nothing is left to serve. It serves nobody until the answer comes, which
	   is KEEP_STAY or KEEP_STOP. */
	KEEP_LEAVE,
	/* From the keeper: a process has connected meanwhile, so stay. Descriptors: the listener
	   from now on, then connections. */
	KEEP_STAY,
	/* From the keeper: socket or lock were made anew. Descriptors: the listener and the lock
	   from now on. */
	KEEP_LISTEN,
	KEEP_READY,     /* from the worker: it serves */
	KEEP_STOP,      /* from the keeper: exit now */
	KEEP_DRAIN,     /* from the keeper: SIGTERM came */
};

/* The head of each message. Both ends are of one program, so the layout is the compiler's. */

struct keep_message {
	uint32_t type;                  /* enum keep_type */
	uint32_t record;                /* KEEP_PUT: enum record_type */
	uint64_t number;                /* KEEP_PUT, KEEP_DELETE: of the record */
	uint64_t length;                /* bytes of data that follow */
};

#define KEEP_MESSAGE_MAX (sizeof(struct keep_message) + RECORD_DATA_MAX)
#define KEEP_FDS_MAX 60                 /* in one message; <= RM_CHANNEL_FDS_MAX */

/* ---- keep.c: the keeper's loop ---- */

/*
 * Run a worker, in a process that the keeper has forked for it. The records are those that earlier
 * workers have left. Returns the exit status.
 */
typedef int keep_worker(const struct rmmapd *rmmapd, int keeper_socket, struct records *records);
/* Fork workers until one leaves, since nothing is left to serve. Returns the exit status. */
int keep_run(struct rmmapd *rmmapd, keep_worker *worker_run);

/* ---- keeper.c: the worker's end of the socket pair; parts of the worker use keeper.h ---- */

/* fd becomes the keeper's; numbers given out are above HIGHEST. NULL: no memory. */
struct keeper *keeper_new(int fd, uint64_t highest);
int keeper_fd(const struct keeper *keeper);     /* -1 once the keeper is dead */
void keeper_dead(struct keeper *keeper);        /* close it: nothing is sent from now on */
void keeper_serving(struct keeper *keeper);     /* send KEEP_READY: the start has succeeded */
/* Send KEEP_LEAVE and wait up to 5 s. The answer's type; KEEP_STOP if none comes. */
int keeper_leave(struct keeper *keeper, int fds[RM_CHANNEL_FDS_MAX], unsigned *count);

#endif
