/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rundir.h - the run directory: processes that share one are one "host" with one rmmapd
 *
 * It is RMMAP_RUNDIR; else $XDG_RUNTIME_DIR/rmmap if XDG_RUNTIME_DIR is a private directory
 * of this user; else /run/user/UID/rmmap under the same condition; else /tmp/rmmap-UID. It
 * must be a directory of this user with mode 0700, and no symbolic link.
 *
 * The library, rmmapd and rmmap use it. Any thread; nothing allocates.
 */
#ifndef RM_RUNDIR_H
#define RM_RUNDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "options.h"

#define RM_RUNDIR_MAX 96        /* NUL included; the socket's path then fits sun_path */
#define RM_SOCKET_NAME "rmmapd.sock"
#define RM_LOCK_NAME "rmmapd.lock"
#define RM_SLOTS_NAME "slots"   /* byte N stands for slot N; an OFD lock on it is the claim */
#define RM_MOVE_KEY_NAME "move.key" /* rmmap move works between hosts that have the same key */
#define RM_HOST_NAME "host"     /* 16 random bytes: the id of this "host" */

/*
 * Find the run directory and check it; create it first if create is true. path has no slash at
 * its end. 0, or -errno with a sentence in why that names the path and the remedy: -EINVAL (not
 * an absolute path), -ENAMETOOLONG, -EACCES (not writable, of another user, a link, or another
 * mode than 0700), -ENOENT (absent, and create is false), other errors of mkdir().
 */
int rm_rundir_find(const struct rm_options *options, bool create, char path[RM_RUNDIR_MAX],
                   char *why, size_t why_size);

/*
 * Connect to the rmmapd of this run directory, which must be of the same user. A descriptor
 * (CLOEXEC), or -errno. Starts nothing. Waits up to 5 s while the backlog is full.
 */
int rm_rundir_connect(const char *path);

/* ---- rundir_serve.c: becoming the rmmapd of a run directory ---- */

/*
 * Connect to the rmmapd of path, or take the lock if there is none. While another process has
 * the lock and does not listen yet, wait. Returns 0 with exactly one of the two descriptors set
 * and the other -1; with *lock set, the caller has to listen. -EBUSY if neither was possible by
 * the deadline; other -errno.
 */
int rm_rundir_join(const char *path, uint64_t deadline, int *connection, int *lock);
/*
 * Take the lock of path without waiting. 0; -EWOULDBLOCK if another process has it; other -errno.
 * *lock is the lock file; it is opened if it is -1, and the caller closes it in any case. Keep it
 * open between attempts: each close wakes the processes that wait.
 */
int rm_rundir_lock(const char *path, int *lock);
/*
 * Open a file of the run directory for reading and writing, made if it is not there, so that its
 * owner can open it again whatever the umask is. A descriptor or -errno.
 */
int rm_rundir_open(const char *name);
/* True if the lock's file still has its name: a lock on a removed file excludes nobody. */
bool rm_rundir_lock_stands(const char *path, int lock);
/* The pid that the lock's holder wrote into it, or "". */
void rm_rundir_holder(int lock, char pid[16]);
/* Only the lock's holder may call: bind and listen. A socket (CLOEXEC, non-blocking) or -errno. */
int rm_rundir_listen(const char *path);
/*
 * True if fd is a listening socket. It then listens again in this process's name, so that clients
 * that connect see this process's credentials.
 */
bool rm_rundir_listens(int fd);
/* An inotify descriptor for these events in path, or -errno. */
int rm_rundir_watch(const char *path, uint32_t events);
/* Discard the events that it has. */
void rm_rundir_watched(int fd);
/* Test if the directory takes a file: create one with a byte in it, remove it. 0 or -errno. */
int rm_rundir_probe(const char *path);

#endif
