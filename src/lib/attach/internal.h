/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * internal.h - what the files of attach/ share
 *
 * attach.c asks rmmapd; attachments.c counts what is attached, and calls map.c. map.c has plan.c
 * decide which pages to map and coalesce.c in how many mappings, maps them, and has copy.c copy
 * the rest; lazy.c puts a userfaultfd over them.
 *
 * All but attach.c, ask.c and prefetch.c run under attached_lock(). Memory is struct array and own
 * pages.
 */
#ifndef RM_LIB_ATTACH_INTERNAL_H
#define RM_LIB_ATTACH_INTERNAL_H

#include "attach.h"

#pragma GCC visibility push(hidden)

/* ---- ask.c ---- */
/* Tell rmmapd. If that fails, rmmapd finds out when this process ends. number 0: do nothing. */
void attach_tell_detach(uint64_t number, unsigned era);

/* ---- attachments.c: what is attached ---- */
struct offer {                          /* a publication as rmmapd has answered */
	const uint8_t *id;              /* of the publication */
	struct rm_table table;          /* checked; in own pages, which attached_add() takes if it
	                                   returns 0 */
	const int *layer_fds;           /* one for each layer, whose file is as long as it says.
	                                   The caller closes them: mappings need none */
	bool lazy;
	uint64_t number;                /* of the attachment, given by rmmapd */
	unsigned era;                   /* which rmmapd gave it */
};
/* If this publication is attached already, count one attach more. False: it is not. */
bool attached_again(const uint8_t id[RM_ID_BYTES], uint64_t *root);
/*
 * Map it. 0: the table is in use from now on. -EEXIST: it is attached already, and was counted.
 * Else -errno with why.
 */
int attached_add(const struct offer *offer, uint64_t *own_left, char *why);
/* One attach less; after the last one the memory goes. False: root is not attached. */
bool attached_remove(uint64_t root);

/* ---- plan.c: which pages of a publication are to be mapped; pure ---- */
struct stretch {                        /* addresses without a gap */
	uint64_t addr, length;
};

struct mapped {                         /* what one attachment has mapped, or shares */
	uint64_t owner;                 /* the attachment's serial */
	struct rm_table table;          /* in own pages, until map_drop() */
	struct array runs;              /* struct run, ascending, without overlap */
	struct array stretches;         /* the same addresses: struct stretch, ascending */
	size_t mappings;                /* made for it, for the budget of later ones */
	bool lazy;                      /* pages may be absent in the runs that are not shared;
	                                   false again after map_settled() */
};

struct conflict {
	uint64_t addr, owner;           /* which attachment differs at addr; 0: the own heap */
};

/*
 * Cut the table's segments into runs. Memory in the own ranges (struct heap_range, ascending) that
 * may be left to them is left out. Runs that one of all_mapped (struct mapped) has mapped already
 * are marked as shared: see plan.c. published: what this process's last publish said of attached
 * memory (owner: the latest attachment at that time), or NULL. 0, -EADDRINUSE with conflict, or
 * -ENOMEM.
 */
int plan_attach(const struct rm_table *table, const struct array *own,
                const struct array *all_mapped, const struct mapped *published,
                struct array *runs, uint64_t *own_pages_left, struct conflict *conflict);
/* Append the stretches of these runs. 0 or -ENOMEM. */
int plan_stretches(const struct array *runs, struct array *stretches);
/*
 * The first part of [*from, to) that only this owner has: moves *from there, and sets *length.
 * False: no such part is left. Allocates nothing.
 */
bool plan_sole(const struct array *all_mapped, uint64_t owner, uint64_t *from, uint64_t to,
               uint64_t *length);
/* Where the stretch that contains addr ends; 0: none does. */
uint64_t plan_end(const struct mapped *mapped, uint64_t addr);
/* Does addr lie in one of the own ranges? */
bool plan_own(const struct array *own, uint64_t addr);

/* ---- coalesce.c: how many runs become few mappings; pure ---- */
#define COALESCED_ANONYMOUS UINT32_MAX
#define COALESCE_EACH 16        /* up to a 16th of the budget, runs are mapped one by one */

struct coalesced {                      /* a mapping to be */
	uint64_t addr, length, offset;
	uint32_t layer;                 /* index in the table, or COALESCED_ANONYMOUS */
	size_t first, end;              /* indexes of the runs that it holds: [first, end) */
};

/*
 * Plan about `budget` mappings, and one for each long run, that hold all runs that are not shared.
 * *mappings gets struct coalesced, ascending. 0 or -ENOMEM.
 */
int coalesce_plan(const struct array *runs, size_t budget, struct array *mappings);
/* Does the mapping show this run's content? Otherwise the run is copied into it. */
bool coalesced_covers(const struct coalesced *mapping, const struct run *run);
/* Append what is to be copied, as struct run, ascending. 0 or -ENOMEM. */
int coalesced_copies(const struct rm_table *table, const struct array *runs,
                     const struct array *mappings, struct array *copies);

/* ---- copy.c: copying into private mappings ---- */
/* Copy the runs. 0, or -errno when some are copied and some are not. */
int copy_runs(const struct array *copies, const int *layer_fds, uint32_t layers);

/* ---- map.c: the mappings of what is attached ---- */
/*
 * Plan and map for this owner, all or nothing. The table belongs to map.c afterwards. 0, or -errno
 * with why or, if two publications differ, with conflict.
 */
int map_snapshot(const struct offer *offer, uint64_t owner, uint64_t *own_left,
                 struct conflict *conflict, char *why);
void map_drop(uint64_t owner);          /* unmap what only this owner uses; free its table */
void map_nothing(uint64_t owner);       /* in a child: SIGBUS where mappings were not inherited */
bool map_lends(uint64_t owner);         /* does another use memory that this one mapped? */
void map_settled(uint64_t owner);       /* nothing is absent in it any more */
bool map_any(void);                     /* is anything attached? takes no lock */
const struct mapped *map_of(uint64_t owner);      /* NULL if there is none */
const struct array *map_all_mapped(void);

/* ---- lazy.c: a userfaultfd over an attachment, served by rmmapd ---- */
struct lazy_link {                      /* between a lazy attachment and its pager in rmmapd */
	bool active;                    /* the descriptors are set, and pages may be absent; all
	                                   other fields are void while it is false */
	struct fd_mark uffd, lifeline;  /* marked, since a program may close any descriptor: another
	                                   file under the number must not be used or closed */
	int pager_end;                  /* the lifeline's other end; -1 once it is handed over */
	int ranges;                     /* a list of what is registered; -1: everything is, or it
	                                   is handed over */
	uint32_t features;              /* RM_UFFD_ bits */
};

/* Register the runs that are not shared: their absent pages wait for rmmapd. 0 or -errno. */
int lazy_register(struct lazy_link *lazy, const struct mapped *mapped);
/* Send RM_LAZY: rmmapd serves them from now on. 0, -ESTALE, or -errno with why. */
int lazy_hand_over(struct lazy_link *lazy, uint64_t attachment, unsigned era, char *why);
/* Send RM_COMPLETE. 0 when every page is here; attachment 0 means all of this process's. */
int lazy_complete(uint64_t attachment, unsigned era);
/* No page of these runs is absent any more: make those that are not shared ordinary memory. */
void lazy_release(struct lazy_link *lazy, const struct array *runs);
void lazy_close(struct lazy_link *lazy);

#pragma GCC visibility pop

#endif
