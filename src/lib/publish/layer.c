/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * layer.c - sealed memory files with pages of the heap
 *
 * Copies from the live heap by pwrite(2): nothing is mapped for that, and a page that another
 * thread's free() takes away meanwhile is EFAULT and not a signal. Under publish.c's lock and
 * attached_lock(). Allocates memory files and own pages.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../attach/attach.h"
#include "internal.h"

#define PARTS 256               /* in one call of pwritev */
#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

static size_t bitmap_bytes(uint64_t length)
{
	return ((length >> RM_PAGE_SHIFT) + 63) / 64 * sizeof(uint64_t);
}

static void bitmap_set_run(uint64_t *bitmap, uint64_t first, uint64_t end)
{
	for (uint64_t page = first; page < end; page++)
		rm_bit_set(bitmap, page);
}

/*
 * A page that cannot be read. In the own heap free() took it away: it is a hole. Attached memory
 * does not go away, since attached_lock() is held: there its host can no longer give the page, and
 * nobody may read it as zeros.
 */
static int page_unreadable(const struct snapshot_layer *layer, uint64_t at, const void *addr)
{
	if (map_end((uintptr_t)addr))
		return -EHOSTUNREACH;
	rm_bit_clear(layer->bitmap, at >> RM_PAGE_SHIFT);
	return 0;
}

/* Copy pages [page, end) to their place in the file. A page that is gone loses its bit. */
static int layer_copy_run(const struct snapshot_layer *layer, uint64_t page, uint64_t end)
{
	uint64_t at = page << RM_PAGE_SHIFT, stop = end << RM_PAGE_SHIFT;

	while (at < stop) {
		const char *from = (const char *)(uintptr_t)layer->addr + at;
		ssize_t n = pwrite(layer->fd.fd, from, stop - at, (off_t)at);

		if (n > 0) {
			at += (uint64_t)n;
		} else if (n < 0 && errno == EFAULT) {
			int error = page_unreadable(layer, at, from);

			if (error)
				return error;
			at = rm_page_down(at) + RM_PAGE;
		} else if (n == 0 || errno != EINTR) {
			return n == 0 ? -EIO : -errno;
		}
	}
	return 0;
}

static int layer_copy_pages(const struct snapshot_layer *layer)
{
	uint64_t start, run;
	int error = 0;

	for (uint64_t from = 0;
	     !error && rm_bit_run(layer->bitmap, from, layer_pages(layer), true, &start, &run);
	     from = start + run)
		error = layer_copy_run(layer, start, start + run);
	return error;
}

/* Write pieces of memory one after the other, at offset at. What cannot be read is a hole. */
static int layer_write_parts(const struct snapshot_layer *layer, struct iovec *part, int count,
                             uint64_t at)
{
	while (count) {
		ssize_t n = pwritev(layer->fd.fd, part, count, (off_t)at);
		uint64_t done = n > 0 ? (uint64_t)n : 0;

		if (n == 0 || (n < 0 && errno != EINTR && errno != EFAULT))
			return n == 0 ? -EIO : -errno;
		if (n < 0 && errno == EFAULT) {
			int error = page_unreadable(layer, at, part->iov_base);

			if (error)
				return error;
			done = RM_PAGE - at % RM_PAGE;
		}
		at += done;
		while (count && done >= part->iov_len) {
			done -= part->iov_len;
			part++;
			count--;
		}
		if (count) {
			part->iov_base = (char *)part->iov_base + done;
			part->iov_len -= done;
		}
	}
	return 0;
}

/* Write the pages of all runs one after the other, from the begin of the file. */
static int layer_write_runs(const struct snapshot_layer *layer, const struct rm_segment *runs,
                            size_t count)
{
	struct iovec *parts = own_pages(PARTS * sizeof(*parts));
	uint64_t at = 0, next = 0;
	int n = 0, error = parts ? 0 : -ENOMEM;

	for (size_t i = 0; !error && i < count; i++) {
		parts[n++] = (struct iovec){ (void *)(uintptr_t)runs[i].addr, runs[i].length };
		next += runs[i].length;
		if (n == PARTS || i == count - 1) {
			error = layer_write_parts(layer, parts, n, at);
			at = next;
			n = 0;
		}
	}
	own_pages_free(parts, PARTS * sizeof(*parts));
	return error;
}

static bool page_is_zero(const uint64_t *page)
{
	/* Most pages have something in their first words. */
	for (size_t i = 0; i < RM_PAGE / sizeof(*page); i += 8)
		if (page[i] | page[i + 1] | page[i + 2] | page[i + 3] | page[i + 4] | page[i + 5] |
		    page[i + 6] | page[i + 7])
			return false;
	return true;
}

/* A huge page of which no more than a quarter is zeros stays one. */
#define ZEROS_MAX (RM_HUGE / RM_PAGE / 4)

