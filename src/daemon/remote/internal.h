/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * internal.h - what the files of remote/ share; no other room includes it
 *
 *   remote.c     the session with its host, lost or not; the interface
 *   life.c       how long a publication stays in memory
 *   readers.c    who has it attached, and whom its host admits
 *   info.c       what others ask of it
 *   claim.c      what memory its caches may take
 *   table.c      table, caches, state and record; how a new worker finds them again
 *   regions.c    what the other host sent: keys of its regions, pages
 *   fetch.c      reads under way, who waits for which pages, reading again
 *   fetch_all.c  fetching all that is absent, a window of chunks at a time
 *   helper.c     pages from another reader's host
 *   pass_on.c    pages for other readers' hosts
 *   count.c      counters of processes
 *   huge.c       which blocks of the caches are made huge
 *   take.c       a publication that another host hands to this one
 *
 * Worker thread only. What allocates says so.
 */
#ifndef RM_REMOTE_INTERNAL_H
#define RM_REMOTE_INTERNAL_H

#include "attachment.h"
#include "../peer/nets.h"
#include "cache.h"
#include "../fabric/fabric.h"
#include "../base/loop.h"
#include "../peer/peer.h"
#include "remote.h"
#include "fetch_all.h"

enum remote_state {
	REMOTE_ASKING,          /* its host was asked; there is no table yet */
	REMOTE_READY,           /* table and caches are here */
	REMOTE_LOST,            /* no further page will come; the pages that are here stay */
};

enum remote_admission {
	USER_WAITS,             /* its host is still to be asked whether it admits one more reader */
	USER_ASKED,             /* counted in the question that is under way */
	USER_ADMITTED,
};

/*
 * An attachment that has the publication, or waits for it. In remote.users from user_add() until
 * a detach or an error; during that time attachment->remote is this remote. It is never moved:
 * fetch_all is in it.
 */
struct remote_user {
	struct attachment *attachment;  /* its owner detaches before it frees it */
	struct remote *remote;
	remote_done *done;              /* NULL once it was called */
	void *arg;
	uint64_t eager;                 /* as in remote_attach() */
	enum remote_admission admission;
	bool due;                       /* notify_timer is to call done(), with the error below */
	int error;
	char why[256];                  /* of the error; empty: remote.why has it */
	struct fetch_all fetch_all;     /* under way if it gets all pages before done() */
	struct remote_user *next;       /* in remote.users, the last to come first */
};

/*
 * One read of at most PIECE_PAGES of one layer. Its pages are marked as in flight from its
 * start until piece_settle(), which frees it. At any time exactly one of these has it: the
 * fabric (counted by fetch.outstanding), the list fetch.held, or the list helper.waiting.
 */
struct piece {
	/*
	 * The fabric's while it is outstanding. read.key stays after a read: it tells a new key
	 * of the same region from the one that failed.
	 */
	struct fabric_read read;
	struct remote *remote;
	struct process_counters *counters;      /* a reference; NULL: it counts for no process */
	uint32_t layer;
	bool later;                     /* low priority, see struct page_wait */
	/*
	 * All of these pages are absent, in flight and claimed until the piece is settled. They
	 * lie in one region as the regions were at its start; a renewal may bring others, see
	 * piece_post().
	 */
	uint64_t page, count;
	uint64_t claimed;               /* of the pages: those in huge blocks were claimed before */
	/* Set by fetch_direct(); 0 and without a meaning before, while a helper is asked. */
	uint64_t deadline;              /* of all attempts at the publisher's host together */
	unsigned attempts;              /* with the present key */
	struct fanout_want want;        /* the question to the helper; the asker's while the piece
	                                   is in helper.waiting */
	bool from_helper;               /* the read under way is of a helper's memory */
	uint32_t turn;                  /* helper.turn when the helper was asked */
	struct piece *next;             /* in held or waiting */
};

