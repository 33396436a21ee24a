/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * remote.h - publications of other hosts: one cache for all processes here
 *
 * For each remote layer one memfd, sealed F_SEAL_FUTURE_WRITE|GROW|SHRINK, that only
 * the worker writes (through its own mapping; fi_read goes straight into it), and
 * whose read-only descriptors are handed out. A bitmap of pages present lies in a memfd
 * of its own, kept by the keeper, so that a new worker goes on where the old one was.
 * Worker thread only.
 */
#ifndef RM_REMOTE_H
#define RM_REMOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "../peer/pages.h"
#include "../../common/handle.h"
#include "../../common/segment.h"
#include "../../common/wire.h"
#include "../keeper/keeper.h"
#include "../base/context.h"

struct attachment;
struct nets;
struct remote;

/* Other hosts are reached by the nets, and their pages passed on to others that ask. */
struct remotes *remotes_new(struct context *context, struct nets *nets);
/* From now on this host takes publications over that come by these; else it does not answer. */
struct peers;
void remotes_take(struct remotes *remotes, struct peers *peers);
void remotes_free(struct remotes *remotes);
uint32_t remotes_count(struct remotes *remotes);
void remotes_list(struct remotes *remotes, void (*each)(void *arg, const struct rm_pub_info *info),
                  void *arg);
void remotes_restore(struct remotes *remotes, const struct record *record);
/* The publication that such a record is of; NULL: it is none. */
const uint8_t *remote_record_id(const struct record *record);
struct remote *remotes_find(struct remotes *remotes, const uint8_t id[RM_ID_BYTES]);

/* --- for base/limit.h --- */
/* Bytes of caches that are layers of publications of this host, too. */
struct layers;
uint64_t remotes_adopted(struct remotes *remotes, struct layers *layers);
/*
 * Give up the complete caches that nobody has attached: how many bytes come free. Not while
 * records are restored: those who have them attached are not known then.
 */
uint64_t remotes_evict(struct remotes *remotes);

/*
 * Get a remote publication for an attachment. done() is called later, never from here,
 * once the table is here and, if its data is at most eager bytes, all of that: error 0 and
 * the remote (counted for the attachment), or -errno with why. Cancel by remote_detach().
 * attachment->remote is set from this call on, and NULL again after an error or a detach.
 */
typedef void remote_done(void *arg, int error, const char *why, struct remote *remote);
void remote_attach(struct remotes *remotes, struct attachment *attachment,
                   const struct rm_handle *handle, uint64_t eager, remote_done *done, void *arg);
/* After a restart: this attachment has it; count it again. */
void remote_reattach(struct remote *remote, struct attachment *attachment);
/* The attachment is over (or its remote_attach() is): uncount; the last one drops the cache. */
void remote_detach(struct attachment *attachment);

int remote_table_fd(const struct remote *remote, uint64_t *size);
uint32_t remote_layers(const struct remote *remote);
int remote_layer_fd(const struct remote *remote, uint32_t layer);       /* read-only */
/* The pages of a layer that are fetched at all; *whole: that are all with data. */
const uint64_t *remote_shown(const struct remote *remote, uint32_t layer, bool *whole);
bool remote_complete(const struct remote *remote);      /* every page of data is here */
uint64_t remote_absent(const struct remote *remote);    /* so many are not */
const char *remote_provider(const struct remote *remote);

/* --- for publications of this host that refer to layers of it --- */
/* Is this layer one of it, whose pages are here or can be asked for? */
bool remote_find_layer(const struct remote *remote, const struct rm_layer_desc *desc,
                       uint32_t *layer);
struct remote *remotes_find_layer(struct remotes *remotes, const struct rm_layer_desc *desc,
                                  uint32_t *layer);
/* It stays where it is until remote_unhold(), which may free it; attachments may all go. */
void remote_hold(struct remote *remote);
void remote_unhold(struct remote *remote);

/* --- for the pager --- */
const struct rm_table *remote_table(const struct remote *remote);
bool remote_present(const struct remote *remote, uint32_t layer, uint64_t page); /* holes are */
bool remote_wanted(const struct remote *remote, uint32_t layer, uint64_t page); /* nor asked for */
struct rm_counters *remote_counters(struct remote *remote);
/* Where the worker can read a page that is present and no hole. */
const void *remote_data(const struct remote *remote, uint32_t layer, uint64_t page);
/*
 * A worker that takes a remote over makes its incomplete caches anew, and so begins another
 * generation; a later one is a larger number, and 0 is none. Whose descriptors were sent to
 * him in a generation maps a layer's present file if that is no younger, and then its pages
 * can be mapped by UFFDIO_CONTINUE. Else he maps an earlier file, see cache.h: he gets pages
 * by copies of remote_data(), and never depends on what the present file has.
 */
uint64_t remote_generation(const struct remote *remote);
bool remote_shares(const struct remote *remote, uint32_t layer, uint64_t generation);
/* Pages of data among [page, end) of a layer that are not in its present file. */
uint64_t remote_missing(const struct remote *remote, uint32_t layer, uint64_t page,
                        uint64_t end);
/* The same for all workers that have it in turn, and no other remote's. */
uint64_t remote_origin(const struct remote *remote);
struct remote *remotes_find_origin(struct remotes *remotes, uint64_t origin);
struct context *remote_context(const struct remote *remote);
const uint8_t *remote_id(const struct remote *remote);
const char *remote_why(const struct remote *remote);    /* why it is lost, or "" */

/*
 * Have pages [page, page + count) of a layer fetched. Each caller is told of every page that
 * it waits for through remote_waiter, when it is there or can no longer be had (error).
 */
/*
 * done() may be called before this returns; error: some page of them is not there. -EAGAIN, of
 * one that is vital: there was no memory to ask for it, it may be asked for again.
 */
void remote_fetch(struct remote *remote, struct attachment *for_whom, struct page_wait *waiter);
/* No done() any more. */
void remote_forget(struct remote *remote, struct page_wait *waiter);

#endif
