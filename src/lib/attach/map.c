/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * map.c - the mappings of what is attached
 *
 * Each attachment's holding says where it needs what; a page is mapped once, by the first
 * that needs it, and unmapped with the last. Under attached.c's lock, but for the sums, which
 * are read without.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../common/say.h"
#include "internal.h"

#define REPLANS 4               /* the own heap may grow into a plan that often */
#define MAPPINGS_ALL 32768      /* of all attachments: half of vm.max_map_count */
#define MAPPINGS_LEAST 64       /* of one that comes late */

attach_known *attach_published;

static struct array holdings = { .item = sizeof(struct holding) };
static uint64_t mapped_bytes;
static size_t holding_count;

static struct holding *holding_at(size_t i)
{
	return (struct holding *)holdings.data + i;
}

static struct holding *holding_of(uint64_t owner)
{
	for (size_t i = 0; i < holdings.count; i++)
		if (holding_at(i)->owner == owner)
			return holding_at(i);
	return NULL;
}

static int map_at(uint64_t addr, uint64_t length, int fd, uint64_t offset)
{
	void *want = (void *)(uintptr_t)addr;
	void *got = mmap(want, length, PROT_READ | PROT_WRITE,
	                 MAP_PRIVATE | MAP_FIXED_NOREPLACE | MAP_NORESERVE |
	                 (fd < 0 ? MAP_ANONYMOUS : 0), fd, (off_t)offset);

	/*
	 * When the kernel takes a huge page apart, pages of zeros may go: what this process made
	 * zeros would then look as if it had never been written, see gather.c.
	 */
	if (got == want && fd < 0)
		madvise(got, length, MADV_NOHUGEPAGE);
	if (got == want)
		return 0;
	if (got == MAP_FAILED)
		return -errno;
	munmap(got, length);            /* a kernel without MAP_FIXED_NOREPLACE took it as a hint */
	return -EEXIST;
}

/* Unmap what only this owner has; the userfaultfd, if any, is closed after that. */
static void unmap(const struct holding *holding)
{
	const struct stretch *stretch = holding->stretches.data;

	for (size_t i = 0; i < holding->stretches.count; i++, stretch++) {
		uint64_t from = stretch->addr, to = from + stretch->length, length;

		for (; plan_sole(&holdings, holding->owner, &from, to, &length); from += length) {
			munmap((void *)(uintptr_t)from, length);
			__atomic_fetch_sub(&mapped_bytes, length, __ATOMIC_RELAXED);
		}
	}
}

static void holding_free(struct holding *holding)
{
	array_free(&holding->runs);
	array_free(&holding->stretches);
}

void map_drop(uint64_t owner)
{
	struct holding *holding = holding_of(owner);

	if (!holding)
		return;
	unmap(holding);
	own_pages_unmap((void *)(uintptr_t)holding->table.header, holding->table.size);
	holding_free(holding);
	array_remove(&holdings, (size_t)(holding - holding_at(0)));
	__atomic_store_n(&holding_count, holdings.count, __ATOMIC_RELEASE);
}

static int map_failed(const struct carpet *carpet, int err, char *why)
{
	char name[128];
	uint64_t start;

	if (err == -EEXIST) {
		start = maps_find(carpet->addr, carpet->addr + carpet->length, name, sizeof(name));
		rm_format(why, RM_TEXT_MAX, "address 0x%llx is needed and holds %s "
		          "here; give publisher and attacher other slots (RMMAP_SLOT)",
		          (unsigned long long)(start > carpet->addr ? start : carpet->addr), name);
		return -EADDRINUSE;
	}
	if (err == -ENOMEM && why[0])
		return err;             /* map_carpets() saw why */
	if (err == -ENOMEM)
		rm_format(why, RM_TEXT_MAX, "no room for the mapping of %llu bytes: see the limits "
		          "of address space (ulimit -v) and of memory that may be promised "
		          "(vm.overcommit_memory)", (unsigned long long)carpet->length);
	else
		rm_format(why, RM_TEXT_MAX, "mapping 0x%llx: %s",
		          (unsigned long long)carpet->addr, rm_errno_text(-err));
	return err;
}

