/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * copy.c - copies runs that are too short for a mapping into private mappings
 *
 * The runs come in the order of addresses. A layer has its pages in the order of addresses, too. So
 * the runs are sorted by layer, and each call reads what is consecutive in one file. Under
 * attached_lock(). Allocates in struct array and own pages.
 */
#include <errno.h>
#include <sys/uio.h>

#include "internal.h"

#define VECTORS 512             /* in one call; the kernel takes 1,024 */

/* Sort by layer, stably: a counting sort. 0 or -ENOMEM. */
static int copies_sort(const struct array *copies, uint32_t layers, struct array *sorted)
{
	const struct run *copy = copies->data;
	struct array starts = { .item = sizeof(size_t) };
	size_t *start;
	int error = 0;

	for (size_t i = 0; i <= layers && !error; i++)
		error = array_add(&starts) ? 0 : -ENOMEM;
	while (!error && sorted->count < copies->count)
		error = array_add(sorted) ? 0 : -ENOMEM;
	if (!error) {
		start = starts.data;
		/*
		 * start[n] is first the number of copies of layer n - 1, then where those of
		 * layer n go, and at last where those of layer n + 1 do.
		 */
		for (size_t i = 0; i < copies->count; i++)
			start[copy[i].layer + 1]++;
		for (uint32_t i = 0; i < layers; i++)
			start[i + 1] += start[i];
		for (size_t i = 0; i < copies->count; i++)
			((struct run *)sorted->data)[start[copy[i].layer]++] = copy[i];
	}
	array_free(&starts);
	return error;
}

/*
 * Fill all of these, or fail. A read of a cache does not wait for pages that rmmapd has not filled
 * yet, and sees zeros. So only layers that are complete are copied from.
 */
static int copies_read_run(int fd, struct iovec *to, int count, uint64_t offset)
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

static bool copy_follows(const struct run *copy, const struct run *next)
{
	return copy->layer == next->layer && copy->offset + copy->length == next->offset;
}

static int copies_read(const struct run *copy, size_t count, const int *layer_fds)
{
	struct iovec *to = own_pages(VECTORS * sizeof(*to));
	int error = to ? 0 : -ENOMEM;

	for (size_t i = 0; !error && i < count;) {
		size_t first = i;
		int n = 0;

		do {
			to[n++] = (struct iovec){ (void *)(uintptr_t)copy[i].addr, copy[i].length };
			i++;
		} while (i < count && n < VECTORS && copy_follows(&copy[i - 1], &copy[i]));
		error = copies_read_run(layer_fds[copy[first].layer], to, n, copy[first].offset);
	}
	own_pages_free(to, VECTORS * sizeof(*to));
	return error;
}

int copy_runs(const struct array *copies, const int *layer_fds, uint32_t layers)
{
	struct array sorted = { .item = sizeof(struct run) };
	int error;

	if (!copies->count)
		return 0;
	error = copies_sort(copies, layers, &sorted);
	if (!error)
		error = copies_read(sorted.data, sorted.count, layer_fds);
	array_free(&sorted);
	return error;
}
