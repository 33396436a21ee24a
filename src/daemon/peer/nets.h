/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nets.h - the fabrics that are open, and the control between hosts on each of them
 *
 * A fabric is opened when a publish or an attach needs it. It stays open until the worker ends,
 * since handles name its address; a new worker listens at the same address. One fabric is the
 * current one: new publications name it.
 *
 * Worker thread only. May allocate with malloc. opened() is called from nets_publish(),
 * nets_reach() and nets_restore(), and from the loop when a device's port goes down.
 */
#ifndef RM_NETS_H
#define RM_NETS_H

#include <stdbool.h>
#include <stdint.h>

#include "../base/context.h"
#include "../keeper/keeper.h"

struct fabric;
struct nets;
struct page_source;
struct peers;
struct rm_fabric_addr;
struct store;

struct nets_events {
	void *arg;
	/* A fabric was opened: remote/take.c listens on it for publications of other hosts. */
	void (*opened)(void *arg, struct peers *peers);
};

/* The store's publications are served to other hosts. NULL: no memory. events may be NULL. */
struct nets *nets_new(struct context *context, struct store *store,
                      const struct nets_events *events);
/* Set what is passed on to other readers' hosts. To be called before any fabric is opened. */
void nets_pass_on(struct nets *nets, const struct page_source *source, void *arg);
/* Open the fabric of an earlier worker's record again. A failure is logged. */
void nets_restore(struct nets *nets, const struct record *record);
void nets_free(struct nets *nets);              /* close all; reads over them end with an error */

/*
 * For a publication: the control on the fabric that its handle names, which is opened if none is
 * open yet. spec is the client's RMMAP_FABRIC; if that is "", rmmapd's own counts, and if that is
 * not set, the best provider is taken. 0; -EINVAL (unknown provider, or not the one that this
 * rmmapd uses already); -EADDRNOTAVAIL, -EADDRINUSE, -EACCES (the address that spec names);
 * -EHOSTUNREACH (off, or it cannot be opened). nets_why() has the reason.
 */
int nets_publish(struct nets *nets, const char *spec, struct peers **peers);
/*
 * For an attach: the control on the fabric whose provider the handle's address names. If no
 * RMMAP_FABRIC names a provider, that fabric is opened beside those that are open. Else it is the
 * one that RMMAP_FABRIC names, and fabric_peer() refuses the address with both names. 0; -EINVAL;
 * -EPROTO (this libfabric does not have the provider); -EHOSTUNREACH.
 */
int nets_reach(struct nets *nets, const char *spec, const struct rm_fabric_addr *addr,
               struct peers **peers);
/* In words, why one of these two failed last. */
const char *nets_why(const struct nets *nets);
struct fabric *nets_fabric(const struct nets *nets);    /* the current one; NULL: none is open */

#endif
