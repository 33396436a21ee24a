/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * huge.h - 2 MiB pages of memory files, made by madvise(MADV_COLLAPSE)
 *
 * The library makes pages of the heap and of copied layers huge, rmmapd those of its caches.
 * Since Linux 6.1, without privilege, whatever transparent_hugepage/shmem_enabled says but
 * "deny". Any thread; no allocation; no state.
 */
#ifndef RM_HUGE_H
#define RM_HUGE_H

#include <stdbool.h>
#include <stdint.h>

#define RM_HUGE_SHIFT 21
#define RM_HUGE ((uint64_t)1 << RM_HUGE_SHIFT)  /* bytes of a huge page */

enum rm_huge_mode {                     /* RMMAP_HUGE */
	RM_HUGE_AUTO,                   /* where it costs no memory to speak of */
	RM_HUGE_ON,                     /* wherever it is possible */
	RM_HUGE_OFF,
};

static inline uint64_t rm_huge_down(uint64_t bytes)
{
	return bytes & ~(RM_HUGE - 1);
}

static inline uint64_t rm_huge_up(uint64_t bytes)
{
	return (bytes + RM_HUGE - 1) & ~(RM_HUGE - 1);
}

/* Does this machine have pages of 4 KiB, of which 512 are a huge page? */
bool rm_huge_fits(void);

/*
 * Make [addr, addr + length) huge pages: whole multiples of RM_HUGE of one writable MAP_SHARED
 * mapping of a memory file, whose offset in the file is congruent. Pages that are there keep
 * their content and are copied. The kernel refuses 2 MiB without any page: so the first page of
 * each is allocated first, unless present says that each has one. Other threads may read and write
 * this memory meanwhile.
 *
 * 0; or -errno, and an unknown first part of it has been made: -EINVAL this kernel has no
 * MADV_COLLAPSE, or refuses huge pages in memory files; -ENOMEM, -EAGAIN no memory in one piece;
 * -EBUSY part of it is registered with a userfaultfd;
 * -EFAULT the first page may not be written to.
 */
int rm_huge_make(void *addr, uint64_t length, bool present);

/*
 * Before pages are written to a new memory file: make those 2 MiB of it huge of whose pages three
 * quarters or more have a bit in data, a bitmap of the file's pages. Returns how many bytes were
 * made; the rest gets pages of 4 KiB, whatever the reason.
 */
uint64_t rm_huge_file(int fd, uint64_t length, const uint64_t *data);

/*
 * mmap() a file from its beginning, at a multiple of RM_HUGE, where the kernel can map its huge
 * pages as such. NULL with errno.
 */
void *rm_huge_map(uint64_t length, int protection, int flags, int fd);

/*
 * Try it with one page of a file of its own. 0 or -errno, as above; -EFBIG: no file may be so large
 * (ulimit -f).
 */
int rm_huge_probe(void);

#endif
