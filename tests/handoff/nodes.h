/* SPDX-License-Identifier: BSD-2-Clause */
/* nodes.h - for the tests of handing on: lists, processes that make them, three "hosts" */
#ifndef NODES_H
#define NODES_H

#include "handoff.h"

#define NODES 3000u                     /* of one process: 3 MB */
#define CHANGED 1000000u

struct node {
	struct node *next;
	uint64_t value;
	char text[1000];
};

extern const char *dirs[3];             /* run directories: this one, other, third */
void find_dirs(void);
void stage(const char *what, int hosts);        /* say where we are */

struct node *build(uint64_t first, unsigned n);
bool is_changed(unsigned i);
/* The n nodes from here on are these; what comes after them. */
struct node *check_nodes(struct node *node, uint64_t first, unsigned n, bool changed);
struct node *nth(struct node *node, unsigned n);
void print_handle(const void *root, unsigned flags);    /* publish it */

/* Run this program in a mode at a run directory; its output. */
void run_at(const char *dir, const char *mode, const char *argument,
            char out[RMMAP_HANDLE_MAX]);
void unpublish_at(const char *dir, const char *handle);
/* Have own nodes put in front of what came, and the node `change` of it changed, if not -1. */
void side(const char *dir, int change, const char *handle, char out[RMMAP_HANDLE_MAX]);
void kill_daemon(void);         /* of this run directory, keeper and worker */

struct mode {
	const char *name;
	int (*run)(const char *argument);
};
/* "make FIRST", "side", "unpublish", or one of these (the last has no name). */
int run_mode(const struct mode *modes, const char *name, const char *argument);

#endif