/*
 * Map all that is not there yet, or nothing. *failed gets the one that could not be; why what
 * is known of the reason, or "".
 */
static int map_carpets(const struct array *carpets, const int *layer_fds, struct carpet *failed,
                       char *why)
{
	const struct carpet *carpet = carpets->data;
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < carpets->count; i++) {
		int fd = carpet[i].layer == CARPET_ANONYMOUS ? -1 : layer_fds[carpet[i].layer];
		int err = map_at(carpet[i].addr, carpet[i].length, fd, carpet[i].offset);

		if (err) {
			*failed = carpet[i];
			if (err != -ENOMEM || !maps_spent(why, RM_TEXT_MAX))
				why[0] = '\0';
			while (i-- > 0)
				munmap((void *)(uintptr_t)carpet[i].addr, carpet[i].length);
			return err;
		}
		sum += carpet[i].length;
	}
	__atomic_fetch_add(&mapped_bytes, sum, __ATOMIC_RELAXED);
	return 0;
}

/* Mappings for one more attachment: others shall not find the kernel's limit used up. */
static size_t budget(void)
{
	size_t used = 0;

	for (size_t i = 0; i < holdings.count; i++)
		used += holding_at(i)->mappings;
	if (used >= MAPPINGS_ALL)
		return MAPPINGS_LEAST;
	used = (MAPPINGS_ALL - used) / 8;
	return used < MAPPINGS_LEAST ? MAPPINGS_LEAST : used;
}

/* What was copied in is what its layer has: no change of this process's, to be published. */
static void settle(const struct array *carpets, const struct array *patches)
{
	const struct carpet *carpet = carpets->data;
	const struct run *patch = patches->data;
	size_t next = 0;

	for (size_t i = 0; i < carpets->count && next < patches->count; i++) {
		uint64_t end = carpet[i].addr + carpet[i].length;

		if (patch[next].addr >= end)
			continue;
		while (next < patches->count && patch[next].addr < end)
			next++;
		/* Where it fails patches count as changed, and more is copied. */
		track_settle(carpet[i].addr, carpet[i].length);
	}
}

/* A page that is absent cannot be copied: what is lazy is mapped run by run. */
static int map_all(struct holding *holding, const int *layer_fds, struct carpet *failed, char *why)
{
	struct array carpets = { .item = sizeof(struct carpet) };
	struct array patches = { .item = sizeof(struct run) };
	size_t most = holding->lazy ? RM_TABLE_SEGMENTS_MAX * CARPET_EACH : budget();
	int err = carpet_plan(&holding->runs, most, &carpets);

	if (!err)
		err = carpet_patches(&holding->table, &holding->runs, &carpets, &patches);
	if (!err)
		err = map_carpets(&carpets, layer_fds, failed, why);
	if (!err) {
		err = patch_copy(&patches, layer_fds, holding->table.layer_count);
		if (err) {
			rm_format(why, RM_TEXT_MAX, "copying pages: %s", rm_errno_text(-err));
			unmap(holding);
		}
	}
	if (!err && policy_publishes())
		settle(&carpets, &patches);
	holding->mappings = carpets.count;
	array_free(&patches);
	array_free(&carpets);
	return err;
}

/* Once more, with what this process changed and published: that may have come back. */
static int plan_published(struct holding *holding, const struct array *own, uint64_t *own_left,
                          struct conflict *conflict)
{
	struct holding published = { .runs.item = sizeof(struct run) };
	struct array layers = { .item = sizeof(struct rm_layer_desc) };
	attach_known *known = __atomic_load_n(&attach_published, __ATOMIC_RELAXED);
	int err = known ? known(&published.runs, &layers, &published.owner) : 0;

	published.table.layers = layers.data;
	if (!err) {
		holding->runs.count = 0;
		err = plan_attach(&holding->table, own, &holdings, &published, &holding->runs,
		                  own_left, conflict);
	}
	array_free(&published.runs);
	array_free(&layers);
	return err;
}

