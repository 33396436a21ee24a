/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fake_provider.h - a provider behind libfabric's tables of functions, for test_modes and
 * test_peers
 *
 * It notes what it is asked for, pins so much and no more, and completes nothing by itself.
 * Everything fails the test by itself.
 */
#ifndef RM_TEST_FAKE_PROVIDER_H
#define RM_TEST_FAKE_PROVIDER_H

#include "../unit.h"
#include "../../../src/daemon/fabric/internal.h"

#define LOG_MAX 64

struct fake_mr {
	struct fid_mr mr;
	uintptr_t start;
	size_t length;
	uint64_t access, asked_key;
	bool bound, enabled;
};

struct fake_read {
	void *desc;
	uintptr_t to;
	size_t length;
	uint64_t from, key;
	void *context;
};

struct fake_provider {
	struct fabric fabric;
	struct fi_info *info;
	struct fid_domain domain;
	struct fid_ep ep;
	struct fid_av av;
	unsigned removed;               /* addresses */
	struct fabric_peer peer;
	size_t pinned, limit;
	unsigned open, clashes;         /* clashes: so many keys are in use already */
	int close_error;
	uint64_t next_key;              /* the provider's own */
	struct fake_mr *last;
	struct fake_read reads[LOG_MAX];
	unsigned read_count;
	uint8_t memory[64 * 4096];
};

extern struct fake_provider it;
extern int results[LOG_MAX];            /* of the reads that are over, in their order */
extern unsigned result_count;

/* An endpoint of a provider with this mr_mode, with room for limit bytes of memory. */
void begin(int mr_mode, size_t key_size, size_t limit);
void end(void);                         /* everything was unregistered */
void ask(struct fabric_read *read, unsigned page, unsigned pages);
void complete(unsigned i);              /* the ith of it.reads */

#endif
