/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory.c - registering memory with the fabric, as the provider's modes demand
 *
 * Memory that others may read (a region) is registered until its owner closes it. Memory that reads
 * go into (a local) is registered when a piece is posted, if the provider demands it (FI_MR_LOCAL).
 * A local stays for the next read of the same place until its room is needed: RDMA devices pin what
 * is registered, and RLIMIT_MEMLOCK limits that.
 *
 * Worker thread only. Allocates a local's record with malloc.
 */
#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/memlock.h"
#include "../../common/say.h"
#include "internal.h"

/* Does the provider demand this FI_MR_* mode? */
static bool mr_needs(const struct fabric *fabric, uint64_t bit)
{
	return ((uint64_t)fabric->info->domain_attr->mr_mode & bit) != 0;
}

/*
 * A key for a new registration. Whoever knows a key can read, so those that we choose are random;
 * 0 if the provider chooses.
 */
static uint64_t mr_random_key(const struct fabric *fabric)
{
	size_t bytes = fabric->info->domain_attr->mr_key_size;
	uint64_t key;

	if (mr_needs(fabric, FI_MR_PROV_KEY))
		return 0;
	do {
		randombytes_buf(&key, sizeof(key));
		if (bytes && bytes < sizeof(key))
			key &= ((uint64_t)1 << bytes * 8) - 1;
	} while (key == FI_KEY_NOTAVAIL);
	return key;
}

/* A registration that belongs to an endpoint can be used only after these two calls. */
static int mr_enable(struct fabric *fabric, struct fid_mr *mr)
{
	int error;

	if (!mr_needs(fabric, FI_MR_ENDPOINT))
		return 0;
	error = fi_mr_bind(mr, &fabric->ep->fid, 0);
	return error ? error : fi_mr_enable(mr);
}

static int mr_reg(struct fabric *fabric, void *memory, size_t length, uint64_t access,
                  struct fid_mr **out)
{
	int error, tries = 0;

	/* A random key may be in use already where keys are short. */
	do {
		error = fi_mr_reg(fabric->domain, memory, length, access, 0, mr_random_key(fabric),
		                  0, out, NULL);
	} while (error == -FI_ENOKEY && ++tries < 16);
	if (error)
		return error;
	error = mr_enable(fabric, *out);
	if (error)
		fi_close(&(*out)->fid);
	return error;
}

/* ---- locals: what reads go into ---- */

/* It has no users, or the endpoint is closed. */
static void local_close(struct fabric *fabric, struct fabric_local *local)
{
	assert(fabric->local_count > 0 && fabric->registered >= local->length);
	assert(local->users || fabric->idle >= local->length);
	if (local->prev)
		local->prev->next = local->next;
	else
		fabric->locals = local->next;
	if (local->next)
		local->next->prev = local->prev;
	else
		fabric->oldest_local = local->prev;
	fabric->local_count--;
	fabric->registered -= local->length;
	if (!local->users)
		fabric->idle -= local->length;
	fi_close(&local->mr->fid);
	free(local);
}

static void local_to_front(struct fabric *fabric, struct fabric_local *local)
{
	local->prev = NULL;
	local->next = fabric->locals;
	if (fabric->locals)
		fabric->locals->prev = local;
	else
		fabric->oldest_local = local;
	fabric->locals = local;
	fabric->local_count++;
}

/* Close the oldest local without users. False: there is none. */
static bool local_evict(struct fabric *fabric)
{
	struct fabric_local *local = fabric->oldest_local;

	while (local && local->users)
		local = local->prev;
	if (local)
		local_close(fabric, local);
	return local != NULL;
}

int fabric_mr_open(struct fabric *fabric, void *memory, size_t length, uint64_t access,
                   struct fabric_region *region)
{
	struct fid_mr *mr = NULL;
	int error;

	memset(region, 0, sizeof(*region));
	do {
		error = mr_reg(fabric, memory, length, access, &mr);
	} while (error == -FI_ENOMEM && local_evict(fabric));
	if (!error && (access & FI_REMOTE_READ) && fi_mr_key(mr) == FI_KEY_NOTAVAIL) {
		fi_close(&mr->fid);
		error = -FI_ENOKEY;
	}
	if (error)
		return error;
	fabric->registered += length;
	region->length = length;
	region->mr = mr;
	region->desc = fi_mr_desc(mr);
	region->key = fi_mr_key(mr);
	if (mr_needs(fabric, FI_MR_VIRT_ADDR))
		region->base = (uintptr_t)memory;
	return 0;
}

int fabric_mr_probe(struct fabric *fabric)
{
	struct fid_mr *mr;
	int error = mr_reg(fabric, fabric->slab, FABRIC_MESSAGE_MAX, FI_REMOTE_READ, &mr);

	if (error)
		return error;
	return fi_close(&mr->fid) ? -EKEYREVOKED : 0;
}

