/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rundir.h - the run directory: one "host", one rmmapd
 *
 * RMMAP_RUNDIR, else $XDG_RUNTIME_DIR/rmmap if that exists and is ours, else
 * /run/user/UID/rmmap if /run/user/UID is ours, else /tmp/rmmap-UID. It is
 * created if its parent allows, and must be a directory of ours with mode 0700
 * and no link. Used by the library, rmmapd and rmmap. Does not allocate.
 */
#ifndef RM_RUNDIR_H
#define RM_RUNDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "options.h"

#define RM_RUNDIR_MAX 96        /* such that every socket's path fits sun_path */
#define RM_SOCKET_NAME "rmmapd.sock"
#define RM_LOCK_NAME "rmmapd.lock"
#define RM_SLOTS_NAME "slots"   /* one byte a slot, claimed by OFD locks */
#define RM_MOVE_KEY_NAME "move.key" /* hosts that have the same one take publications over */
#define RM_HOST_NAME "host"     /* 16 random bytes: the id of this "host" */

/*
 * Find (and with create, make) the run directory; path gets it without a
 * trailing slash. 0, or -errno with a sentence in why that names the path and the remedy:
 * -ENAMETOOLONG, -EACCES (not writable, somebody else's, a link, or mode not
 * 0700), -ENOENT (create false and not there), other errno of mkdir.
 */
int rm_rundir_find(const struct rm_options *options, bool create, char path[RM_RUNDIR_MAX],
                   char *why, size_t why_size);

/* Connect to the socket in path: a descriptor (CLOEXEC), or -errno. Does not start anything. */
int rm_rundir_connect(const char *path);

/* ---- rundir_serve.c: to become the one that serves it ---- */

/*
 * Connect to whoever serves path, or take its lock where nobody does; where the lock is
 * another's and nobody listens, wait until that changes. 0: either *connection is a
 * descriptor, or *lock is, and then the caller is to listen; the other is -1. -EBUSY: neither
 * by the deadline; other -errno.
 */
int rm_rundir_join(const char *path, uint64_t deadline, int *connection, int *lock);
/*
 * Take the lock of path, without waiting: 0, or -EWOULDBLOCK (another has it), or other -errno.
 * *lock is its file, opened if it is -1, and the caller's to close whatever is returned. It is
 * opened once for many tries, since who waits is woken by each close.
 */
int rm_rundir_lock(const char *path, int *lock);
bool rm_rundir_lock_stands(const char *path, int lock); /* is it still the file of that name? */
void rm_rundir_holder(int lock, char pid[16]);          /* what its holder wrote, or "" */
/* The holder of the lock: a socket that listens, under its name in path, or -errno. */
int rm_rundir_listen(const char *path);
/* Does it listen? From then on what connects sees the caller's credentials. */
bool rm_rundir_listens(int fd);
/* An inotify descriptor for these events in path, or -errno; and read what it has to say. */
int rm_rundir_watch(const char *path, uint32_t events);
void rm_rundir_watched(int fd);
/* Make a file with a byte in it, and remove it: 0 or -errno. */
int rm_rundir_probe(const char *path);

#endif
