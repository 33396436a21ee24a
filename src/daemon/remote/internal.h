/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * remote_internal.h - what the files of remote.h share
 *
 *   remote.c        the session with its host, lost or not
 *   remote_users.c  who has it attached, and whom its host admits
 *   remote_info.c   what others ask of it
 *   remote_claim.c  what memory its caches may take
 *   remote_cache.c  table, caches, state and record; how a new worker finds them again
 *   remote_regions.c  what the other host sent: keys of its regions, pages
 *   fetch.c         reads under way, who waits for which pages, reading again
 *   relay.c         pages from and for other hosts that read it, too
 *   sweep.c         fetching all that is absent, so much at a time
 *
 * Nobody else includes this. Worker thread only.
 */
#ifndef RM_REMOTE_INTERNAL_H
#define RM_REMOTE_INTERNAL_H

#include "attachment.h"
#include "../peer/nets.h"
#include <assert.h>

#include "cache.h"
#include "../fabric/fabric.h"
#include "../base/loop.h"
#include "../peer/peer.h"
#include "remote.h"
#include "fetch_all.h"

enum remote_state {
	REMOTE_ASKING,          /* its host was asked; nothing is known of it */
	REMOTE_READY,           /* table and caches are here */
	REMOTE_LOST,            /* no page will come any more; what is here stays */
};

enum remote_admission {
	USER_WAITS,             /* its host is to be asked whether one more reader may come */
	USER_ASKED,             /* in the question that is under way */
	USER_ADMITTED,
};

struct remote_user {            /* an attachment that has it, or waits for it */
	struct attachment *attachment;
	struct remote *remote;
	remote_done *done;              /* NULL once it was called */
	void *arg;
	uint64_t eager;                 /* see remote_attach() */
	enum remote_admission admission;
	bool due;                       /* done is to be called */
	int error;                      /* with this */
	char why[256];                  /* and this; empty: the remote's */
	struct sweep sweep;             /* under way if all is fetched first */
	struct remote_user *next;
};

struct piece {                  /* one read of at most PIECE_PAGES of one layer */
	struct fabric_read read;
	struct remote *remote;
	struct process_counters *counters;      /* of who wants it, a reference; or NULL */
	uint32_t layer;
	bool later;                     /* see struct page_wait */
	uint64_t page, count;
	uint64_t deadline;              /* of all attempts together */
	unsigned attempts;
	struct peer_ask want;          /* while a helper is asked for it */
	bool relayed;                   /* the read under way is of a helper's memory */
	struct piece *next;             /* while held, or waiting for a helper's answer */
};

struct relay {                  /* another reader's host that has pages, too; see relay.c */
	struct peer_asker *asker;       /* NULL: none was named */
	struct rm_fabric_addr helper;
	bool bad;                       /* it failed: it is not asked any more */
	unsigned refusals;              /* in a row */
	uint64_t pause_until;
	struct piece *waiting;          /* for its answer */
	uint64_t bytes, passed;         /* that came from it; that others were given here */
};

struct fetch {
	struct page_wait *waiters;  /* some of their pages are in flight */
	struct page_wait *settled;  /* to be told now */
	struct piece *held, **held_end; /* waiting for fresh keys, or for keys at all */
	struct timer held_timer;        /* the first of them gives up */
	unsigned outstanding;           /* pieces that the fabric has */
};

struct remote {
	struct remotes *remotes;
	struct rm_handle handle;
	enum remote_state state;
	int error;                      /* if lost */
	char why[256];
	struct fabric *fabric;          /* that reads it; NULL: it was not asked for yet */
	struct peer_session *session;   /* NULL: none, or ended */
	bool credit;                    /* one reader was admitted by the attach itself */
	bool admitting;                 /* more were asked for, see peer_admit() */
	bool renewing;                  /* fresh keys were asked for; reads are held */
	struct peer_region *regions;    /* ascending by layer and offset */
	unsigned region_count;
	struct remote_user *users;
	struct fetch fetch;
	const struct piece_source *source;
	struct relay relay;
	struct timer kick;              /* calls done() of the users that are due */
	bool restored;                  /* kick asks its host, see remotes_restore() */
	struct timer linger;            /* after a restart: does anybody still want it? */
	unsigned hold;                  /* callbacks under way: do not free */
	bool dying;                     /* no users; freed when the fabric has no piece */
	uint64_t created_ns;
	unsigned admitted;
	struct rm_counters counters;
	/* remote_cache.c: */
	int table_fd, state_fd;         /* -1 until ready; for the state see make_state() */
	uint64_t table_size;
	void *table_map;
	struct rm_table table;
	uint64_t *state_map;
	size_t state_size;
	struct cache *caches;           /* table.layer_count */
	uint64_t **shown;               /* shown.h: the pages that are fetched */
	uint64_t data_bytes;            /* of these */
	uint64_t absent;                /* pages of data that are not here, all layers */
	uint64_t made;                  /* pages that are here, or being read; see remote_claim.c */
	uint64_t claimed;               /* these, and those promised: at least made */
	uint64_t record;                /* the keeper's number, and the generation; 0: none */
	uint64_t origin;                /* the record's number when it was first made */
	struct remote *next;
};

