/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * saved.c - lays out and checks the header and the front of a saved file; see saved.h
 */
#include "saved.h"

#include <errno.h>
#include <string.h>

#include "crc32c.h"

_Static_assert(sizeof(struct rm_saved_header) == 4096, "one page");

static uint64_t round_up(uint64_t x, uint64_t to)
{
	return (x + to - 1) / to * to;
}

uint64_t rm_saved_chunks(const struct rm_table *table)
{
	uint64_t chunks = 0;

	for (uint32_t i = 0; i < table->layer_count; i++)
		chunks += (table->layers[i].length + RM_SAVED_CHUNK - 1) / RM_SAVED_CHUNK;
	return chunks;
}

uint64_t rm_saved_sums_offset(uint64_t table_size)
{
	return RM_SAVED_TABLE_OFFSET + round_up(table_size, sizeof(uint64_t));
}

uint64_t rm_saved_front_size(uint64_t table_size, uint64_t sum_count)
{
	return round_up(rm_saved_sums_offset(table_size) + sum_count * sizeof(uint32_t), RM_PAGE);
}

static uint64_t content_size(const struct rm_table *table)
{
	uint64_t size = 0;

	for (uint32_t i = 0; i < table->layer_count; i++)
		size += table->layers[i].length;
	return size;
}

static uint32_t crc_of_header(const struct rm_saved_header *header)
{
	return rm_crc32c(0, header, offsetof(struct rm_saved_header, header_crc));
}

static uint32_t crc_of_front(const void *front, uint64_t size)
{
	return rm_crc32c(0, (const char *)front + sizeof(struct rm_saved_header),
	                 size - sizeof(struct rm_saved_header));
}

void rm_saved_seal(void *front, const struct rm_table *table, uint64_t sum_count)
{
	struct rm_saved_header *header = front;
	struct rm_layout here = rm_layout_here();

	memcpy(header->magic, RM_SAVED_MAGIC, sizeof(header->magic));
	header->byte_order = RM_SAVED_ORDER;
	header->version = RM_SAVED_VERSION;
	header->window_slots = here.window_slots;
	header->window_base = here.window_base;
	header->page_shift = here.page_shift;
	header->slot_shift = here.slot_shift;
	header->pointer_bytes = here.pointer_bytes;
	header->chunk = RM_SAVED_CHUNK;
	header->root = table->root;
	header->table_size = table->size;
	header->sums_offset = rm_saved_sums_offset(table->size);
	header->sum_count = sum_count;
	header->data_offset = rm_saved_front_size(table->size, sum_count);
	header->file_size = header->data_offset + content_size(table);
	header->front_crc = crc_of_front(front, header->data_offset);
	header->header_crc = crc_of_header(header);
}

/*
 * The kind of machine and program that wrote the file; NULL if it is ours. Byte order and version
 * are checked before the checksum: another version may have the checksum at another place.
 */
static const char *check_kind(const struct rm_saved_header *header)
{
	struct rm_layout here = rm_layout_here();

	if (header->byte_order == __builtin_bswap64(RM_SAVED_ORDER))
		return "is of a machine with another byte order";
	if (header->byte_order != RM_SAVED_ORDER)
		return "is damaged: its header does not say the byte order";
	if (header->version != RM_SAVED_VERSION)
		return "is of another version of rmmap: load it with the version that saved it";
	if (header->header_crc != crc_of_header(header))
		return NULL;
	if (header->page_shift != here.page_shift || header->pointer_bytes != here.pointer_bytes)
		return "is of a machine with another size of pages or pointers";
	if (header->window_base != here.window_base || header->window_slots != here.window_slots ||
	    header->slot_shift != here.slot_shift)
		return "is of an rmmap that was built with another window of addresses (--with-window)";
	return NULL;
}

static const char *check_sizes(const struct rm_saved_header *header, uint64_t file_size)
{
	if (header->header_crc != crc_of_header(header))
		return "is damaged: the checksum of its header is wrong";
	/* the header is undamaged; from here on, a wrong value means that rmmap did not write it */
	if (header->chunk != RM_SAVED_CHUNK || header->table_size > RM_SAVED_TABLE_MAX ||
	    header->sum_count > RM_TABLE_LAYERS_MAX * (RM_LAYER_MAX / RM_SAVED_CHUNK) ||
	    header->sums_offset != rm_saved_sums_offset(header->table_size) ||
	    header->data_offset != rm_saved_front_size(header->table_size, header->sum_count))
		return "cannot be right: the sizes in its header contradict each other";
	if (file_size < header->file_size)
		return "is cut short: it was longer when it was saved";
	if (file_size > header->file_size)
		return "has more at its end than was saved";
	if (file_size < header->data_offset)
		return "cannot be right: the sizes in its header contradict each other";
	return NULL;
}

int rm_saved_check_header(const struct rm_saved_header *header, uint64_t file_size,
                          const char **why)
{
	*why = "is not a file that rmmap save wrote";
	if (file_size < sizeof(*header) ||
	    memcmp(header->magic, RM_SAVED_MAGIC, sizeof(header->magic)) != 0)
		return -EINVAL;
	*why = check_kind(header);
	if (*why)
		return -EPROTO;
	*why = check_sizes(header, file_size);
	return *why ? -EINVAL : 0;
}

int rm_saved_check(const void *front, uint64_t size, uint64_t file_size, struct rm_saved *view,
                   const char **why)
{
	const struct rm_saved_header *header = front;
	int error;

	*why = "is not a file that rmmap save wrote";
	if (size < sizeof(*header))
		return -EINVAL;
	error = rm_saved_check_header(header, file_size, why);
	if (error)
		return error;
	*why = "is damaged: the checksum of its table is wrong";
	if (size != header->data_offset || crc_of_front(front, size) != header->front_crc)
		return -EINVAL;
	*why = "cannot be right: its table is not one that rmmap makes";
	if (rm_table_check((const char *)front + RM_SAVED_TABLE_OFFSET, header->table_size,
	                   &view->table, NULL) ||
	    header->root != view->table.root ||
	    header->sum_count != rm_saved_chunks(&view->table) ||
	    header->file_size != header->data_offset + content_size(&view->table))
		return -EINVAL;
	view->header = header;
	view->sums = (const uint32_t *)(const void *)((const char *)front + header->sums_offset);
	*why = NULL;
	return 0;
}
