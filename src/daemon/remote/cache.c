/* SPDX-License-Identifier: BSD-2-Clause */
/* cache.c - the memfd of one remote layer, see cache.h. Worker thread only; allocates. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cache.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/*
 * A second open file of the same memfd, with a mode of its own: a dup() of the descriptor that
 * made it could be used to add seals.
 */
static int cache_open_read_only(int fd)
{
	char path[40];
	int ro;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	return ro < 0 ? -errno : ro;
}

/* All of it but the file. On failure cache_drop() is still to be called. */
static int cache_init(struct cache *cache, uint64_t length, const uint64_t *data, uint64_t *present,
                      uint64_t *huge)
{
	memset(cache, 0, sizeof(*cache));
	cache->fd = -1;
	if (!length || length % RM_PAGE || length > RM_LAYER_MAX)
		return -EPROTO;
	cache->length = length;
	cache->pages = length / RM_PAGE;
	cache->data = data;
	cache->present = present;
	cache->huge = huge;
	cache->inflight = calloc((cache->pages + 63) / 64, sizeof(*cache->inflight));
	if (!cache->inflight)
		return -ENOMEM;
	cache->absent = cache_absent(cache, 0, cache->pages);
	return 0;
}

static int cache_seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_GROW | F_SEAL_SHRINK) ?
		-errno : 0;
}

static int cache_map(struct cache *cache, int fd, int protection)
{
	cache->map = rm_huge_map(cache->mapped, protection, MAP_SHARED, fd);
	return cache->map ? 0 : -errno;
}

/* The bytes of the file, see cache_make(). */
static uint64_t cache_file_bytes(const struct cache *cache, uint64_t dense)
{
	uint64_t last = (cache->pages - 1) / CACHE_BLOCK_PAGES;

	if (!cache->huge || cache_block_data(cache, last) < dense)
		return cache->length;
	return rm_huge_up(cache->length);
}

/* Map it writable, then seal it, then open it once more. 0 or -errno. */
static int cache_open(struct cache *cache, int fd)
{
	int error;

	if (ftruncate(fd, (off_t)cache->mapped))
		return -errno;
	/* Before the seal: after it the kernel refuses every writable shared mapping. */
	error = cache_map(cache, fd, PROT_READ | PROT_WRITE);
	if (error)
		return error;
	cache->writable = true;
	error = cache_seal(fd);
	if (error)
		return error;
	cache->fd = cache_open_read_only(fd);
	return cache->fd < 0 ? cache->fd : 0;
}

int cache_make(struct cache *cache, uint64_t length, const uint64_t *data, uint64_t *present,
               uint64_t *huge, uint64_t dense)
{
	int fd, error = cache_init(cache, length, data, present, huge);

	if (!error) {
		cache->mapped = cache_file_bytes(cache, dense);
		fd = memfd_create("rmmap-cache", MFD_ALLOW_SEALING | MFD_CLOEXEC);
		error = fd < 0 ? -errno : cache_open(cache, fd);
		if (fd >= 0)
			close(fd);
	}
	if (error)
		cache_drop(cache, NULL);
	return error;
}

int cache_adopt(struct cache *cache, int fd, uint64_t length, const uint64_t *data,
                uint64_t *present, uint64_t *huge)
{
	int error = cache_init(cache, length, data, present, huge);

	cache->fd = fd;
	cache->mapped = length;
	if (!error)
		error = cache_map(cache, fd, PROT_READ);
	if (error) {
		cache_drop(cache, NULL);
		return error;
	}
	for (uint64_t block = 0; block * CACHE_BLOCK_PAGES < cache->pages; block++)
		if (cache_is_huge(cache, block * CACHE_BLOCK_PAGES)) {
			cache->huge_blocks++;
			cache->extra += CACHE_BLOCK_PAGES - cache_block_data(cache, block);
		}
	return 0;
}

int cache_inherit(struct cache *cache, int fd, const uint64_t *had)
{
	uint64_t start, count, at = 0;
	char *old = mmap(NULL, cache->length, PROT_READ, MAP_SHARED, fd, 0);
	int error = old == MAP_FAILED ? -errno : 0;

	close(fd);
	if (error)
		return error;
	while (rm_bit_run(had, at, cache->pages, true, &start, &count)) {
		memcpy(cache->map + start * RM_PAGE, old + start * RM_PAGE, count * RM_PAGE);
		cache_mark_present(cache, start, count);
		at = start + count;
	}
	munmap(old, cache->length);
	return 0;
}

void cache_drop(struct cache *cache, struct fabric *fabric)
{
	/* Registrations of this memory are the fabric's: they end before the mapping does. */
	if (cache->writable && fabric)
		fabric_forget(fabric, cache->map, cache->mapped);
	if (cache->map)
		munmap(cache->map, cache->mapped);
	if (cache->fd >= 0)
		close(cache->fd);
	free(cache->inflight);
	memset(cache, 0, sizeof(*cache));
	cache->fd = -1;
}

void cache_mark_present(struct cache *cache, uint64_t page, uint64_t count)
{
	uint64_t absent = cache_absent(cache, page, page + count);

	assert(page + count <= cache->pages && cache->absent >= absent);
	cache->absent -= absent;
	/* If this worker dies here, the next one finds no bit whose data is not in the file. */
	__atomic_signal_fence(__ATOMIC_RELEASE);
	for (; count; count--, page++) {
		if (cache_is_huge(cache, page) && !cache_has(cache, page)) {
			assert(cache->unfilled > 0);
			cache->unfilled--;
		}
		rm_bit_set(cache->present, page);
	}
}

int cache_populate(struct cache *cache, uint64_t page, uint64_t count)
{
	if (!cache->writable || !cache_small(cache, page, count))
		return 0;
	if (!madvise(cache->map + page * RM_PAGE, count * RM_PAGE, MADV_POPULATE_WRITE))
		return 0;
	/* EINVAL: a kernel before 5.14. Then each page is allocated when data is written. */
	return errno == EINVAL ? 0 : -errno;
}
