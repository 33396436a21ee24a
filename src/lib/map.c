/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * map.c - the mappings of what is attached
 *
 * Each attachment's pieces say where it needs what; a page is mapped once, by
 * the first that needs it, and unmapped with the last. Under attached.c's lock,
 * but for the sums, which are read without.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../common/say.h"
#include "attach.h"

#define REPLANS 4               /* the own heap may grow into a plan that often */

static struct array pieces = { .item = sizeof(struct piece) };
static uint64_t mapped_bytes;
static size_t piece_count;

static struct piece *piece_at(size_t i)
{
	return (struct piece *)pieces.data + i;
}

static int map_run(const struct run *run, int fd)
{
	void *want = (void *)(uintptr_t)run->addr;
	void *got = mmap(want, run->length, PROT_READ | PROT_WRITE,
	                 MAP_PRIVATE | MAP_FIXED_NOREPLACE | MAP_NORESERVE, fd,
	                 (off_t)run->offset);

	if (got == want)
		return 0;
	if (got == MAP_FAILED)
		return -errno;
	munmap(got, run->length);       /* a kernel without MAP_FIXED_NOREPLACE took it as a hint */
	return -EEXIST;
}

/* Unmap what only this owner has; the userfaultfd, if any, is closed after that. */
static void unmap(uint64_t owner)
{
	for (size_t i = 0; i < pieces.count; i++) {
		uint64_t from = piece_at(i)->addr, to = from + piece_at(i)->length, length;

		if (piece_at(i)->owner != owner)
			continue;
		for (; plan_sole(&pieces, owner, &from, to, &length); from += length) {
			munmap((void *)(uintptr_t)from, length);
			__atomic_fetch_sub(&mapped_bytes, length, __ATOMIC_RELAXED);
		}
	}
}

static void forget(uint64_t owner)
{
	for (size_t i = pieces.count; i-- > 0;)
		if (piece_at(i)->owner == owner)
			array_remove(&pieces, i);
	__atomic_store_n(&piece_count, pieces.count, __ATOMIC_RELEASE);
}

void map_drop(uint64_t owner)
{
	unmap(owner);
	forget(owner);
}

static int add_pieces(const struct rm_table *table, const struct array *runs, uint64_t owner)
{
	const struct run *run = runs->data;

	for (size_t i = 0; i < runs->count; i++, run++) {
		struct piece *piece = array_add(&pieces);

		if (!piece)
			return -ENOMEM;
		*piece = (struct piece){
			.addr = run->addr, .length = run->length, .offset = run->offset,
			.owner = owner, .shared = run->shared,
		};
		memcpy(piece->layer, table->layers[run->layer].id, RM_ID_BYTES);
	}
	__atomic_store_n(&piece_count, pieces.count, __ATOMIC_RELEASE);
	return 0;
}

static int map_failed(const struct run *run, int err, char *why)
{
	char name[128];
	uint64_t start;

	if (err == -EEXIST) {
		start = maps_find(run->addr, run->addr + run->length, name, sizeof(name));
		rm_format(why, RM_TEXT_MAX, "address 0x%llx is needed and holds %s "
		          "here; give publisher and attacher other slots (RMMAP_SLOT)",
		          (unsigned long long)(start > run->addr ? start : run->addr), name);
		return -EADDRINUSE;
	}
	if (err == -ENOMEM)
		rm_format(why, RM_TEXT_MAX, "no room for the mapping of %llu bytes: "
		          "the limit of address space (ulimit -v) or of mappings "
		          "(vm.max_map_count)", (unsigned long long)run->length);
	else
		rm_format(why, RM_TEXT_MAX, "mapping 0x%llx: %s",
		          (unsigned long long)run->addr, rm_errno_text(-err));
	return err;
}

