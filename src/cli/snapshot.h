/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * snapshot.h - a publication as this program reads it: its table and its layers, mapped
 * wherever there is room and not at their addresses, so that nothing can be in the way
 *
 * One thread.
 */
#ifndef RM_CLI_SNAPSHOT_H
#define RM_CLI_SNAPSHOT_H

#include "../common/segment.h"
#include "cli.h"

struct snapshot {
	struct ask ask;
	struct rm_wire_attach_reply answer;
	struct rm_table table;          /* checked */
	const char **data;              /* of its layers, at least as long as it says */
	uint64_t *lengths;              /* of the mappings */
	uint32_t count;
};

/*
 * Attach, starting rmmapd where none runs; of another host all of it is fetched. 0, or 1
 * after the line on stderr.
 */
int snapshot_open(struct snapshot *snapshot, const char *handle);
void snapshot_close(struct snapshot *snapshot);         /* detaches */
/* For rm_scan(); arg is the snapshot. */
const void *snapshot_data(void *arg, const struct rm_segment *segment);

#endif