/* The newest local that contains [start, end); NULL: none. */
static struct fabric_local *local_find(struct fabric *fabric, uintptr_t start, uintptr_t end)
{
	struct fabric_local *local;

	for (local = fabric->locals; local; local = local->next)
		if (local->start <= start && end <= local->start + local->length)
			break;
	return local;
}

/* Ask the owners of regions to close some. False: they have none. */
static bool fabric_make_room(struct fabric *fabric)
{
	return fabric->events.room && fabric->events.room(fabric->events.arg);
}

/*
 * Register a local, without users yet. room: others' regions may be closed for it. 0 or -errno;
 * -ENOMEM: nothing could be closed for it.
 */
static int local_open(struct fabric *fabric, void *memory, size_t length, bool room,
                      struct fabric_local **out)
{
	struct fabric_local *local = calloc(1, sizeof(*local));
	int error;

	if (!local)
		return -ENOMEM;
	while (fabric->local_count >= FABRIC_LOCALS && local_evict(fabric))
		;
	do {
		error = mr_reg(fabric, memory, length, FI_READ, &local->mr);
	} while (error == -FI_ENOMEM && (local_evict(fabric) || (room && fabric_make_room(fabric))));
	if (error) {
		free(local);
		return error;
	}
	local->start = (uintptr_t)memory;
	local->length = length;
	fabric->registered += length;
	fabric->idle += length;
	local_to_front(fabric, local);
	*out = local;
	return 0;
}

int fabric_local_get(struct fabric *fabric, struct fabric_op *op, void *around,
                     size_t around_length, void **desc)
{
	uintptr_t start = (uintptr_t)op->data, end = start + op->length;
	bool both = around && (uintptr_t)around <= start &&
	            end <= (uintptr_t)around + around_length;
	struct fabric_local *local;
	int error;

	*desc = NULL;
	op->local = NULL;
	if (!mr_needs(fabric, FI_MR_LOCAL))
		return 0;
	local = local_find(fabric, start, end);
	if (!local) {
		error = both ? local_open(fabric, around, around_length, false, &local) : -ENOMEM;
		/* What is around it may be more than can be pinned: then do without. */
		if (error == -ENOMEM)
			error = local_open(fabric, op->data, op->length, true, &local);
		if (error)
			return error;
	}
	if (!local->users++)
		fabric->idle -= local->length;
	op->local = local;
	*desc = fi_mr_desc(local->mr);
	return 0;
}

void fabric_local_put(struct fabric *fabric, struct fabric_op *op)
{
	struct fabric_local *local = op->local;

	op->local = NULL;
	if (!local)
		return;
	assert(local->users > 0);
	if (--local->users)
		return;
	fabric->idle += local->length;
	while (fabric->idle > FABRIC_IDLE && local_evict(fabric))
		;
}

void fabric_forget(struct fabric *fabric, const void *memory, size_t length)
{
	uintptr_t start = (uintptr_t)memory, end = start + length;
	struct fabric_local *local, *next;

	for (local = fabric->locals; local; local = next) {
		next = local->next;
		if (!local->users && local->start < end && start < local->start + local->length)
			local_close(fabric, local);
	}
}

void fabric_locals_close(struct fabric *fabric)
{
	while (fabric->locals)
		local_close(fabric, fabric->locals);
}

/* ---- regions: what others read ---- */

int fabric_register(struct fabric *fabric, void *memory, size_t length,
                    struct fabric_region *region)
{
	memset(region, 0, sizeof(*region));
	if (!memory || !length)
		return -EINVAL;
	return fabric_mr_open(fabric, memory, length, FI_REMOTE_READ, region);
}

void fabric_unregister(struct fabric *fabric, struct fabric_region *region)
{
	struct fid_mr *mr = region->mr;

	if (mr) {
		assert(fabric->registered >= region->length);
		fi_close(&mr->fid);
		fabric->registered -= region->length;
	}
	memset(region, 0, sizeof(*region));
}

void fabric_memlock_text(const struct fabric *fabric, char *text, size_t size)
{
	uint64_t limit = rm_memlock_limit();
	char most[32] = "unlimited";

	if (limit != UINT64_MAX)
		rm_format(most, sizeof(most), "%llu KiB", (unsigned long long)limit >> 10);
	rm_format(text, size, "%s cannot register more memory than the %zu KiB it has (limit of "
	          "locked memory: %s): raise that (ulimit -l, LimitMEMLOCK=) and start rmmapd anew",
	          fabric->addr.provider, fabric->registered >> 10, most);
}
