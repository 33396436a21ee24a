/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * map.c - the mappings of what is attached
 *
 * Each attachment has a struct mapped, which says which pages it needs and of which layers. A page
 * is mapped once, by the first attachment that needs it, and unmapped with the last. Under
 * attached_lock(), on any thread, except map_any() and attach_bytes(). Allocates in struct array.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../common/say.h"
#include "internal.h"

#define REPLANS 4               /* so often the own heap may grow into a plan */
#define MAPPINGS_ALL 32768      /* of all attachments: half of vm.max_map_count */
#define MAPPINGS_LEAST 64       /* of one attachment, however many there are */

attach_published_list *attach_published;

/* In the order of attaching, as far as none was removed. */
static struct array all_mapped = { .item = sizeof(struct mapped) };
static uint64_t mapped_bytes;           /* sum of all mappings, each page once; written under
                                           the lock, read without it */
static size_t mapped_count;             /* all_mapped.count, to be read without the lock */

static struct mapped *mapped_at(size_t i)
{
	return (struct mapped *)all_mapped.data + i;
}

static struct mapped *mapped_find(uint64_t owner)
{
	for (size_t i = 0; i < all_mapped.count; i++)
		if (mapped_at(i)->owner == owner)
			return mapped_at(i);
	return NULL;
}

/* Map there, and nothing else: 0, -EEXIST if something is in the way, or another -errno. */
static int map_at(uint64_t addr, uint64_t length, int fd, uint64_t offset)
{
	void *want = (void *)(uintptr_t)addr;
	void *got = mmap(want, length, PROT_READ | PROT_WRITE,
	                 MAP_PRIVATE | MAP_FIXED_NOREPLACE | MAP_NORESERVE |
	                 (fd < 0 ? MAP_ANONYMOUS : 0), fd, (off_t)offset);

	/*
	 * When the kernel splits a huge page, it may drop pages of zeros. A page that this process
	 * has filled with zeros would then look as if it had never been written: see
	 * publish/collect.c.
	 */
	if (got == want && fd < 0)
		madvise(got, length, MADV_NOHUGEPAGE);
	if (got == want)
		return 0;
	if (got == MAP_FAILED)
		return -errno;
	munmap(got, length);            /* Linux before 4.17 takes the address as a hint */
	return -EEXIST;
}

/* Unmap what only this attachment uses. Its userfaultfd must not be closed before that. */
static void mapped_unmap(const struct mapped *mapped)
{
	const struct stretch *stretch = mapped->stretches.data;

	for (size_t i = 0; i < mapped->stretches.count; i++, stretch++) {
		uint64_t from = stretch->addr, to = from + stretch->length, length;

		for (; plan_sole(&all_mapped, mapped->owner, &from, to, &length); from += length) {
			munmap((void *)(uintptr_t)from, length);
			__atomic_fetch_sub(&mapped_bytes, length, __ATOMIC_RELAXED);
		}
	}
}

static void mapped_free(struct mapped *mapped)
{
	array_free(&mapped->runs);
	array_free(&mapped->stretches);
}

void map_drop(uint64_t owner)
{
	struct mapped *mapped = mapped_find(owner);

	if (!mapped)
		return;
	mapped_unmap(mapped);
	own_pages_unmap((void *)(uintptr_t)mapped->table.header, mapped->table.size);
	mapped_free(mapped);
	array_remove(&all_mapped, (size_t)(mapped - mapped_at(0)));
	__atomic_store_n(&mapped_count, all_mapped.count, __ATOMIC_RELEASE);
}

/* Say why a mapping could not be made, and return the error of the attach. */
static int mapping_failed(const struct coalesced *mapping, int error, char *why)
{
	char name[128];
	uint64_t start;

	if (error == -EEXIST) {
		start = maps_find(mapping->addr, mapping->addr + mapping->length, name,
		                  sizeof(name));
		rm_format(why, RM_TEXT_MAX, "address 0x%llx is needed and holds %s here; give "
		          "publisher and attacher other slots (RMMAP_SLOT)", (unsigned long
		                                                              long)(start >
		                                                                    mapping->addr ?
		                                                                    start :
		                                                                    mapping->addr),
		          name);
		return -EADDRINUSE;
	}
	if (error == -ENOMEM && why[0])
		return error;             /* map_coalesced() has said why */
	if (error == -ENOMEM)
		rm_format(why, RM_TEXT_MAX, "no room for the mapping of %llu bytes: see the limits "
		          "of address space (ulimit -v) and of memory that may be promised "
		          "(vm.overcommit_memory)", (unsigned long long)mapping->length);
	else
		rm_format(why, RM_TEXT_MAX, "mapping 0x%llx: %s",
		          (unsigned long long)mapping->addr, rm_errno_text(-error));
	return error;
}

