/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * layer.c - a sealed memfd with a part of the heap
 *
 * Copies straight from the live heap with pwrite(2): nothing is mapped, and a
 * page that another thread's free() takes away meanwhile is EFAULT here and not
 * a signal. Any thread; no allocation but the memfd.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "internal.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

/* <linux/fs.h> has these from Linux 6.7 on; the build host's may be older. */
struct scan_region {
	uint64_t start, end, categories;
};
struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define SCAN_IOCTL _IOWR('f', 16, struct scan_arg)
#define SCAN_PRESENT (1u << 3)
#define SCAN_SWAPPED (1u << 4)
#define SCAN_ZERO (1u << 5)             /* the shared zero page: read, never written */

/* Bits of one word of /proc/self/pagemap. */
#define PAGEMAP_PRESENT ((uint64_t)1 << 63)
#define PAGEMAP_SWAPPED ((uint64_t)1 << 62)

int random_bytes(void *to, size_t bytes)
{
	uint8_t *p = to;

	while (bytes) {
		ssize_t n = getrandom(p, bytes, 0);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			p += n;
			bytes -= (size_t)n;
		}
	}
	return 0;
}

static void set_run(uint64_t *bitmap, uint64_t first, uint64_t end)
{
	for (uint64_t page = first; page < end; page++)
		rm_bit_set(bitmap, page);
}

/* Linux 6.7: one call returns runs, and tells the zero page apart. */
static int find_by_scan(int pagemap, uint64_t addr, uint64_t length, uint64_t *bitmap)
{
	struct scan_region regions[64];
	struct scan_arg arg = {
		.size = sizeof(arg), .start = addr, .end = addr + length,
		.vec = (uintptr_t)regions, .vec_len = sizeof(regions) / sizeof(regions[0]),
		.category_inverted = SCAN_ZERO, .category_mask = SCAN_ZERO,
		.category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
		.return_mask = SCAN_PRESENT | SCAN_SWAPPED,
	};

	while (arg.start < arg.end) {
		int n = ioctl(pagemap, SCAN_IOCTL, &arg);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		for (int i = 0; i < n; i++)
			set_run(bitmap, (regions[i].start - addr) >> RM_PAGE_SHIFT,
			        (regions[i].end - addr) >> RM_PAGE_SHIFT);
		arg.start = arg.walk_end;
	}
	return 0;
}

static int find_by_pagemap(int pagemap, uint64_t addr, uint64_t length, uint64_t *bitmap)
{
	uint64_t words[256], pages = length >> RM_PAGE_SHIFT, page = 0;

	while (page < pages) {
		uint64_t want = pages - page < 256 ? pages - page : 256;
		ssize_t n = pread(pagemap, words, want * sizeof(words[0]),
		                  (off_t)(((addr >> RM_PAGE_SHIFT) + page) * sizeof(words[0])));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < (ssize_t)sizeof(words[0]))
			return n < 0 ? -errno : -EIO;
		n /= (ssize_t)sizeof(words[0]);
		for (ssize_t i = 0; i < n; i++)
			if (words[i] & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED))
				rm_bit_set(bitmap, page + (uint64_t)i);
		page += (uint64_t)n;
	}
	return 0;
}

/* Which pages hold data. False if /proc cannot tell (not mounted, or not dumpable). */
static bool find_data(uint64_t addr, uint64_t length, uint64_t *bitmap)
{
	int err, pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (pagemap < 0)
		return false;
	err = find_by_scan(pagemap, addr, length, bitmap);
	if (err) {
		memset(bitmap, 0, ((length >> RM_PAGE_SHIFT) + 63) / 64 * 8);
		err = find_by_pagemap(pagemap, addr, length, bitmap);
	}
	close(pagemap);
	return err == 0;
}