/* Another reader's host that has pages of the publication, too; see helper.c. */
struct helper {
	/*
	 * After helper_stop() this is NULL too, while reads of the helper's memory may still be
	 * under way: their end is not reported to it.
	 */
	struct fanout_ask *asker;       /* NULL: the publisher's host named none */
	uint32_t turn;                  /* changes with the asker: a read of an earlier helper's
	                                   memory may end later, and is not this one's */
	struct rm_fabric_addr address;  /* of the asker; naming it again does not undo bad */
	bool bad;                       /* it failed, and is not asked any more; asker stays, since
	                                   reads of its memory may be under way */
	unsigned refusals;              /* in a row */
	uint64_t pause_until;           /* ns: it is not asked before then; 0: at once */
	struct piece *waiting;          /* for its answer */
	uint64_t bytes;                 /* that came from helpers */
	uint64_t passed;                /* bytes that other hosts were given from here */
};

struct fetch {
	struct page_wait *waiters;      /* at least one page of each is in flight */
	struct page_wait *settled;      /* no page is in flight any more; done() is to be called */
	/*
	 * A held piece waits for keys or for a session. held_end is where the next one is linked:
	 * &held while the list is empty.
	 */
	struct piece *held, **held_end; /* waiting for keys, in the order of coming */
	struct timer held_timer;        /* the earliest deadline of those held; set exactly while
	                                   one is */
	unsigned outstanding;           /* pieces that the fabric has */
};

/*
 * A publication of another host. In remotes.first from remote_new() to remote_free(). While it is
 * ASKING there is nothing but users and a session. Once it is READY its table does not change (a
 * renewal that brings another one makes it LOST), and what table.c sets stays until it is freed.
 */
struct remote {
	struct remotes *remotes;
	struct rm_handle handle;        /* has the secret: zeroed before this is freed */
	enum remote_state state;        /* LOST is final: a new attach makes another remote */
	int error;                      /* if lost: why it was lost */
	char why[256];                  /* the same in words; or, without a loss, that memory could
	                                   not be registered for a read; "" else */
	struct fabric *fabric;          /* that reads it; NULL: its host was not asked yet */
	struct peer_session *session;   /* NULL: there is none, or it has ended */
	bool credit;                    /* the attach itself admitted one reader, not given away yet */
	bool admitting;                 /* peer_admit() is under way */
	/* No second question is asked meanwhile. Cleared by the answer, or by the loss. */
	bool renewing;                  /* fresh keys were asked for; new pieces are held */
	struct peer_region *regions;    /* malloc'd; ascending by layer and offset, and all within
	                                   their layers unless the remote is lost */
	unsigned region_count;
	struct remote_user *users;
	struct fetch fetch;
	const struct piece_source *source;
	struct helper helper;
	struct timer notify_timer;      /* calls done() of the users that are due */
	bool restored;                  /* notify_timer renews the session first: its lease with the
	                                   other host must go on after a restart */
	struct timer grace_timer;       /* after a restart: drop it if nobody has attached it by then;
	                                   when dying: is its memory still written? */
	/*
	 * A caller that goes on with the remote after a callback holds it; so a callback may
	 * detach the last user.
	 */
	unsigned hold;                  /* callbacks under way; it is not freed before 0 */
	bool dying;                     /* no users, and none may come; freed when the fabric has
	                                   no piece and no late read can come */
	uint64_t created_ns;
	unsigned admitted;              /* users of this host so far, those that have left too */
	struct rm_counters counters;

