/* SPDX-License-Identifier: BSD-2-Clause */
/* fake_parts.h - what the files of the fake host use of each other */
#ifndef RM_TEST_FAKE_PARTS_H
#define RM_TEST_FAKE_PARTS_H

#include "fake_host.h"

/* ---- fake_fabric.c ---- */

/* All regions, in their order: how many. */
unsigned fake_make_regions(struct peer_region regions[FAKE_REGIONS]);
/* With room: give this one a key, and take that of the one that has had it longest. */
void fake_grant(unsigned i);
/* All reads, also those under way, whose loop is gone. */
void fake_reads_free(void);

#endif