static int plan(struct holding *holding, uint64_t *own_left, struct conflict *conflict, char *why)
{
	const struct rm_table *table = &holding->table;
	struct array own;
	int err = heap_ranges(&own);

	if (!err && plan_own(&own, table->root)) {
		err = -EADDRINUSE;
		rm_format(why, RM_TEXT_MAX, "root 0x%llx lies in this process's own heap, "
		          "whose content stands; use the pointer itself if it is its own, else "
		          "another slot (RMMAP_SLOT)", (unsigned long long)table->root);
	}
	if (!err)
		err = plan_attach(table, &own, &holdings, NULL, &holding->runs, own_left,
		                  conflict);
	if (err == -EADDRINUSE && conflict->owner)
		err = plan_published(holding, &own, own_left, conflict);
	if (err == -EADDRINUSE && conflict->addr && !conflict->owner)
		rm_format(why, RM_TEXT_MAX, "address 0x%llx is needed and lies in this "
		          "process's own heap; give publisher and attacher other slots "
		          "(RMMAP_SLOT), or, if one forked the other, set RMMAP_HEAP=shared",
		          (unsigned long long)conflict->addr);
	array_free(&own);
	return err ? err : plan_stretches(&holding->runs, &holding->stretches);
}

static int note(const struct holding *holding)
{
	struct holding *place = array_add(&holdings);

	if (!place)
		return -ENOMEM;
	*place = *holding;
	return 0;
}

/* Plan and map; once more if the own heap has grown into the plan meanwhile. */
int map_snapshot(const struct offer *offer, uint64_t owner, uint64_t *own_left,
                 struct conflict *conflict, char *why)
{
	struct holding new = {
		.owner = owner, .table = offer->table, .lazy = offer->lazy,
		.runs.item = sizeof(struct run), .stretches.item = sizeof(struct stretch),
	};
	int err = -EEXIST;

	*conflict = (struct conflict){ 0, 0 };
	for (int i = 0; err == -EEXIST; i++) {
		struct carpet failed = { .length = 0 };

		new.runs.count = new.stretches.count = 0;
		err = plan(&new, own_left, conflict, why);
		if (!err)
			err = map_all(&new, offer->layer_fds, &failed, why);
		if (failed.length && (err != -EEXIST || i == REPLANS)) {
			err = map_failed(&failed, err, why);
			break;
		}
	}
	if (!err) {
		err = note(&new);
		if (err)
			unmap(&new);
	}
	if (err)
		holding_free(&new);
	__atomic_store_n(&holding_count, holdings.count, __ATOMIC_RELEASE);
	return err;
}

const struct array *map_holdings(void)
{
	return &holdings;
}

const struct holding *map_holding(uint64_t owner)
{
	return holding_of(owner);
}

void map_settled(uint64_t owner)
{
	holding_of(owner)->lazy = false;
}

/* Does another attachment use memory that this one has mapped? */
bool map_lends(uint64_t owner)
{
	const struct holding *holding = holding_of(owner);
	const struct run *run = holding->runs.data;

	for (size_t i = 0; i < holding->runs.count; i++) {
		uint64_t from = run[i].addr, length = 0;

		if (run[i].shared)
			continue;
		if (!plan_sole(&holdings, owner, &from, from + run[i].length, &length) ||
		    length != run[i].length)
			return true;
	}
	return false;
}

/* A block may go on over several runs: layers are cut without regard to blocks. */
uint64_t map_end(uint64_t addr)
{
	uint64_t end = addr;

	for (size_t i = 0; i < holdings.count; i++) {
		uint64_t next = plan_end(holding_at(i), end);

		if (next) {
			end = next;
			i = (size_t)-1;
		}
	}
	return end == addr ? 0 : end;
}

bool map_any(void)
{
	return __atomic_load_n(&holding_count, __ATOMIC_ACQUIRE) != 0;
}

uint64_t attach_bytes(void)
{
	return __atomic_load_n(&mapped_bytes, __ATOMIC_RELAXED);
}

/* Pages that cannot be had raise SIGBUS: a mapping past the end of an empty file. */
void map_nothing(uint64_t owner)
{
	const struct array *runs = &holding_of(owner)->runs;
	int fd = memfd_create("rmmap-lost", MFD_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < runs->count; i++) {
		const struct run *run = (const struct run *)runs->data + i;

		if (!run->shared)
			map_at(run->addr, run->length, fd, 0);
	}
	if (fd >= 0)
		close(fd);
}
