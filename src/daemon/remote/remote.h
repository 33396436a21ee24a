/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * remote.h - publications of other hosts: one cache for all processes of this host
 *
 * Each layer of such a publication has one memfd (cache.h). Only the worker writes it; fi_read
 * goes straight into the worker's mapping. Processes get read-only descriptors. The bitmaps of
 * present pages lie in a memfd of their own, which the keeper keeps, so that a new worker
 * continues where the last one was.
 *
 * Called by pager/, local/ and worker/. Worker thread only. Allocates with malloc; what a fault
 * needs comes from base/reserve.h where malloc fails.
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

/* Reaches other hosts by nets, and passes pages on to hosts that ask. NULL: no memory. */
struct remotes *remotes_new(struct context *context, struct nets *nets);
/*
 * From now on this host takes over publications that other hosts hand to it by peers. Without
 * this call it does not answer such requests.
 */
struct peers;
void remotes_take(struct remotes *remotes, struct peers *peers);
void remotes_free(struct remotes *remotes);             /* NULL is allowed */
uint32_t remotes_count(struct remotes *remotes);
/*
 * Bytes of all caches that are in huge pages, filled or not. *refused: how many times the kernel
 * made none.
 */
uint64_t remotes_huge(const struct remotes *remotes, uint64_t *refused);
/* Describe each publication that is attached, for rmmap list. */
void remotes_list(struct remotes *remotes, void (*each)(void *arg, const struct rm_pub_info *info),
                  void *arg);
/* After a restart: take over a record of RECORD_REMOTE. */
void remotes_restore(struct remotes *remotes, const struct record *record);
/* The id of the publication that such a record is of; NULL: the record is malformed. */
const uint8_t *remote_record_id(const struct record *record);
/* The one with this id that is ready, or NULL. */
struct remote *remotes_find(struct remotes *remotes, const uint8_t id[RM_ID_BYTES]);

/* --- for base/limit.h --- */
/* Bytes of caches that are also layers of publications of this host. */
struct layers;
uint64_t remotes_adopted(struct remotes *remotes, struct layers *layers);
/*
 * Drop the complete caches that nobody has attached. Returns how many bytes come free. Must not
 * be called while records are restored: attachments are not known then.
 */
uint64_t remotes_evict(struct remotes *remotes);

/*
 * Get a remote publication for an attachment. done() is called later, never from here: with
 * error 0 when its host has admitted the attachment and the table is here, and, if the data is
 * at most eager bytes, all data; else with -errno and why. remote_detach() cancels the call.
 * attachment->remote is set from this call on, and NULL again after an error or a detach.
 */
typedef void remote_done(void *arg, int error, const char *why, struct remote *remote);
void remote_attach(struct remotes *remotes, struct attachment *attachment,
                   const struct rm_handle *handle, uint64_t eager, remote_done *done, void *arg);
/* After a restart: an earlier worker gave it to this attachment. Count it again. */
void remote_reattach(struct remote *remote, struct attachment *attachment);
/*
 * End an attachment, or its remote_attach(). The last one drops the remote. Nothing if the
 * attachment has none.
 */
void remote_detach(struct attachment *attachment);

/* Descriptors stay the remote's. */
int remote_table_fd(const struct remote *remote, uint64_t *size);
uint32_t remote_layers(const struct remote *remote);
int remote_layer_fd(const struct remote *remote, uint32_t layer);       /* read-only */
/* Bitmap of the pages of a layer that are ever fetched. *whole: these are all pages with data. */
const uint64_t *remote_visible(const struct remote *remote, uint32_t layer, bool *whole);
bool remote_complete(const struct remote *remote);      /* every page of data is here */
uint64_t remote_absent(const struct remote *remote);    /* the number of pages that are not */
const char *remote_provider(const struct remote *remote);

/* --- for publications of this host that refer to its layers --- */
/* Has it this layer, and are the pages here or can be fetched? Then its number. */
bool remote_find_layer(const struct remote *remote, const struct rm_layer_desc *desc,
                       uint32_t *layer);
struct remote *remotes_find_layer(struct remotes *remotes, const struct rm_layer_desc *desc,
                                  uint32_t *layer);
/*
 * Keep it in memory until remote_unhold(), even if all attachments end. remote_unhold() may free
 * it.
 */
void remote_hold(struct remote *remote);
void remote_unhold(struct remote *remote);

/* --- for the pager --- */
const struct rm_table *remote_table(const struct remote *remote);
/* Is the page here? A hole is. */
bool remote_present(const struct remote *remote, uint32_t layer, uint64_t page);
/* Is the page absent, and not in flight either? */
bool remote_wanted(const struct remote *remote, uint32_t layer, uint64_t page);
struct rm_counters *remote_counters(struct remote *remote);
/*
 * Is the page in a block that was made huge? Then all pages of that block exist in the file, filled
 * or not.
 */
bool remote_is_huge(const struct remote *remote, uint32_t layer, uint64_t page);
/* The worker's mapping of a page that is present and not a hole. */
const void *remote_data(const struct remote *remote, uint32_t layer, uint64_t page);
/*
 * A worker that takes over a remote makes the incomplete caches anew: that begins a new
 * generation, with a larger number; 0 is none. A process maps the files of the generation in
 * which it was sent the descriptors. If a layer's file is of that generation or older, the
 * process maps it, and its pages can be mapped by UFFDIO_CONTINUE (remote_shares()). Otherwise
 * the process maps an earlier file: it gets copies of remote_data(), and never depends on what
 * the present file has.
 */
uint64_t remote_generation(const struct remote *remote);
bool remote_shares(const struct remote *remote, uint32_t layer, uint64_t generation);
/* Pages of data among [page, end) of a layer that are not in its present file. */
uint64_t remote_missing(const struct remote *remote, uint32_t layer, uint64_t page,
                        uint64_t end);
/* A number that stays the same from worker to worker, and that no other remote has. */
uint64_t remote_origin(const struct remote *remote);
struct remote *remotes_find_origin(struct remotes *remotes, uint64_t origin);
struct context *remote_context(const struct remote *remote);
const uint8_t *remote_id(const struct remote *remote);
const char *remote_why(const struct remote *remote);    /* why it is lost, or "" */

/*
 * Have the waiter's pages fetched, as far as they are absent and not in flight already.
 * waiter->done() is called once, perhaps before this returns, when all pages are settled: with 0,
 * or an error if at least one page did not come. For a vital waiter, -EAGAIN means that there was
 * no memory to ask: the caller may try again. for_whom: for whom the reads count, or NULL.
 */
void remote_fetch(struct remote *remote, struct attachment *for_whom, struct page_wait *waiter);
/* Stop waiting, without a call of done(). */
void remote_forget(struct remote *remote, struct page_wait *waiter);

#endif