/* Clear the bits of pages of zeros within [from, to), at most a huge page, and punch them out. */
static void part_drop_zeros(const struct snapshot_layer *layer, const char *map, uint64_t from,
                            uint64_t to)
{
	uint64_t zeros[RM_HUGE / RM_PAGE / 64] = { 0 }, count = 0;
	uint64_t first = from - from % (RM_HUGE / RM_PAGE);

	for (uint64_t page = from; page < to; page++) {
		if (!rm_bit(layer->bitmap, page) ||
		    !page_is_zero((const uint64_t *)(const void *)(map + page * RM_PAGE)))
			continue;
		rm_bit_clear(layer->bitmap, page);
		rm_bit_set(zeros, page - first);
		count++;
	}
	if (count <= ZEROS_MAX && layer->huge)
		return;
	for (uint64_t at = 0, run; rm_bit_run(zeros, at, RM_HUGE / RM_PAGE, true, &at, &run);
	     at += run)
		(void)fallocate(layer->fd.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		                (off_t)((first + at) * RM_PAGE), (off_t)(run * RM_PAGE));
}

/* All was copied, since nobody knew which pages have data: leave pages of zeros out. */
static int layer_drop_zero_pages(const struct snapshot_layer *layer)
{
	const char *map = mmap(NULL, layer->length, PROT_READ, MAP_SHARED, layer->fd.fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	for (uint64_t page = 0; page < layer_pages(layer); page += RM_HUGE / RM_PAGE) {
		uint64_t end = page + RM_HUGE / RM_PAGE;

		part_drop_zeros(layer, map, page, end < layer_pages(layer) ? end :
		                                                             layer_pages(layer));
	}
	munmap((void *)(uintptr_t)map, layer->length);
	return 0;
}

/* Set up a new layer, with an empty file and bitmap. 0 or -errno, and then nothing is left. */
static int layer_new(struct snapshot_layer *layer, enum layer_kind kind, uint64_t addr, uint64_t
                     length)
{
	int fd, error;

	*layer = (struct snapshot_layer){ .addr = addr, .length = length, .kind = (uint8_t)kind,
	                                  .fd.fd = -1 };
	error = random_bytes(layer->id, sizeof(layer->id));
	if (error)
		return error;
	layer->bitmap = own_pages(bitmap_bytes(length));
	if (!layer->bitmap)
		return -ENOMEM;
	fd = memfd("rmmap-layer", length);
	if (fd >= 0)
		fd = fd_raise(fd);
	if (fd < 0) {
		layer_free(layer);
		return fd;
	}
	fd_mark(&layer->fd, fd);
	return 0;
}

/* Seal the file; on an error, this one or an earlier, free the layer. Returns the error. */
static int layer_finish(struct snapshot_layer *layer, int error)
{
	if (!error && fcntl(layer->fd.fd, F_ADD_SEALS, SEALS) < 0)
		error = -errno;
	if (error)
		layer_free(layer);
	return error;
}

int layer_base(struct snapshot_layer *layer, uint64_t addr, uint64_t length, const uint64_t *data,
               bool drop_zeros)
{
	int error = layer_new(layer, LAYER_BASE, addr, length);

	if (error)
		return error;
	memcpy(layer->bitmap, data, bitmap_bytes(length));
	if (addr % RM_HUGE == 0 && rm_huge_fits() && env_options()->huge != RM_HUGE_OFF)
		layer->huge = rm_huge_file(layer->fd.fd, length, data);
	count(COUNT_LAYER_HUGE_BYTES, layer->huge);
	error = layer_copy_pages(layer);
	if (!error && drop_zeros)
		error = layer_drop_zero_pages(layer);
	return layer_finish(layer, error);
}

int layer_changes(struct snapshot_layer *layer, const struct rm_segment *runs, size_t count)
{
	uint64_t length = 0;
	int error;

	for (size_t i = 0; i < count; i++)
		length += runs[i].length;
	error = layer_new(layer, LAYER_CHANGES, 0, length);
	if (error)
		return error;
	bitmap_set_run(layer->bitmap, 0, layer_pages(layer));
	return layer_finish(layer, layer_write_runs(layer, runs, count));
}

/* Which pages of a frozen file have data. 0 or -errno. */
static int layer_find_data(struct snapshot_layer *layer, int fd, const uint64_t *seen)
{
	struct stat st = { .st_blocks = 0 };    /* if fstat() fails, holes are looked for */
	off_t at = 0, hole;

	layer->bitmap = own_pages(bitmap_bytes(layer->length));
	if (!layer->bitmap)
		return -ENOMEM;
	/*
	 * To look for holes costs a tenth of a microsecond a page. Mostly there are none, or only
	 * those that were seen before the freeze, and the number of blocks tells that.
	 */
	if (fstat(fd, &st) == 0 && (uint64_t)st.st_blocks * 512 >= layer->length) {
		bitmap_set_run(layer->bitmap, 0, layer_pages(layer));
		return 0;
	}
	if (seen && (uint64_t)st.st_blocks * 512 ==
	            rm_bit_count(seen, layer_pages(layer)) << RM_PAGE_SHIFT) {
		memcpy(layer->bitmap, seen, bitmap_bytes(layer->length));
		return 0;
	}
	while ((at = lseek(fd, at, SEEK_DATA)) >= 0) {
		hole = lseek(fd, at, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		bitmap_set_run(layer->bitmap, (uint64_t)at >> RM_PAGE_SHIFT,
		               (uint64_t)hole >> RM_PAGE_SHIFT);
		at = hole;
	}
	return errno == ENXIO ? 0 : -errno;
}

/*
 * Clear the bits of pages that jemalloc does not use: what was in them is nobody's business. 0 or
 * -ENOMEM, and then they are all there.
 */
static int layer_keep_used(struct snapshot_layer *layer)
{
	size_t bytes = bitmap_bytes(layer->length);
	uint64_t *used = own_pages(bytes);

	if (!used)
		return -ENOMEM;
	heap_used(layer->addr, layer->length, used);
	for (size_t i = 0; i < bytes / sizeof(*used); i++)
		layer->bitmap[i] &= used[i];
	own_pages_free(used, bytes);
	return 0;
}

#define HUGE_PAGES (RM_HUGE / RM_PAGE)
#define SAMPLES 4               /* pages of 2 MiB that are looked at */

/* Are these words of the file zeros? Also true if they cannot be read. */
static bool words_are_zero(int fd, uint64_t at)
{
	uint64_t words[8] = { 0 }, any = 0;

	if (pread(fd, words, sizeof(words), (off_t)at) < 0)
		return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		any |= words[i];
	return any == 0;
}

/*
 * May the page be zeros? jemalloc begins a large block at any 64 bytes of its first page, so that
 * page begins with zeros, and the one behind the block ends with them.
 */
static bool page_looks_unwritten(int fd, uint64_t page)
{
	return words_are_zero(fd, page * RM_PAGE) &&
	       words_are_zero(fd, (page + 1) * RM_PAGE - 8 * sizeof(uint64_t));
}

/* May one of some pages with data in [from, to) be zeros? The first and the last are among them. */
static bool part_has_zeros(const struct snapshot_layer *layer, int fd, uint64_t from, uint64_t to)
{
	uint64_t step = (to - from + SAMPLES - 2) / (SAMPLES - 1), last = to, start, count;

	while (last > from && !rm_bit(layer->bitmap, last - 1))
		last--;
	for (uint64_t at = from; at < last; at += step)
		if (rm_bit_run(layer->bitmap, at, last, true, &start, &count) &&
		    page_looks_unwritten(fd, start))
			return true;
	return last > from && page_looks_unwritten(fd, last - 1);
}

static void part_drop_unwritten(struct snapshot_layer *layer, const char *map, uint64_t from,
                                uint64_t to)
{
	for (uint64_t page = from; page < to; page++)
		if (rm_bit(layer->bitmap, page) &&
		    page_is_zero((const uint64_t *)(const void *)(map + page * RM_PAGE)))
			rm_bit_clear(layer->bitmap, page);
}

/*
 * A huge page exists as a whole, also where the program has not yet written to its memory. Such
 * pages need not be fetched by anybody. To look at all pages would cost as much as all else, so
 * some are looked at, and all of those 2 MiB where one of these is zeros. In the file: the program
 * may have protected its own mapping.
 */
static void layer_drop_unwritten(struct snapshot_layer *layer, int fd)
{
	const char *map = NULL;

	for (uint64_t from = 0, to; from < layer_pages(layer); from = to) {
		to = from + HUGE_PAGES < layer_pages(layer) ? from + HUGE_PAGES : layer_pages(layer);
		if (!part_has_zeros(layer, fd, from, to))
			continue;
		if (!map)
			map = rm_huge_map(layer->length, PROT_READ, MAP_SHARED, fd);
		if (!map)
			return;
		part_drop_unwritten(layer, map, from, to);
	}
	if (map)
		munmap((void *)(uintptr_t)map, layer->length);
}

int layer_frozen(struct snapshot_layer *layer, int fd, const uint64_t *seen)
{
	int error = layer_find_data(layer, fd, seen);

	if (!error)
		error = layer_keep_used(layer);
	if (error)
		return error;
	if (env_options()->huge != RM_HUGE_OFF)
		layer_drop_unwritten(layer, fd);
	return 0;
}

void layer_free(struct snapshot_layer *layer)
{
	if (!layer->file && fd_still(&layer->fd))
		close(layer->fd.fd);
	layer->fd.fd = -1;
	if (layer->kind != LAYER_UPSTREAM)
		own_pages_free(layer->bitmap, bitmap_bytes(layer->length));
	layer->bitmap = NULL;
}

