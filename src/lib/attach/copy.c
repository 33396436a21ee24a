/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * patch.c - copy what is too short for a mapping into a private one
 *
 * Patches come in the order of addresses, and in files lie in the order in which they were
 * written, which is that of addresses too, file by file. So they are sorted by file, and
 * each call reads what follows one another there. Under attached.c's lock; allocates in
 * struct array.
 */
#include <errno.h>
#include <sys/uio.h>

#include "internal.h"

#define VECTORS 512             /* in one call; the kernel takes 1,024 */

/* By layer, and where that is equal in the order in which they came. */
static int sort(const struct array *patches, uint32_t layers, struct array *sorted)
{
	const struct run *patch = patches->data;
	struct array starts = { .item = sizeof(size_t) };
	size_t *start;
	int err = 0;

	for (size_t i = 0; i <= layers && !err; i++)
		err = array_add(&starts) ? 0 : -ENOMEM;
	while (!err && sorted->count < patches->count)
		err = array_add(sorted) ? 0 : -ENOMEM;
	if (!err) {
		start = starts.data;
		for (size_t i = 0; i < patches->count; i++)
			start[patch[i].layer + 1]++;
		for (uint32_t i = 0; i < layers; i++)
			start[i + 1] += start[i];
		for (size_t i = 0; i < patches->count; i++)
			((struct run *)sorted->data)[start[patch[i].layer]++] = patch[i];
	}
	array_free(&starts);
	return err;
}

/*
 * Read into all of these, or fail. A read of a cache does not wait for pages that rmmapd has not
 * filled yet, and sees zeros: what is copied is mapped and copied when all of it is here.
 */
static int read_all(int fd, struct iovec *to, int count, uint64_t offset)
{
	while (count) {
		ssize_t n = preadv(fd, to, count, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		offset += (uint64_t)n;
		for (; count && (size_t)n >= to->iov_len; to++, count--)
			n -= (ssize_t)to->iov_len;
		if (count) {
			to->iov_base = (char *)to->iov_base + n;
			to->iov_len -= (size_t)n;
		}
	}
	return 0;
}

static bool follows(const struct run *patch, const struct run *next)
{
	return patch->layer == next->layer && patch->offset + patch->length == next->offset;
}

static int copy(const struct run *patch, size_t count, const int *layer_fds)
{
	struct iovec *to = own_pages(VECTORS * sizeof(*to));
	int err = to ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < count;) {
		size_t first = i;
		int n = 0;

		do {
			to[n++] = (struct iovec){ (void *)(uintptr_t)patch[i].addr, patch[i].length };
			i++;
		} while (i < count && n < VECTORS && follows(&patch[i - 1], &patch[i]));
		err = read_all(layer_fds[patch[first].layer], to, n, patch[first].offset);
	}
	own_pages_free(to, VECTORS * sizeof(*to));
	return err;
}

int patch_copy(const struct array *patches, const int *layer_fds, uint32_t layers)
{
	struct array sorted = { .item = sizeof(struct run) };
	int err;

	if (!patches->count)
		return 0;
	err = sort(patches, layers, &sorted);
	if (!err)
		err = copy(sorted.data, sorted.count, layer_fds);
	array_free(&sorted);
	return err;
}
