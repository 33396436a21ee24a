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

#include <stddef.h>

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

#endif