	/* Set by table.c: */
	int table_fd, state_fd;         /* -1 until ready */
	uint64_t table_size;            /* bytes of the file and of the mapping */
	void *table_map;                /* private and read-only; the file is sealed */
	struct rm_table table;          /* checked; its memory is table_map */
	uint64_t *state_map;            /* see remote_make_state(); written by this worker only */
	size_t state_size;              /* whole pages */
	struct cache *caches;           /* table.layer_count; NULL until ready */
	uint64_t **visible;             /* visible.h: the pages that are fetched */
	uint64_t data_bytes;            /* of the visible pages */
	uint64_t absent;                /* the sum of absent of all caches */
	uint64_t made;                  /* pages that are present or being read; see claim.c */
	uint64_t claimed;               /* made, and pages promised beyond them; never below made */
	uint64_t extra;                 /* of made: pages of huge blocks that are no data */
	uint64_t record;                /* the keeper's number, and the generation; 0: none */
	uint64_t origin;                /* the record's number when it was first made */
	struct remote *next;            /* in remotes.first, the last made first */
};

/* What remote.c does for the files below it. */
struct remote_ops {
	/* Get keys, or a session where there is none, then call fetch_renewed(). */
	void (*renew)(struct remote *remote);
	/* Nobody has it any more: it must have no users. It is freed, now or later. */
	void (*drop)(struct remote *remote);
	/* It is dying, no callback is under way, and the fabric has no piece: it may be freed. */
	void (*idle)(struct remote *remote);
};

/* Has pieces read from another host than the publisher's: helper.c. */
struct piece_source {
	/*
	 * True: the piece waits for the helper's answer, and fetch_from_helper() or fetch_direct()
	 * is called for it later. False: the caller reads it from the publisher's host.
	 */
	bool (*take)(struct piece *piece);
	void (*over)(struct piece *piece, int error);   /* the read of a helper's memory has ended */
	/* The remote is lost or dropped. The caller settles the pieces that this returns. */
	struct piece *(*stop)(struct remote *remote);
};

struct remotes {
	const struct remote_ops *ops;
	struct context *context;
	struct nets *nets;
	struct remote *first;           /* linked by next; dying ones included */
	uint64_t huge_refused;          /* blocks that the kernel did not make huge */
	uint64_t huge_pause_ns;         /* none is tried before then */
};

struct block_claim {            /* the memory of a block that is made huge */
	uint64_t absent;                /* its pages that are data, and absent: as for reads */
	uint64_t extra;                 /* its pages that are no data, or lie behind the layer */
	uint64_t promised;              /* what claim_block() claimed anew; the rest was promised */
};

/* ---- remote.c, through remote_ops ---- */
static inline void remote_renew(struct remote *remote)
{
	remote->remotes->ops->renew(remote);
}

static inline void remote_drop(struct remote *remote)
{
	remote->remotes->ops->drop(remote);
}

/* ---- life.c ---- */
/* Are all of its pages here, or being fetched? */
bool remote_whole(const struct remote *remote);

/* ---- readers.c ---- */
/* Add a user; allocates. done NULL: an earlier worker admitted it, and it has been told. */
void user_add(struct remote *remote, struct attachment *attachment, uint64_t eager,
              remote_done *done, void *arg);
/* After a change of state, or when a user came: start what each user needs, ask for admission. */
void users_start(struct remote *remote);
/* The answer to peer_admit(): count users are admitted, or none (error). */
void users_admitted(void *remote, int error, const char *why, unsigned count);
/*
 * Start notify_timer. done() comes from it, never from inside remote_attach(), whose caller is
 * not ready for the call before it has returned.
 */
void remote_notify(struct remote *remote);
void users_tell(struct remote *remote);         /* from notify_timer: call done() of the due */

/* ---- table.c: allocates ---- */
/* Copy and check the table, make its caches, put the record. 0 or -errno. */
int remote_build(struct remote *remote, const void *table, size_t size, const char **why);
/*
 * The same from an earlier worker's record. Takes its descriptors, and replaces it by a record
 * of its own. 0 or -errno; the earlier record is deleted in both cases.
 */
int remote_rebuild(struct remote *remote, const struct record *record);
/* NULL: the record is not one of a remote. */
const struct rm_handle *remote_record_handle(const struct record *record);
/* Undo either, or a part of it. No read may be under way. */
void remote_unbuild(struct remote *remote);
/* The region that has this offset of a layer; NULL: none has. */
struct peer_region *fetch_region(const struct remote *remote, uint32_t layer, uint64_t offset);

