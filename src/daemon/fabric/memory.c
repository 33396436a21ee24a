/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fabric_mr.c - registering memory with the fabric, as its modes demand
 *
 * What others may read is registered until its owner closes it. What reads go into is
 * registered piece by piece as they are posted, where the provider wants that (FI_MR_LOCAL),
 * and stays for the next read of the same place, until others need the room: RDMA devices pin
 * what is registered, and RLIMIT_MEMLOCK bounds that.
 *
 * Worker thread only. Allocates the record of a local registration with malloc.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/memlock.h"
#include "../../common/say.h"
#include "internal.h"

static bool mode(const struct fabric *fabric, uint64_t bit)
{
	return ((uint64_t)fabric->info->domain_attr->mr_mode & bit) != 0;
}

/* Where keys are ours to choose they are unguessable: whoever knows one can read. */
static uint64_t random_key(const struct fabric *fabric)
{
	size_t bytes = fabric->info->domain_attr->mr_key_size;
	uint64_t key;

	if (mode(fabric, FI_MR_PROV_KEY))
		return 0;
	do {
		randombytes_buf(&key, sizeof(key));
		if (bytes && bytes < sizeof(key))
			key &= ((uint64_t)1 << bytes * 8) - 1;
	} while (key == FI_KEY_NOTAVAIL);
	return key;
}

/* A region bound to an endpoint is usable only after these two. */
static int mr_enable(struct fabric *fabric, struct fid_mr *mr)
{
	int error;

	if (!mode(fabric, FI_MR_ENDPOINT))
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
		error = fi_mr_reg(fabric->domain, memory, length, access, 0, random_key(fabric),
		                  0, out, NULL);
	} while (error == -FI_ENOKEY && ++tries < 16);
	if (error)
		return error;
	error = mr_enable(fabric, *out);
	if (error)
		fi_close(&(*out)->fid);
	return error;
}

/* ---- what reads go into ---- */

static void local_close(struct fabric *fabric, struct fabric_local *local)
{
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

static void to_front(struct fabric *fabric, struct fabric_local *local)
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

/* The one of those without a read that was used longest ago; false if there is none. */
static bool evict(struct fabric *fabric)
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
	} while (error == -FI_ENOMEM && evict(fabric));
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
	if (mode(fabric, FI_MR_VIRT_ADDR))
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

static struct fabric_local *local_find(struct fabric *fabric, uintptr_t start, uintptr_t end)
{
	struct fabric_local *local;

	for (local = fabric->locals; local; local = local->next)
		if (local->start <= start && end <= local->start + local->length)
			break;
	return local;
}

static bool room(struct fabric *fabric)
{
	return fabric->events.room && fabric->events.room(fabric->events.arg);
}

static int local_open(struct fabric *fabric, void *memory, size_t length,
                      struct fabric_local **out)
{
	struct fabric_local *local = calloc(1, sizeof(*local));
	int error;

	if (!local)
		return -ENOMEM;
	while (fabric->local_count >= FABRIC_LOCALS && evict(fabric))
		;
	do {
		error = mr_reg(fabric, memory, length, FI_READ, &local->mr);
	} while (error == -FI_ENOMEM && (evict(fabric) || room(fabric)));
	if (error) {
		free(local);
		return error;
	}
	local->start = (uintptr_t)memory;
	local->length = length;
	fabric->registered += length;
	fabric->idle += length;
	to_front(fabric, local);
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
	if (!mode(fabric, FI_MR_LOCAL))
		return 0;
	local = local_find(fabric, start, end);
	if (!local) {
		error = local_open(fabric, both ? around : op->data,
		                   both ? around_length : op->length, &local);
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
	if (!local || --local->users)
		return;
	fabric->idle += local->length;
	while (fabric->idle > FABRIC_IDLE && evict(fabric))
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

/* ---- what others read ---- */

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
