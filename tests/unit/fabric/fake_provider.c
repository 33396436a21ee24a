/* SPDX-License-Identifier: BSD-2-Clause */
/* fake_provider.c - see fake_provider.h */
#include "fake_provider.h"

#include "../../../src/daemon/base/container.h"

struct fake_provider it;
int results[LOG_MAX];
unsigned result_count;

static int close_mr(struct fid *fid)
{
	struct fake_mr *fake = container_of(fid, struct fake_mr, mr.fid);

	if (it.close_error)
		return it.close_error;
	it.pinned -= fake->length;
	it.open--;
	free(fake);
	return 0;
}

static int bind_mr(struct fid *fid, struct fid *to, uint64_t flags)
{
	struct fake_mr *fake = container_of(fid, struct fake_mr, mr.fid);

	ck_assert(to == &it.ep.fid && !flags && !fake->enabled);
	fake->bound = true;
	return 0;
}

static int control_mr(struct fid *fid, int command, void *arg)
{
	struct fake_mr *fake = container_of(fid, struct fake_mr, mr.fid);

	(void)arg;
	ck_assert_int_eq(command, FI_ENABLE);
	ck_assert(fake->bound);
	fake->enabled = true;
	return 0;
}

static struct fi_ops mr_ops = {
	.size = sizeof(mr_ops), .close = close_mr, .bind = bind_mr, .control = control_mr,
};

static int reg(struct fid *fid, const void *buffer, size_t length, uint64_t access,
               uint64_t offset, uint64_t key, uint64_t flags, struct fid_mr **out, void *context)
{
	struct fake_mr *fake;

	ck_assert(fid == &it.domain.fid && !offset && !flags && !context);
	if (it.clashes) {
		it.clashes--;
		return -FI_ENOKEY;
	}
	if (length > it.limit - it.pinned)
		return -FI_ENOMEM;
	fake = calloc(1, sizeof(*fake));
	fake->mr.fid.ops = &mr_ops;
	fake->mr.mem_desc = fake;
	fake->mr.key = it.next_key ? it.next_key++ : key;
	fake->start = (uintptr_t)buffer;
	fake->length = length;
	fake->access = access;
	fake->asked_key = key;
	it.pinned += length;
	it.open++;
	it.last = fake;
	*out = &fake->mr;
	return 0;
}

static struct fi_ops_mr domain_mr = { .size = sizeof(domain_mr), .reg = reg };

static ssize_t take_read(struct fid_ep *ep, void *to, size_t length, void *desc, fi_addr_t from,
                         uint64_t addr, uint64_t key, void *context)
{
	ck_assert(ep == &it.ep && from == 7 && it.read_count < LOG_MAX);
	it.reads[it.read_count++] = (struct fake_read){
		desc, (uintptr_t)to, length, addr, key, context,
	};
	return 0;
}

static int remove_address(struct fid_av *av, fi_addr_t *address, size_t count, uint64_t flags)
{
	ck_assert(av == &it.av && *address == 7 && count == 1 && !flags);
	it.removed++;
	return 0;
}

static struct fi_ops_av av_ops = { .size = sizeof(av_ops), .remove = remove_address };

static struct fi_ops_rma ep_rma = { .size = sizeof(ep_rma), .read = take_read };

void begin(int mr_mode, size_t key_size, size_t limit)
{
	memset(&it, 0, sizeof(it));
	it.info = fi_allocinfo();
	it.info->domain_attr->mr_mode = mr_mode;
	it.info->domain_attr->mr_key_size = key_size;
	it.domain.mr = &domain_mr;
	it.ep.rma = &ep_rma;
	it.av.ops = &av_ops;
	it.limit = limit;
	it.fabric.info = it.info;
	it.fabric.domain = &it.domain;
	it.fabric.ep = &it.ep;
	it.fabric.av = &it.av;
	it.fabric.piece_size = 4 * 4096;
	it.fabric.next_deadline = it.fabric.idle_at = UINT64_MAX;
	it.fabric.finished_end = &it.fabric.finished;
	it.fabric.peers = &it.peer;
	it.peer.address = 7;
	it.peer.users = 1;
}

void end(void)
{
	fabric_locals_close(&it.fabric);
	ck_assert_uint_eq(it.open, 0);
	ck_assert_uint_eq(it.fabric.registered, 0);
	ck_assert_uint_eq(it.fabric.idle, 0);
	fabric_pieces_close(&it.fabric);
	fi_freeinfo(it.info);
}

static void done(struct fabric_read *read, int error)
{
	(void)read;
	results[result_count++] = error;
}

void ask(struct fabric_read *read, unsigned page, unsigned pages)
{
	*read = (struct fabric_read){
		.peer = &it.peer, .to = it.memory + page * 4096, .length = pages * 4096,
		.from = 1000, .key = 5, .deadline = UINT64_MAX, .done = done,
	};
	fabric_read(&it.fabric, read);
}

void complete(unsigned i)
{
	fabric_piece_done(&it.fabric, it.reads[i].context, 0);
}