/* Map all that is not there yet, or nothing. *failed gets the run that could not be. */
static int map_runs(const int *layer_fds, const struct array *runs,
                    const struct run **failed)
{
	const struct run *run = runs->data;
	uint64_t sum = 0;
	size_t i;
	int err = 0;

	for (i = 0; i < runs->count; i++) {
		if (run[i].shared)
			continue;
		err = map_run(&run[i], layer_fds[run[i].layer]);
		if (err)
			break;
		sum += run[i].length;
	}
	if (!err) {
		__atomic_fetch_add(&mapped_bytes, sum, __ATOMIC_RELAXED);
		return 0;
	}
	*failed = &run[i];
	while (i-- > 0)
		if (!run[i].shared)
			munmap((void *)(uintptr_t)run[i].addr, run[i].length);
	return err;
}

/* Plan, note and map; once more if the own heap has grown into the plan meanwhile. */
int map_snapshot(const struct rm_table *table, const int *layer_fds, uint64_t owner,
                 struct array *runs, uint64_t *own_left, struct conflict *conflict, char *why)
{
	int err = -EEXIST;

	*conflict = (struct conflict){ 0, 0 };
	for (int i = 0; err == -EEXIST; i++) {
		const struct run *failed = NULL;
		struct array own;

		runs->count = 0;
		err = freeze_ranges(&own);
		if (!err && plan_own(&own, table->root)) {
			err = -EADDRINUSE;
			rm_format(why, RM_TEXT_MAX, "root 0x%llx lies in this process's own heap, "
			          "whose content stands; use the pointer itself if it is its own, else "
			          "another slot (RMMAP_SLOT)", (unsigned long long)table->root);
		}
		if (!err)
			err = plan_attach(table, &own, &pieces, runs, own_left, conflict);
		if (err == -EADDRINUSE && conflict->addr && !conflict->owner)
			rm_format(why, RM_TEXT_MAX, "address 0x%llx is needed and lies in this "
			          "process's own heap; give publisher and attacher other slots "
			          "(RMMAP_SLOT), or, if one forked the other, set RMMAP_HEAP=shared",
			          (unsigned long long)conflict->addr);
		array_free(&own);
		if (!err)
			err = add_pieces(table, runs, owner);
		if (!err)
			err = map_runs(layer_fds, runs, &failed);
		if (err)
			forget(owner);
		if (failed && (err != -EEXIST || i == REPLANS))
			return map_failed(failed, err, why);
	}
	return err;
}

const struct array *map_pieces(void)
{
	return &pieces;
}

/* Does another attachment use memory that this one has mapped? */
bool map_lends(uint64_t owner)
{
	for (size_t i = 0; i < pieces.count; i++) {
		uint64_t from = piece_at(i)->addr, start = from, length = 0;
		uint64_t all = piece_at(i)->length;

		if (piece_at(i)->owner != owner || piece_at(i)->shared)
			continue;
		if (!plan_sole(&pieces, owner, &from, start + all, &length) || from != start ||
		    length != all)
			return true;
	}
	return false;
}

/* A block may go on over several pieces: layers are cut without regard to blocks. */
uint64_t map_end(uint64_t addr)
{
	uint64_t end = addr;

	for (size_t i = 0; i < pieces.count; i++)
		if (end - piece_at(i)->addr < piece_at(i)->length) {
			end = piece_at(i)->addr + piece_at(i)->length;
			i = (size_t)-1;
		}
	return end == addr ? 0 : end;
}

bool map_any(void)
{
	return __atomic_load_n(&piece_count, __ATOMIC_ACQUIRE) != 0;
}

uint64_t attach_bytes(void)
{
	return __atomic_load_n(&mapped_bytes, __ATOMIC_RELAXED);
}

/* Pages that cannot be had raise SIGBUS: a mapping past the end of an empty file. */
void map_nothing(uint64_t owner)
{
	int fd = memfd_create("rmmap-lost", MFD_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < pieces.count; i++) {
		const struct piece *piece = piece_at(i);
		struct run run = { .addr = piece->addr, .length = piece->length };

		if (piece->owner == owner && !piece->shared)
			map_run(&run, fd);
	}
	if (fd >= 0)
		close(fd);
}
