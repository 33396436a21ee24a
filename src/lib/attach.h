/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * attach.h - what attach.c, attached.c, map.c, plan.c and lazy.c share
 *
 * All but attach.c's under attached.c's lock. Nothing here allocates but through struct array.
 */
#ifndef RM_LIB_ATTACH_H
#define RM_LIB_ATTACH_H

#include "internal.h"

/* ---- attach.c: asking rmmapd ---- */
/* Where rmmapd cannot be told it finds out when this process ends. */
void attach_tell_detach(uint64_t number, unsigned era);

/* ---- attached.c: what is attached ---- */
struct offer {                          /* what rmmapd has for us */
	const uint8_t *id;              /* of the publication */
	struct rm_table table;          /* checked */
	const int *layer_fds;           /* as many as it says, as long as it says */
	bool lazy;
	uint64_t number;                /* rmmapd's for the attachment */
	unsigned era;
};
/* Is it attached already? Then it counts once more. */
bool attached_again(const uint8_t id[RM_ID_BYTES], uint64_t *root);
/* Map it. 0; -EEXIST if it is attached already, and was counted; -errno with why. */
int attached_add(const struct offer *offer, uint64_t *own_left, char *why);
/* One attach less; with the last one the memory goes. False if root is not attached. */
bool attached_remove(uint64_t root);

/* ---- plan.c: which pages of a publication are to be mapped; pure ---- */
struct run {                            /* pages of one layer that follow one another */
	uint64_t addr, length, offset;
	uint32_t layer;                 /* index in the table */
	bool shared;                    /* another attachment has mapped the same content there */
};

struct piece {                          /* a run of an attachment */
	uint64_t addr, length, offset;
	uint8_t layer[RM_ID_BYTES];
	uint64_t owner;                 /* the attachment's serial */
	bool shared;                    /* it was mapped by another attachment */
};

struct conflict {
	uint64_t addr, owner;           /* who has other content at addr; 0: the own heap */
};

/*
 * Cut a checked table's segments into runs, leaving out what lies in the own
 * ranges (ascending) and may be left to them: see plan.c. 0; -EADDRINUSE with conflict; -ENOMEM.
 */
int plan_attach(const struct rm_table *table, const struct array *own,
                const struct array *pieces, struct array *runs, uint64_t *own_pages_left,
                struct conflict *conflict);
/* The part [*from, to) of a piece that no other owner has: false if none is left. */
bool plan_sole(const struct array *pieces, uint64_t owner, uint64_t *from, uint64_t to,
               uint64_t *length);
bool plan_own(const struct array *own, uint64_t addr);

/* ---- map.c: the mappings of what is attached ---- */
/*
 * Map what the plan says, for this owner, and note its pieces; all or nothing.
 * 0; -errno with why, or, if two publications differ, conflict.
 */
int map_snapshot(const struct rm_table *table, const int *layer_fds, uint64_t owner,
                 struct array *runs, uint64_t *own_left, struct conflict *conflict, char *why);
void map_drop(uint64_t owner);          /* unmap what only this owner has, forget its pieces */
void map_nothing(uint64_t owner);       /* SIGBUS where its mappings did not come into a child */
bool map_lends(uint64_t owner);         /* does another use memory that this one mapped? */
bool map_any(void);                     /* without the lock */
uint64_t map_end(uint64_t addr);
const struct array *map_pieces(void);

/* ---- lazy.c: a userfaultfd over an attachment, served by rmmapd ---- */
struct lazy {
	bool active;
	struct fd_mark uffd, lifeline;
	int pager_end;                  /* the lifeline's other end, until it is handed over */
	uint32_t features;              /* RM_UFFD_ bits */
};

/* Have absent pages of these runs (not the shared ones) wait for rmmapd. 0 or -errno. */
int lazy_register(struct lazy *lazy, const struct array *runs);
/* RM_LAZY: rmmapd serves them from now on. 0 or -errno with why. */
int lazy_hand_over(struct lazy *lazy, uint64_t attachment, unsigned era, char *why);
/* RM_COMPLETE: 0 when every page is there; attachment 0 is all of this process. */
int lazy_complete(uint64_t attachment, unsigned era);
/* Nothing is absent any more in what owner has: plain memory again. */
void lazy_release(struct lazy *lazy, const struct array *pieces, uint64_t owner);
void lazy_close(struct lazy *lazy);

#endif
