/* SPDX-License-Identifier: BSD-2-Clause */
/* snapshot.c - see host.h: the files of what a test publishes */
#include "host.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../unit/unit.h"
#include "segment.h"

static int sealed(const void *data, size_t size, bool seal)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
	if (seal)
		ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK |
		                       F_SEAL_SEAL), 0);
	return fd;
}

/* New layers are of this publication; known ones were the first of another. */
static uint16_t publication_of(const struct snapshot *snapshot, unsigned *index)
{
	unsigned new = snapshot->layers - snapshot->known;

	if (*index < new)
		return snapshot->id;
	*index -= new;
	return snapshot->known_of;
}

unsigned char snapshot_fill(const struct snapshot *snapshot, unsigned index)
{
	unsigned of = publication_of(snapshot, &index);

	return (unsigned char)(snapshot->fill + index + 16 * of);
}

int snapshot_layer(const struct snapshot *snapshot, unsigned index)
{
	size_t size = snapshot->pages * RM_PAGE;
	char *data = malloc(size);
	int fd;

	ck_assert_ptr_nonnull(data);
	memset(data, snapshot_fill(snapshot, index), size);
	fd = sealed(data, size, !snapshot->unsealed);
	free(data);
	return fd;
}

static void layer_id(const struct snapshot *snapshot, unsigned i, uint8_t id[RM_ID_BYTES])
{
	uint16_t of = publication_of(snapshot, &i);

	id[0] = (uint8_t)(i + 1);
	memcpy(id + 1, &of, sizeof(of));
}

int snapshot_table(const struct snapshot *snapshot, size_t *size)
{
	uint64_t *lengths = calloc(snapshot->layers, sizeof(uint64_t));
	void *memory;
	int fd;

	for (unsigned i = 0; i < snapshot->layers; i++)
		lengths[i] = snapshot->pages * RM_PAGE;
	*size = rm_table_size(lengths, snapshot->layers, snapshot->layers);
	memory = calloc(1, *size);
	ck_assert_ptr_nonnull(memory);
	rm_table_layout(memory, lengths, snapshot->layers, snapshot->layers, RM_WINDOW_BASE);
	for (unsigned i = 0; i < snapshot->layers; i++) {
		rm_table_segments(memory)[i] = (struct rm_segment){
			.addr = RM_WINDOW_BASE + i * lengths[i], .length = lengths[i], .layer = i,
		};
		layer_id(snapshot, i, rm_table_layers(memory)[i].id);
		for (uint64_t page = 0; page < snapshot->pages; page++)
			rm_bit_set(rm_table_bitmap(memory, i), page);
	}
	fd = sealed(memory, *size, !snapshot->unsealed);
	free(memory);
	free(lengths);
	return fd;
}
