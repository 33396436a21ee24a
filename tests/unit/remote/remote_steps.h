/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * remote_steps.h - attachments to fake_host.c's publication, and what they are answered, for
 * test_remote and test_remote_readers
 *
 * Everything fails the test by itself.
 */
#ifndef RM_TEST_REMOTE_STEPS_H
#define RM_TEST_REMOTE_STEPS_H

#include "../unit.h"

#include <stdbool.h>
#include <stdint.h>

#include "fake_host.h"

#define MIB ((uint64_t)1 << 20)
#define PATIENCE_MS 60000        /* whoever is waited for wakes the loop */

struct answer {
	bool called;
	int error;
	char why[128];
	struct remote *remote;
};

/* For remote_attach(), with a struct answer that outlives the wait; the loop returns. */
void attached(void *arg, int error, const char *why, struct remote *remote);

struct answer attach(unsigned which, bool eager, uint64_t ms);          /* whatever it says */
struct remote *attach_well(unsigned which, bool eager);

struct wait {
	struct page_wait waiter;
	unsigned called;
	int error;
};

/* Ask for these pages; fake_run() until wait->called. */
void fetch(struct remote *remote, struct wait *wait, uint32_t layer, uint64_t page,
           uint64_t count);

/* Present, and what the other host has. */
void check_pages(struct remote *remote, uint32_t layer, uint64_t page, uint64_t end);
void check_all(struct remote *remote);

/* These records, or the keeper's, into a new set of remotes: what a new worker does. */
void restore_from(struct fake_record *saved);
void restore(void);
/* The same, and the first attachment has it again. */
struct remote *restart_with(struct fake_record *saved);
struct remote *restart(void);

#endif