/* What remote.c does for the files below it. */
struct remote_ops {
	/* Reads fail, or there is no session after a restart: get keys, then fetch_renewed(). */
	void (*renew)(struct remote *remote);
	void (*drop)(struct remote *remote);    /* nobody has it any more */
	void (*idle)(struct remote *remote);    /* and no read is under way: it may be freed */
};

/* Who can have pieces read from another host than the publisher's: helper.c. */
struct piece_source {
	bool (*take)(struct piece *piece);      /* true: it is asked; fetch_relayed() or
	                                           fetch_direct() follows, later */
	void (*over)(struct piece *piece, int error);   /* the read of its memory has ended */
	/* Lost, or dropped: the pieces that wait for an answer are the caller's to settle. */
	struct piece *(*stop)(struct remote *remote);
};

struct remotes {
	const struct remote_ops *ops;
	struct context *context;
	struct nets *nets;
	struct remote *first;
};

/* ---- remote.c ---- */
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

/* ---- remote_users.c ---- */
/* It has its attachment already if there is no done. */
void user_add(struct remote *remote, struct attachment *attachment, uint64_t eager,
              remote_done *done, void *arg);
/* The remote's state changed, or a user came: ask for those who wait, begin what they need. */
void users_start(struct remote *remote);
void users_admitted(void *remote, int error, const char *why, unsigned count);
void remote_kick(struct remote *remote);
void users_tell(struct remote *remote);         /* from remote->kick: call done() of the due */

/* ---- remote_cache.c ---- */
/* Take the table and make its caches, put the record. 0 or -errno. */
int remote_build(struct remote *remote, const void *table, size_t size, const char **why);
/* The same from what an earlier worker left: takes the descriptors, and replaces the record. */
int remote_rebuild(struct remote *remote, const struct record *record);
const struct rm_handle *remote_record_handle(const struct record *record); /* NULL: not ours */
void remote_unbuild(struct remote *remote);     /* no read may be under way */
/* The region that has this offset of a layer; NULL: none has. */
struct peer_region *fetch_region(const struct remote *remote, uint32_t layer, uint64_t offset);

/* ---- remote_regions.c ---- */
/* Take the regions, checked to cover all pages of data. 0 or -errno. */
int remote_regions(struct remote *remote, const struct peer_region *regions, unsigned count,
                   const char **why);
/* Some of them have their keys now, or other ones. */
int remote_keys(struct remote *remote, const struct peer_region *regions, unsigned count,
                const char **why);
/* All pages with data, one after the other: those that are absent are taken. 0 or -errno. */
int remote_take(struct remote *remote, const uint8_t *data, size_t size, const char **why);

/* ---- remote_claim.c ---- */
/* So many pages are about to be made: 0 or -ENOSPC, see limit_promise(). */
int claim_pages(struct remote *remote, uint64_t pages);
int claim_all(struct remote *remote);   /* whoever comes now fetches all: the same */
/* Is there room for pages at all? Nothing is claimed. */
int claim_some(struct remote *remote);
void claim_found(struct remote *remote, uint64_t pages);        /* these are here, unasked */
void claim_return(struct remote *remote, uint64_t pages);       /* these were not read */
/* A user came to the end of fetching all: what was promised and not made is given back. */
void claim_trim(struct remote *remote);
void claim_free(struct remote *remote); /* its caches go */

/* ---- count.c ---- */
/* These pages came, by so many reads, for a process or (NULL) for none. */
void fetch_count(struct remote *remote, struct process_counters *counters, unsigned reads,
                 uint64_t pages);
/* ---- fetch.c ---- */
void fetch_init(struct remote *remote);
void fetch_renewed(struct remote *remote);      /* post what was held */
/* The regions of what is held, for peer_events.wants: their count. */
unsigned fetch_wants(const struct remote *remote, struct peer_want *wants, unsigned most);
void fetch_fail(struct remote *remote, int error);      /* give up what is held */
/* The piece once more, from the publisher's host, after a helper did not have it. */
void fetch_direct(struct piece *piece);
void fetch_relayed(struct piece *piece, struct fabric_peer *peer, uint64_t base, uint64_t key,
                   uint64_t deadline);

/* ---- helper.c ---- */
extern const struct piece_source helper_source;
void relay_begin(struct remote *remote, const struct rm_fabric_addr *helper);   /* or NULL */

/* ---- pass_on.c ---- */
extern const struct page_source pass_on_source;

#endif
