/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * huge.c - 2 MiB pages of memory files, see huge.h
 *
 * Tried on Linux 6.1 and 6.18: one call may cover many 2 MiB, and takes 0.17 ms for each that is
 * empty; pages that are there are copied, at 1.5 to 4 us each. A file that does not cover the
 * last 2 MiB, or 2 MiB without any page, is EINVAL for the whole call, at the first such 2 MiB.
 */
#include "huge.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "layout.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23          /* glibc before 2.35 */
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25                /* glibc before 2.37 */
#endif

bool rm_huge_fits(void)
{
	return sysconf(_SC_PAGESIZE) == (long)RM_PAGE;
}

int rm_huge_make(void *addr, uint64_t length, bool present)
{
	int error;

	for (uint64_t i = 0; !present && i < length; i += RM_HUGE)
		if (madvise((char *)addr + i, RM_PAGE, MADV_POPULATE_WRITE))
			return -errno;
	if (!madvise(addr, length, MADV_COLLAPSE))
		return 0;
	error = errno;
	/* The kernel could not free the pages in time, as its manual says, and now it may. */
	if (error == EAGAIN && !madvise(addr, length, MADV_COLLAPSE))
		return 0;
	return error == EAGAIN ? -errno : -error;
}

void *rm_huge_map(uint64_t length, int protection, int flags, int fd)
{
	uint64_t room = length + RM_HUGE;
	char *start = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *at = (char *)rm_huge_up((uintptr_t)start), *end = at + rm_page_up(length);
	int error;

	if (start == MAP_FAILED)
		return NULL;
	if (mmap(at, length, protection, flags | MAP_FIXED, fd, 0) == MAP_FAILED) {
		error = errno;
		munmap(start, room);
		errno = error;
		return NULL;
	}
	if (at > start)
		munmap(start, (size_t)(at - start));
	if (start + room > end)
		munmap(end, (size_t)(start + room - end));
	return at;
}

/* The number of bits of one huge page's part of a bitmap. */
static unsigned pages_count(const uint64_t *data, uint64_t huge_page)
{
	const unsigned words = RM_HUGE / RM_PAGE / 64;
	unsigned n = 0;

	for (unsigned i = 0; i < words; i++)
		n += (unsigned)__builtin_popcountll(data[huge_page * words + i]);
	return n;
}

uint64_t rm_huge_file(int fd, uint64_t length, const uint64_t *data)
{
	uint64_t made = 0, whole = rm_huge_down(length);
	char *map = NULL;
	bool failed = false;

	for (uint64_t i = 0; !failed && i < whole; i += RM_HUGE) {
		if (pages_count(data, i / RM_HUGE) < RM_HUGE / RM_PAGE * 3 / 4)
			continue;
		if (!map)
			map = rm_huge_map(whole, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
		failed = !map || rm_huge_make(map + i, RM_HUGE, false);
		made += failed ? 0 : RM_HUGE;
	}
	if (map)
		munmap(map, whole);
	return made;
}

int rm_huge_probe(void)
{
	struct rlimit limit;
	int fd, error;
	char *map;

	if (!rm_huge_fits())
		return -EINVAL;
	/* Beyond this limit, which applies to memory files, the kernel would raise SIGXFSZ. */
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < RM_HUGE)
		return -EFBIG;
	fd = memfd_create("rmmap-probe", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)RM_HUGE)) {
		error = -errno;
		close(fd);
		return error;
	}
	map = rm_huge_map(RM_HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	close(fd);
	if (!map)
		return -ENOMEM;
	error = rm_huge_make(map, RM_HUGE, false);
	munmap(map, RM_HUGE);
	return error;
}
