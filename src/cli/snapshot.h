/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * snapshot.h - a publication, mapped for reading by rmmap check and rmmap save
 *
 * Its table and layers are mapped anywhere, not at the addresses of the publication, so that the
 * attach cannot fail because an address is in use. One thread; allocates.
 */
#ifndef RM_CLI_SNAPSHOT_H
#define RM_CLI_SNAPSHOT_H

#include "../common/segment.h"
#include "cli.h"

struct snapshot {
	struct ask ask;                 /* the connection that has the attachment; open until
	                                   snapshot_close(), which detaches by it */
	struct rm_wire_attach_reply answer;
	struct rm_table table;          /* checked; a mapping. header NULL: not mapped yet */
	const char **data;              /* of each layer, at least as long as the table states */
	uint64_t *lengths;              /* of these mappings */
	uint32_t count;                 /* of layers; equals table.layer_count once it is open */
};

/*
 * Attach a publication. Starts rmmapd if none runs; fetches all pages if the publication is of
 * another host. 0, or 1 after the line on stderr.
 */
int snapshot_open(struct snapshot *snapshot, const char *handle);
/* Detach and unmap. */
void snapshot_close(struct snapshot *snapshot);
/* The memory of a segment, as rm_scan() asks for it. arg is the snapshot. */
const void *snapshot_data(void *arg, const struct rm_segment *segment);

#endif
