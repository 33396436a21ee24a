/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * save.c - rmmap save: writes a publication to a file
 *
 * Only pages that a segment shows are written. Other pages of the layers were freed, or belong
 * to earlier publications.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/crc32c.h"
#include "../common/saved.h"
#include "../common/say.h"
#include "newfile.h"
#include "snapshot.h"

/* front is written last, as it has the sums of the content, which are known only then. */
struct saving {
	const struct snapshot *snapshot;
	struct rm_table table;          /* a view of the copy in front, whose ids are zero and
	                                   whose bitmaps have visible pages only */
	char *front;                    /* malloc'd, of front_size bytes; NULL: not made */
	uint32_t *sums;                 /* in front: sum_count of them, 0 for chunks without data */
	uint64_t front_size, sum_count;
	uint64_t written;               /* bytes, for the message if there is no room */
	int fd;                         /* the new file's; newfile.c closes it */
};

/* Write all bytes at an offset. 0 or -errno. */
static int write_all(struct saving *saving, const char *data, uint64_t size, uint64_t at)
{
	while (size) {
		ssize_t n = pwrite(saving->fd, data, size, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		data += n;
		at += (uint64_t)n;
		size -= (uint64_t)n;
		saving->written += (uint64_t)n;
	}
	return 0;
}

/* ---- the table: only visible pages have data in it ---- */

/* Set the bits of the pages with data that the segment shows. */
static void bitmap_show(const uint64_t *from, const struct rm_segment *s, uint64_t *to)
{
	uint64_t at = s->offset / RM_PAGE, end = at + s->length / RM_PAGE, start, count;

	while (rm_bit_run(from, at, end, true, &start, &count)) {
		for (uint64_t page = start; page < start + count; page++)
			rm_bit_set(to, page);
		at = start + count;
	}
}

/* Copy the table into a new front, without ids and without hidden pages. */
static int make_front(struct saving *saving)
{
	const struct rm_table *table = &saving->snapshot->table;
	void *copy;

	saving->sum_count = rm_saved_chunks(table);
	saving->front_size = rm_saved_front_size(table->size, saving->sum_count);
	saving->front = calloc(1, saving->front_size);
	if (!saving->front)
		return -ENOMEM;
	saving->sums = (uint32_t *)(void *)(saving->front + rm_saved_sums_offset(table->size));
	copy = saving->front + RM_SAVED_TABLE_OFFSET;
	memcpy(copy, table->header, table->size);
	for (uint32_t i = 0; i < table->layer_count; i++) {
		uint64_t words = (table->layers[i].length / RM_PAGE + 63) / 64;

		/* Ids would say that a loaded copy is the original: rmmap load makes new ones. */
		memset(rm_table_layers(copy)[i].id, 0, RM_ID_BYTES);
		memset(rm_table_bitmap(copy, i), 0, words * sizeof(uint64_t));
	}
	for (uint32_t i = 0; i < table->segment_count; i++) {
		const struct rm_segment *s = &table->segments[i];

		bitmap_show(rm_table_view_bitmap(table, s->layer), s,
		            rm_table_bitmap(copy, s->layer));
	}
	return rm_table_check(copy, table->size, &saving->table, NULL);
}

/* ---- the content ---- */

/*
 * Write one chunk: pages [page, end) of a layer whose content begins at base in the file. *sum is
 * set if the chunk has data; in the sum, pages without data count as zeros.
 */
static int write_chunk(struct saving *saving, uint32_t layer, uint64_t page, uint64_t end,
                       uint64_t base, uint32_t *sum)
{
	static const char zeros[RM_SAVED_CHUNK];
	const uint64_t *bitmap = rm_table_view_bitmap(&saving->table, layer);
	const char *data = saving->snapshot->data[layer];
	uint64_t start, count;
	int error = 0;

	if (!rm_bit_run(bitmap, page, end, true, &start, &count))
		return 0;
	for (*sum = 0; !error && page < end; page = start + count) {
		if (!rm_bit_run(bitmap, page, end, true, &start, &count)) {
			start = end;
			count = 0;
		}
		/* So the sum is the same whether a copy of the file has holes or zeros there. */
		*sum = rm_crc32c(*sum, zeros, (start - page) * RM_PAGE);
		*sum = rm_crc32c(*sum, data + start * RM_PAGE, count * RM_PAGE);
		error = write_all(saving, data + start * RM_PAGE, count * RM_PAGE,
		                  base + start * RM_PAGE);
	}
	return error;
}

/* Write the content. Pages without data become holes; ftruncate() makes the last one. */
static int write_layers(struct saving *saving)
{
	const uint64_t pages = RM_SAVED_CHUNK / RM_PAGE;
	uint64_t base = saving->front_size;
	uint32_t *sum = saving->sums;
	int error = 0;

	for (uint32_t i = 0; i < saving->table.layer_count; i++) {
		uint64_t length = saving->table.layers[i].length, end = length / RM_PAGE;

		for (uint64_t page = 0; !error && page < end; page += pages)
			error = write_chunk(saving, i, page, page + pages < end ? page + pages : end,
			                    base, sum++);
		base += length;
	}
	if (!error && ftruncate(saving->fd, (off_t)base))
		error = -errno;
	return error;
}

/* Write the content, then the front, which has the sums. 0, or 1 after the line on stderr. */
static int write_file(struct saving *saving, const char *path)
{
	struct newfile file;
	int error = newfile_open(&file, path);

	if (error == -EEXIST)
		return cli_fail("%s is there already, and is not a file", path);
	if (error)
		return cli_fail("cannot make %s: %s", path, rm_errno_text(-error));
	saving->fd = file.fd;
	error = write_layers(saving);
	if (!error) {
		rm_saved_seal(saving->front, &saving->table, saving->sum_count);
		error = write_all(saving, saving->front, saving->front_size, 0);
	}
	if (error)
		newfile_drop(&file);
	else
		error = newfile_commit(&file);
	if (error == -ENOSPC || error == -EDQUOT)
		return cli_fail("there is no room for %s: after %llu bytes of it, %s; nothing is left "
		                "of it", path, (unsigned long long)saving->written,
		                rm_errno_text(-error));
	return error ? cli_fail("cannot write %s: %s; nothing is left of it", path,
	                        rm_errno_text(-error)) : 0;
}

int cli_save(const struct args *args)
{
	char handle[RM_HANDLE_TEXT_MAX];
	struct snapshot snapshot;
	struct saving saving = { .snapshot = &snapshot };
	int status;

	if (cli_handle(args->operands[0], false, handle))
		return 1;
	signal(SIGXFSZ, SIG_IGN);       /* the limit for files (ulimit -f) is an error like others */
	status = snapshot_open(&snapshot, handle);
	explicit_bzero(handle, sizeof(handle));
	if (status)
		return status;
	if (make_front(&saving))
		status = cli_fail("there is no memory for the table of the publication");
	else
		status = write_file(&saving, args->operands[1]);
	free(saving.front);
	snapshot_close(&snapshot);
	return status;
}