/*
 * Make all mappings, or none. On failure *failed gets the one that could not be made, and why the
 * reason, if it is known by now, or "".
 */
static int map_coalesced(const struct array *mappings, const int *layer_fds, struct coalesced
                         *failed, char *why)
{
	const struct coalesced *mapping = mappings->data;
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < mappings->count; i++) {
		int fd = mapping[i].layer == COALESCED_ANONYMOUS ? -1 : layer_fds[mapping[i].layer];
		int error = map_at(mapping[i].addr, mapping[i].length, fd, mapping[i].offset);

		if (error) {
			*failed = mapping[i];
			if (error != -ENOMEM || !maps_spent(why, RM_TEXT_MAX))
				why[0] = '\0';
			while (i-- > 0)
				munmap((void *)(uintptr_t)mapping[i].addr, mapping[i].length);
			return error;
		}
		sum += mapping[i].length;
	}
	/* Only what was mapped here: shared runs are in nobody's mappings but the first one's. */
	__atomic_fetch_add(&mapped_bytes, sum, __ATOMIC_RELAXED);
	return 0;
}

/* How many mappings one more attachment may have, so that later ones find some left. */
static size_t mapping_budget(void)
{
	size_t used = 0;

	for (size_t i = 0; i < all_mapped.count; i++)
		used += mapped_at(i)->mappings;
	if (used >= MAPPINGS_ALL)
		return MAPPINGS_LEAST;
	used = (MAPPINGS_ALL - used) / 8;
	return used < MAPPINGS_LEAST ? MAPPINGS_LEAST : used;
}

/*
 * Copied pages equal their layers. Without this the next publish would take them for changes of
 * this process, and copy them again.
 */
static void copies_mark_unchanged(const struct array *mappings, const struct array *copies)
{
	const struct coalesced *mapping = mappings->data;
	const struct run *copy = copies->data;
	size_t next = 0;

	for (size_t i = 0; i < mappings->count && next < copies->count; i++) {
		uint64_t end = mapping[i].addr + mapping[i].length;

		if (copy[next].addr >= end)
			continue;
		while (next < copies->count && copy[next].addr < end)
			next++;
		/* On failure they count as changed, and the next publish copies more. */
		track_mark_unchanged(mapping[i].addr, mapping[i].length);
	}
}

/* A page that is absent cannot be copied, so a lazy attachment is mapped run by run. */
static int map_runs(struct mapped *mapped, const int *layer_fds, struct coalesced *failed, char
                    *why)
{
	struct array mappings = { .item = sizeof(struct coalesced) };
	struct array copies = { .item = sizeof(struct run) };
	size_t most = mapped->lazy ? RM_TABLE_SEGMENTS_MAX * COALESCE_EACH : mapping_budget();
	int error = coalesce_plan(&mapped->runs, most, &mappings);

	if (!error)
		error = coalesced_copies(&mapped->table, &mapped->runs, &mappings, &copies);
	if (!error)
		error = map_coalesced(&mappings, layer_fds, failed, why);
	if (!error) {
		error = copy_runs(&copies, layer_fds, mapped->table.layer_count);
		if (error) {
			rm_format(why, RM_TEXT_MAX, "copying pages: %s", rm_errno_text(-error));
			/*
			 * Half-copied memory must not be seen. It is not in all_mapped yet, but
			 * its stretches tell what to unmap.
			 */
			mapped_unmap(mapped);
		}
	}
	if (!error && policy_publishes())
		copies_mark_unchanged(&mappings, &copies);
	mapped->mappings = mappings.count;
	array_free(&copies);
	array_free(&mappings);
	return error;
}

/*
 * Plan again, with what this process changed in attached memory and published: the publication may
 * be one that comes back with those changes.
 */
static int map_plan_published(struct mapped *mapped, const struct array *own, uint64_t *own_left,
                              struct conflict *conflict)
{
	struct mapped published = { .runs.item = sizeof(struct run) };
	struct array layers = { .item = sizeof(struct rm_layer_desc) };
	attach_published_list *known = __atomic_load_n(&attach_published, __ATOMIC_RELAXED);
	int error = known ? known(&published.runs, &layers, &published.owner) : 0;

	published.table.layers = layers.data;
	if (!error) {
		mapped->runs.count = 0;
		error = plan_attach(&mapped->table, own, &all_mapped, &published, &mapped->runs,
		                    own_left, conflict);
	}
	array_free(&published.runs);
	array_free(&layers);
	return error;
}

