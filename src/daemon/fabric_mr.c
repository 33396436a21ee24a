/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fabric_mr.c - registering memory with the fabric
 *
 * Worker thread only.
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "fabric_internal.h"

/* Where keys are ours to choose they are unguessable: whoever knows one can read. */
static uint64_t random_key(const struct fabric *fabric)
{
	size_t bytes = fabric->info->domain_attr->mr_key_size;
	uint64_t key;

	if (fabric->info->domain_attr->mr_mode & FI_MR_PROV_KEY)
		return 0;
	do {
		randombytes_buf(&key, sizeof(key));
		if (bytes < sizeof(key))
			key &= ((uint64_t)1 << bytes * 8) - 1;
	} while (key == FI_KEY_NOTAVAIL);
	return key;
}

/* A region bound to an endpoint is usable only after these two. */
static int mr_enable(struct fabric *fabric, struct fid_mr *mr)
{
	int error;

	if (!(fabric->info->domain_attr->mr_mode & FI_MR_ENDPOINT))
		return 0;
	error = fi_mr_bind(mr, &fabric->ep->fid, 0);
	return error ? error : fi_mr_enable(mr);
}

int fabric_mr_open(struct fabric *fabric, void *memory, size_t length, uint64_t access,
                   struct fabric_region *region)
{
	struct fid_mr *mr = NULL;
	int error, tries = 0;

	memset(region, 0, sizeof(*region));
	/* A random key may be in use already where keys are short. */
	do {
		error = fi_mr_reg(fabric->domain, memory, length, access, 0, random_key(fabric),
		                  0, &mr, NULL);
	} while (error == -FI_ENOKEY && ++tries < 16);
	if (error)
		return error;
	error = mr_enable(fabric, mr);
	if (error) {
		fi_close(&mr->fid);
		return error;
	}
	region->mr = mr;
	region->desc = fi_mr_desc(mr);
	region->key = fi_mr_key(mr);
	if (fabric->info->domain_attr->mr_mode & FI_MR_VIRT_ADDR)
		region->base = (uintptr_t)memory;
	return 0;
}

int fabric_register(struct fabric *fabric, void *memory, size_t length, bool remote,
                    struct fabric_region *region)
{
	memset(region, 0, sizeof(*region));
	if (!memory || !length)
		return -EINVAL;
	if (!remote && !(fabric->info->domain_attr->mr_mode & FI_MR_LOCAL))
		return 0;
	return fabric_mr_open(fabric, memory, length, remote ? FI_REMOTE_READ : FI_READ, region);
}

void fabric_unregister(struct fabric *fabric, struct fabric_region *region)
{
	struct fid_mr *mr = region->mr;

	(void)fabric;
	if (mr)
		fi_close(&mr->fid);
	memset(region, 0, sizeof(*region));
}
