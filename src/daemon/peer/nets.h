/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nets.h - the fabrics that are open, and the control between hosts on each of them
 *
 * A fabric is opened when somebody needs it and stays open until the worker ends, since
 * handles name its address; a new worker listens where the last one did. One of them is the
 * current one: publications name it. Worker thread only; allocates.
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
	/* A fabric was opened: who takes publications over from other hosts listens on it. */
	void (*opened)(void *arg, struct peers *peers);
};

/* NULL: no memory. Publications of the store are served to other hosts. */
struct nets *nets_new(struct context *context, struct store *store,
                      const struct nets_events *events);
/* What is passed on to other readers' hosts; before any fabric is opened. */
void nets_pass_on(struct nets *nets, const struct page_source *source, void *arg);
void nets_restore(struct nets *nets, const struct record *record);
void nets_free(struct nets *nets);              /* closes all; who reads over them is told */

/*
 * For a publication: control on the fabric that it names, which is opened if none is open yet.
 * spec is a client's RMMAP_FABRIC ("": rmmapd's own, else chosen). 0; -EINVAL (unknown
 * provider, or another one than this rmmapd already uses); -EHOSTUNREACH (off, or it cannot
 * be opened). nets_why() has the reason.
 */
int nets_publish(struct nets *nets, const char *spec, struct peers **peers);
/*
 * For an attach: control on the fabric whose provider a handle names. Where nobody has said
 * which fabric to use, it is opened beside those that are open; else it is what RMMAP_FABRIC
 * names, and the attach is refused with both names. Errors as above.
 */
int nets_reach(struct nets *nets, const char *spec, const struct rm_fabric_addr *addr,
               struct peers **peers);
/* Why one of these two failed last, in words. */
const char *nets_why(const struct nets *nets);
struct fabric *nets_fabric(const struct nets *nets);    /* the current one; NULL: none is open */

#endif