/* Decide which pages to map. 0, or -errno with why or with conflict. */
static int map_plan(struct mapped *mapped, uint64_t *own_left, struct conflict *conflict, char *why)
{
	const struct rm_table *table = &mapped->table;
	struct array own;
	int error = heap_ranges(&own);

	if (!error && plan_own(&own, table->root)) {
		error = -EADDRINUSE;
		rm_format(why, RM_TEXT_MAX, "root 0x%llx lies in this process's own heap, "
		          "whose content stands; use the pointer itself if it is its own, else "
		          "another slot (RMMAP_SLOT)", (unsigned long long)table->root);
	}
	if (!error)
		error = plan_attach(table, &own, &all_mapped, NULL, &mapped->runs, own_left,
		                    conflict);
	if (error == -EADDRINUSE && conflict->owner)
		error = map_plan_published(mapped, &own, own_left, conflict);
	if (error == -EADDRINUSE && conflict->addr && !conflict->owner)
		rm_format(why, RM_TEXT_MAX, "address 0x%llx is needed and lies in this "
		          "process's own heap; give publisher and attacher other slots "
		          "(RMMAP_SLOT), or, if one forked the other, set RMMAP_HEAP=shared",
		          (unsigned long long)conflict->addr);
	array_free(&own);
	return error ? error : plan_stretches(&mapped->runs, &mapped->stretches);
}

static int mapped_add(const struct mapped *mapped)
{
	struct mapped *place = array_add(&all_mapped);

	if (!place)
		return -ENOMEM;
	*place = *mapped;
	return 0;
}

/* Plan and map; again if the own heap has grown into the plan meanwhile. */
int map_snapshot(const struct offer *offer, uint64_t owner, uint64_t *own_left,
                 struct conflict *conflict, char *why)
{
	struct mapped new = {
		.owner = owner, .table = offer->table, .lazy = offer->lazy,
		.runs.item = sizeof(struct run), .stretches.item = sizeof(struct stretch),
	};
	int error = -EEXIST;

	*conflict = (struct conflict){ 0, 0 };
	for (int i = 0; error == -EEXIST; i++) {
		struct coalesced failed = { .length = 0 };

		new.runs.count = new.stretches.count = 0;
		error = map_plan(&new, own_left, conflict, why);
		if (!error)
			error = map_runs(&new, offer->layer_fds, &failed, why);
		/*
		 * -EEXIST: this process's own heap has grown there since heap_ranges(), or
		 * something else lies there, which the next attempts find again.
		 */
		if (failed.length && (error != -EEXIST || i == REPLANS)) {
			error = mapping_failed(&failed, error, why);
			break;
		}
	}
	if (!error) {
		error = mapped_add(&new);
		if (error)
			mapped_unmap(&new);
	}
	if (error)
		mapped_free(&new);
	__atomic_store_n(&mapped_count, all_mapped.count, __ATOMIC_RELEASE);
	return error;
}

const struct array *map_all_mapped(void)
{
	return &all_mapped;
}

const struct mapped *map_of(uint64_t owner)
{
	return mapped_find(owner);
}

void map_settled(uint64_t owner)
{
	mapped_find(owner)->lazy = false;
}

/* For each run that this attachment has mapped: does another one use any of it? */
bool map_lends(uint64_t owner)
{
	const struct mapped *mapped = mapped_find(owner);
	const struct run *run = mapped->runs.data;

	for (size_t i = 0; i < mapped->runs.count; i++) {
		uint64_t from = run[i].addr, length = 0;

		if (run[i].shared)
			continue;
		if (!plan_sole(&all_mapped, owner, &from, from + run[i].length, &length) ||
		    length != run[i].length)
			return true;
	}
	return false;
}

/* Layers are cut without regard to malloc's blocks, so a block may lie in several runs. */
uint64_t map_end(uint64_t addr)
{
	uint64_t end = addr;

	for (size_t i = 0; i < all_mapped.count; i++) {
		uint64_t next = plan_end(mapped_at(i), end);

		if (next) {
			/*
			 * Begin again: an attachment that was passed may go on where this one
			 * ends.
			 */
			end = next;
			i = (size_t)-1;
		}
	}
	return end == addr ? 0 : end;
}

bool map_any(void)
{
	return __atomic_load_n(&mapped_count, __ATOMIC_ACQUIRE) != 0;
}

uint64_t attach_bytes(void)
{
	return __atomic_load_n(&mapped_bytes, __ATOMIC_RELAXED);
}

/* A mapping beyond the end of an empty file: each access raises SIGBUS. */
void map_nothing(uint64_t owner)
{
	const struct array *runs = &mapped_find(owner)->runs;
	int fd = memfd_create("rmmap-lost", MFD_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < runs->count; i++) {
		const struct run *run = (const struct run *)runs->data + i;

		if (!run->shared)
			map_at(run->addr, run->length, fd, 0);
	}
	if (fd >= 0)
		close(fd);
}