/* Pages [page, end) into the memfd; one that is gone meanwhile loses its bit. */
static int copy_run(const struct layer *layer, uint64_t page, uint64_t end, uint64_t *bitmap)
{
	uint64_t at = page << RM_PAGE_SHIFT, stop = end << RM_PAGE_SHIFT;

	while (at < stop) {
		ssize_t n = pwrite(layer->fd, (const char *)(uintptr_t)layer->addr + at,
		                   stop - at, (off_t)at);

		if (n > 0) {
			at += (uint64_t)n;
		} else if (n < 0 && errno == EFAULT) {
			rm_bit_clear(bitmap, at >> RM_PAGE_SHIFT);
			at = rm_page_down(at) + RM_PAGE;
		} else if (n == 0 || errno != EINTR) {
			return n == 0 ? -EIO : -errno;
		}
	}
	return 0;
}

static int copy_pages(const struct layer *layer, uint64_t *bitmap)
{
	uint64_t pages = layer->length >> RM_PAGE_SHIFT, start, run;
	int err = 0;

	for (uint64_t from = 0; !err && rm_bit_run(bitmap, from, pages, true, &start, &run);
	     from = start + run)
		err = copy_run(layer, start, start + run, bitmap);
	return err;
}

static bool page_is_zero(const uint64_t *page)
{
	uint64_t any = 0;

	for (size_t i = 0; i < RM_PAGE / sizeof(*page); i++)
		any |= page[i];
	return any == 0;
}

/* Where /proc could not tell, everything was copied: give the pages of zeros back. */
static int drop_zero_pages(const struct layer *layer, uint64_t *bitmap)
{
	const char *map = mmap(NULL, layer->length, PROT_READ, MAP_SHARED, layer->fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	for (uint64_t at = 0; at < layer->length; at += RM_PAGE) {
		if (!page_is_zero((const uint64_t *)(const void *)(map + at)))
			continue;
		rm_bit_clear(bitmap, at >> RM_PAGE_SHIFT);
		/* a page kept by mistake is only memory */
		(void)fallocate(layer->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		                (off_t)at, (off_t)RM_PAGE);
	}
	munmap((void *)(uintptr_t)map, layer->length);
	return 0;
}

static int memfd(const char *name, uint64_t size)
{
	struct rlimit limit;
	int err, fd;

	/* Beyond this limit the kernel would raise SIGXFSZ, and it counts for memfds too. */
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < size)
		return -EFBIG;
	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static int fill(struct layer *layer, uint64_t *bitmap)
{
	uint64_t pages = layer->length >> RM_PAGE_SHIFT;
	bool known = find_data(layer->addr, layer->length, bitmap);
	int err;

	if (!known)
		set_run(bitmap, 0, pages);
	err = copy_pages(layer, bitmap);
	if (!err && !known)
		err = drop_zero_pages(layer, bitmap);
	if (!err && fcntl(layer->fd, F_ADD_SEALS, SEALS) < 0)
		err = -errno;
	layer->pages = rm_bit_count(bitmap, pages);
	return err;
}

int layer_copy(struct layer *layer, uint64_t addr, uint64_t length, uint64_t *bitmap)
{
	int err = random_bytes(layer->id, sizeof(layer->id));

	layer->addr = addr;
	layer->length = length;
	layer->fd = err ? err : memfd("rmmap-layer", length);
	if (layer->fd < 0)
		return layer->fd;
	err = fill(layer, bitmap);
	if (err) {
		close(layer->fd);
		layer->fd = -1;
	}
	return err;
}

int sealed_copy(const char *name, const void *data, size_t size)
{
	int err, fd = memfd(name, size);
	size_t at = 0;

	if (fd < 0)
		return fd;
	while (at < size) {
		ssize_t n = pwrite(fd, (const char *)data + at, size - at, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			err = n < 0 ? -errno : -EIO;
			close(fd);
			return err;
		}
		at += (size_t)n;
	}
	if (fcntl(fd, F_ADD_SEALS, SEALS) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}
