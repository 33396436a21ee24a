/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * internal.h - what the files of attach/ share
 *
 *   attach.c       the public calls: ask rmmapd, map
 *   ask.c          telling rmmapd of a detach
 *   attachments.c  which publications are attached, counted
 *   plan.c         which pages of one are to be mapped; pure
 *   coalesce.c     how many mappings that is; pure
 *   map.c, copy.c  mapping them, and copying short runs in
 *   lazy.c         a userfaultfd over what is mapped
 *   contents.c     what all attachments together hold
 *   prefetch.c     the public call
 *
 * All but attach.c's under attachments.c's lock.
 */
#ifndef RM_LIB_ATTACH_INTERNAL_H
#define RM_LIB_ATTACH_INTERNAL_H

#include "attach.h"

#pragma GCC visibility push(hidden)

/* ---- ask.c ---- */
/* Where rmmapd cannot be told it finds out when this process ends. */
void attach_tell_detach(uint64_t number, unsigned era);

/* ---- attachments.c: what is attached ---- */
struct offer {                          /* what rmmapd has for us */
	const uint8_t *id;              /* of the publication */
	struct rm_table table;          /* checked; its memory is own_pages() */
	const int *layer_fds;           /* as many as it says, as long as it says */
	bool lazy;
	uint64_t number;                /* rmmapd's for the attachment */
	unsigned era;
};
/* Is it attached already? Then it counts once more. */
bool attached_again(const uint8_t id[RM_ID_BYTES], uint64_t *root);
/*
 * Map it. 0, and the table is kept; -EEXIST if it is attached already, and was counted;
 * -errno with why.
 */
int attached_add(const struct offer *offer, uint64_t *own_left, char *why);
/* One attach less; with the last one the memory goes. False if root is not attached. */
bool attached_remove(uint64_t root);

/* ---- plan.c: which pages of a publication are to be mapped; pure ---- */
struct stretch {                        /* addresses without a gap */
	uint64_t addr, length;
};

struct mapped {                        /* what one attachment has */
	uint64_t owner;                 /* its serial */
	struct rm_table table;
	struct array runs;              /* struct run, ascending */
	struct array stretches;         /* the same, joined: struct stretch, ascending */
	size_t mappings;                /* made for it */
	bool lazy;                      /* pages may be absent still in what is not shared */
};

struct conflict {
	uint64_t addr, owner;           /* who has other content at addr; 0: the own heap */
};

/*
 * Cut the table's segments into runs, leaving out what lies in the own ranges (ascending) and
 * may be left to them, and marking what one of holdings (array of struct mapped) has mapped
 * already: see plan.c. published: what this process said of memory that it had attached when
 * it last published (owner: the last attachment then), or NULL. 0; -EADDRINUSE with conflict;
 * -ENOMEM.
 */
int plan_attach(const struct rm_table *table, const struct array *own,
                const struct array *all_mapped, const struct mapped *published,
                struct array *runs, uint64_t *own_pages_left, struct conflict *conflict);
/* Join runs into stretches. 0 or -ENOMEM. */
int plan_stretches(const struct array *runs, struct array *stretches);
/*
 * The first part of [*from, to) that no holding but this owner's has: false if none is left.
 * Allocates nothing.
 */
bool plan_sole(const struct array *all_mapped, uint64_t owner, uint64_t *from, uint64_t to,
               uint64_t *length);
/* Where the stretch of a holding that has addr ends; 0 if it has it not. */
uint64_t plan_end(const struct mapped *mapped, uint64_t addr);
bool plan_own(const struct array *own, uint64_t addr);

/* ---- coalesce.c: how many runs come into few mappings; pure ---- */
#define COALESCED_ANONYMOUS UINT32_MAX
#define COALESCE_EACH 16          /* below a 16th of its budget, runs are mapped one by one */

struct coalesced {                         /* a mapping to be */
	uint64_t addr, length, offset;
	uint32_t layer;                 /* index in the table, or COALESCED_ANONYMOUS */
	size_t first, end;              /* the runs that it carries */
};

/*
 * Carry all runs that are not shared in about budget mappings, and one for each long run.
 * 0 or -ENOMEM.
 */
int coalesce_plan(const struct array *runs, size_t budget, struct array *mappings);
/* Is this run what the carpet shows there, or to be copied in? */
bool coalesced_covers(const struct coalesced *mapping, const struct run *run);
/* What is to be copied in, as struct run, ascending. 0 or -ENOMEM. */
int coalesced_copies(const struct rm_table *table, const struct array *runs,
                     const struct array *mappings, struct array *copies);

/* ---- copy.c: copying into private mappings ---- */
/* 0 or -errno; then some are copied and some are not. */
int copy_runs(const struct array *copies, const int *layer_fds, uint32_t layers);

/* ---- map.c: the mappings of what is attached ---- */
/*
 * Map what the plan says for this owner, and note it; all or nothing. The table is the
 * holding's from then on. 0; -errno with why, or, if two publications differ, conflict.
 */
int map_snapshot(const struct offer *offer, uint64_t owner, uint64_t *own_left,
                 struct conflict *conflict, char *why);
void map_drop(uint64_t owner);          /* unmap what only this owner has; its table goes too */
void map_nothing(uint64_t owner);       /* SIGBUS where its mappings did not come into a child */
bool map_lends(uint64_t owner);         /* does another use memory that this one mapped? */
void map_settled(uint64_t owner);       /* nothing is absent in it any more */
bool map_any(void);                     /* without the lock */
const struct mapped *map_of(uint64_t owner);      /* NULL if there is none */
const struct array *map_all_mapped(void);

/* ---- lazy.c: a userfaultfd over an attachment, served by rmmapd ---- */
struct lazy_link {
	bool active;
	struct fd_mark uffd, lifeline;
	int pager_end;                  /* the lifeline's other end, until it is handed over */
	int ranges;                     /* a memfd of what is registered, if not all is; else -1 */
	uint32_t features;              /* RM_UFFD_ bits */
};

/* Have absent pages of what was mapped (not the shared runs) wait for rmmapd. 0 or -errno. */
int lazy_register(struct lazy_link *lazy, const struct mapped *mapped);
/* RM_LAZY: rmmapd serves them from now on. 0 or -errno with why. */
int lazy_hand_over(struct lazy_link *lazy, uint64_t attachment, unsigned era, char *why);
/* RM_COMPLETE: 0 when every page is there; attachment 0 is all of this process. */
int lazy_complete(uint64_t attachment, unsigned era);
/* Nothing is absent any more in these runs (not the shared ones): plain memory again. */
void lazy_release(struct lazy_link *lazy, const struct array *runs);
void lazy_close(struct lazy_link *lazy);

#pragma GCC visibility pop

#endif