/* ---- regions.c: allocates; everything here comes from another host ---- */
/* Replace the regions, after a check that they cover all visible pages. 0 or -errno. */
int remote_regions(struct remote *remote, const struct peer_region *regions, unsigned count,
                   const char **why);
/* Update the keys of some regions. 0 or -EPROTO. */
int remote_keys(struct remote *remote, const struct peer_region *regions, unsigned count,
                const char **why);
/* Data of all visible pages, one after the other: take those that are absent. 0 or -errno. */
int remote_take(struct remote *remote, const uint8_t *data, size_t size, const char **why);

/* ---- claim.c ---- */
/* This many pages are about to be made. 0 or -ENOSPC, see limit_promise(). */
int claim_pages(struct remote *remote, uint64_t pages);
/* Promise memory for all pages, to a user who fetches all. 0 or -ENOSPC. */
int claim_all(struct remote *remote);
/* Is there memory for a few pages? Claims nothing. 0 or -ENOSPC. */
int claim_some(struct remote *remote);
/* These pages are here already, without a claim before. */
void claim_found(struct remote *remote, uint64_t pages);
/* These pages were claimed by claim_pages() and could not be read. */
void claim_return(struct remote *remote, uint64_t pages);
/* A user has finished fetching all: give back what is promised beyond made, if no other does. */
void claim_trim(struct remote *remote);
/*
 * A block is about to be made huge; its absent pages are not claimed again when they are read.
 * Frees nothing to get there, since it can be done without. 0 or -ENOSPC.
 */
int claim_block(struct remote *remote, struct block_claim *claim);
/* It was not made. */
void claim_unblock(struct remote *remote, const struct block_claim *claim);
/* The caches are about to go: give back everything. */
void claim_free(struct remote *remote);

/* ---- huge.c ---- */
bool huge_wanted(const struct remotes *remotes);        /* does RMMAP_HUGE allow any? */
uint64_t huge_dense(const struct remotes *remotes);     /* pages of data that a block must have */
/* These pages are about to be fetched whole: make their blocks huge, where that is possible. */
void huge_ahead(struct remote *remote, uint32_t layer, uint64_t page, uint64_t count);
/* A process is about to be given the layers, to be served by a userfaultfd. */
void huge_for_lazy(struct remote *remote);
/* Pages by the bitmap had are about to be copied from the last worker's file. */
void huge_for_inherited(struct remote *remote, uint32_t layer, const uint64_t *had);

/* ---- count.c ---- */
/* Count pages that came by this many reads, for the remote and for a process (or NULL). */
void fetch_count(struct remote *remote, struct process_counters *counters, unsigned reads,
                 uint64_t pages);

/* ---- fetch.c ---- */
void fetch_init(struct remote *remote);
void fetch_renewed(struct remote *remote);      /* keys are here: post the pieces that were held */
/* Which regions the held pieces need, for peer_events.wants. Returns how many ranges. */
unsigned fetch_wants(const struct remote *remote, struct peer_want *wants, unsigned most);
/* Settle, with this error, the pieces that are held or wait for a helper. */
void fetch_fail(struct remote *remote, int error);
/*
 * Read the piece from the publisher's host. helper.c calls it if a helper does not have it. The
 * piece may be settled, and so be freed, before this returns.
 */
void fetch_direct(struct piece *piece);
/* Read the piece from a helper's memory, at base with this key. */
void fetch_from_helper(struct piece *piece, struct fabric_peer *peer, uint64_t base, uint64_t key,
                       uint64_t deadline);

/* ---- helper.c ---- */
extern const struct piece_source helper_source;
/* The publisher's host has named a helper, or (NULL) none. Naming the same again is no change. */
void helper_begin(struct remote *remote, const struct rm_fabric_addr *address);

/* ---- pass_on.c ---- */
extern const struct page_source pass_on_source;

#endif
