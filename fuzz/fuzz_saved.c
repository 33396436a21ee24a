/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_saved.c - files that rmmap load is given: all before their content
 *
 * What passes is walked as load walks it: sums and layers must lie where the sizes say. Each
 * input is tried as it is, and with its checksums made right, which no mutation does.
 */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "crc32c.h"
#include "saved.h"

static void walk(const struct rm_saved *saved, const char *front, uint64_t size,
                 uint64_t file_size)
{
	const struct rm_saved_header *header = saved->header;
	uint64_t chunks = 0, end = size;
	uint32_t all = 0;

	MUST((const char *)saved->table.header == front + RM_SAVED_TABLE_OFFSET);
	MUST(RM_SAVED_TABLE_OFFSET + saved->table.size <= header->sums_offset);
	MUST(header->sums_offset + header->sum_count * sizeof(uint32_t) <= size);
	for (uint32_t i = 0; i < saved->table.layer_count; i++) {
		uint64_t length = saved->table.layers[i].length;

		chunks += (length + RM_SAVED_CHUNK - 1) / RM_SAVED_CHUNK;
		end += length;
	}
	MUST(chunks == header->sum_count && end == file_size);
	for (uint64_t i = 0; i < chunks; i++)
		all |= saved->sums[i];
	(void)all;
	MUST(rm_table_find(&saved->table, header->root) != NULL);
}

static void make_right(struct rm_saved_header *header, uint64_t size)
{
	header->data_offset = size;
	header->front_crc = rm_crc32c(0, header + 1, size - sizeof(*header));
	header->header_crc = rm_crc32c(0, header, offsetof(struct rm_saved_header, header_crc));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *memory = malloc(size ? size : 1);         /* aligned, and of just this size */
	struct rm_saved_header *header = memory;

	MUST(memory != NULL);
	memcpy(memory, data, size);
	for (int round = 0; round < 2; round++) {
		uint64_t file_size = size < sizeof(*header) ? size : header->file_size;
		const char *why = NULL;
		struct rm_saved saved;
		int result = rm_saved_check(memory, size, file_size, &saved, &why);

		MUST(result == 0 || ((result == -EINVAL || result == -EPROTO) && why));
		if (result == 0)
			walk(&saved, memory, size, file_size);
		if (size < sizeof(*header))
			break;
		make_right(header, size);
	}
	free(memory);
	return 0;
}

size_t fuzz_seed(unsigned n, uint8_t data[FUZZ_INPUT_MAX])
{
	static const uint64_t lengths[] = { 3 * RM_PAGE, 2 * RM_SAVED_CHUNK + RM_PAGE, RM_LAYER_MAX };
	static uint64_t memory[FUZZ_INPUT_MAX / 8];
	uint64_t addr = RM_WINDOW_BASE + n * RM_SLOT_SIZE, chunks;
	char *front = (char *)memory;
	void *table = front + RM_SAVED_TABLE_OFFSET;
	uint32_t layers = n + 1;
	struct rm_table view;
	size_t size;

	if (layers > 3)
		return 0;
	size = rm_table_size(lengths, layers, layers);
	memset(memory, 0, sizeof(memory));
	rm_table_layout(table, lengths, layers, layers, addr + 8);
	for (uint32_t i = 0; i < layers; i++) {
		rm_bit_set(rm_table_bitmap(table, i), i);
		rm_table_segments(table)[i] = (struct rm_segment){ addr, lengths[i], 0, i, 7 };
		addr += lengths[i] + RM_PAGE;
	}
	MUST(rm_table_check(table, size, &view, NULL) == 0);
	chunks = rm_saved_chunks(&view);
	size = rm_saved_front_size(size, chunks);
	MUST(size <= FUZZ_INPUT_MAX);
	((uint32_t *)(void *)(front + rm_saved_sums_offset(view.size)))[0] = 1;
	rm_saved_seal(front, &view, chunks);
	memcpy(data, memory, size);
	return size;
}
