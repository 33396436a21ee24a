/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_modes.c - memory.c and the posting of reads, for whatever mr_mode a provider has, and
 * when peer.c drops who is not named any more
 *
 * The provider is a fake one behind libfabric's tables of functions: it notes what it is asked
 * for, pins so much and no more, and completes nothing by itself.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../unit.h"
#include "../../../src/daemon/fabric/internal.h"

#define LOG_MAX 64

struct fake_mr {
	struct fid_mr mr;
	uintptr_t start;
	size_t length;
	uint64_t access, asked_key;
	bool bound, enabled;
};

struct fake_read {
	void *desc;
	uintptr_t to;
	size_t length;
	uint64_t from, key;
	void *context;
};

static struct {
	struct fabric fabric;
	struct fi_info *info;
	struct fid_domain domain;
	struct fid_ep ep;
	struct fid_av av;
	unsigned removed;               /* addresses */
	struct fabric_peer peer;
	size_t pinned, limit;
	unsigned open, clashes;         /* clashes: so many keys are in use already */
	int close_error;
	uint64_t next_key;              /* the provider's own */
	struct fake_mr *last;
	struct fake_read reads[LOG_MAX];
	unsigned read_count;
	uint8_t memory[64 * 4096];
} it;

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

static void begin(int mr_mode, size_t key_size, size_t limit)
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

static void end(void)
{
	fabric_locals_close(&it.fabric);
	ck_assert_uint_eq(it.open, 0);
	ck_assert_uint_eq(it.fabric.registered, 0);
	ck_assert_uint_eq(it.fabric.idle, 0);
	fabric_reads_close(&it.fabric);
	fi_freeinfo(it.info);
}

static int results[LOG_MAX];
static unsigned result_count;

static void done(struct fabric_read *read, int error)
{
	(void)read;
	results[result_count++] = error;
}

static void ask(struct fabric_read *read, unsigned page, unsigned pages)
{
	*read = (struct fabric_read){
		.peer = &it.peer, .to = it.memory + page * 4096, .length = pages * 4096,
		.from = 1000, .key = 5, .deadline = UINT64_MAX, .done = done,
	};
	fabric_read(&it.fabric, read);
}

static void complete(unsigned i)
{
	fabric_piece_done(&it.fabric, it.reads[i].context, 0);
}

START_TEST(keys)
{
	struct fabric_region a, b;
	size_t bytes;

	/* ours to choose: random, never longer than the provider takes */
	for (bytes = 1; bytes <= 8; bytes++) {
		begin(0, bytes, 1 << 20);
		ck_assert_int_eq(fabric_register(&it.fabric, it.memory, 4096, &a), 0);
		ck_assert_uint_eq(a.key, it.last->asked_key);
		ck_assert(bytes == 8 || a.key >> bytes * 8 == 0);
		ck_assert_uint_eq(a.base, 0);
		ck_assert_uint_eq(it.last->access, FI_REMOTE_READ);
		ck_assert(!it.last->bound);
		it.clashes = 3;
		ck_assert_int_eq(fabric_register(&it.fabric, it.memory, 4096, &b), 0);
		it.clashes = 1000;
		fabric_unregister(&it.fabric, &b);
		ck_assert_int_eq(fabric_register(&it.fabric, it.memory, 4096, &b), -FI_ENOKEY);
		fabric_unregister(&it.fabric, &a);
		end();
	}
	/* the provider's: what it says afterwards */
	begin(FI_MR_PROV_KEY | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED, 4, 1 << 20);
	it.next_key = 0x1234;
	ck_assert_int_eq(fabric_register(&it.fabric, it.memory + 4096, 4096, &a), 0);
	ck_assert_uint_eq(it.last->asked_key, 0);
	ck_assert_uint_eq(a.key, 0x1234);
	ck_assert_uint_eq(a.base, (uintptr_t)it.memory + 4096);
	fabric_unregister(&it.fabric, &a);
	/* it says that it has none */
	it.next_key = FI_KEY_NOTAVAIL;
	ck_assert_int_eq(fabric_register(&it.fabric, it.memory, 4096, &a), -FI_ENOKEY);
	ck_assert(!a.mr && !it.open);
	end();
}
END_TEST

START_TEST(endpoint)
{
	struct fabric_region region;

	begin(FI_MR_ENDPOINT, 8, 1 << 20);
	ck_assert_int_eq(fabric_register(&it.fabric, it.memory, 4096, &region), 0);
	ck_assert(it.last->bound && it.last->enabled);
	fabric_unregister(&it.fabric, &region);
	end();
}
END_TEST

/* A provider whose keys cannot be closed is not used. */
START_TEST(probe)
{
	struct fabric_region region;

	begin(FI_MR_ENDPOINT, 8, 1 << 20);
	it.fabric.slab = it.memory;
	ck_assert_int_eq(fabric_mr_probe(&it.fabric), 0);
	ck_assert_uint_eq(it.open, 0);
	it.close_error = -FI_EBUSY;
	ck_assert_int_eq(fabric_mr_probe(&it.fabric), -EKEYREVOKED);
	region.mr = &it.last->mr;
	region.length = 0;
	it.close_error = 0;
	fabric_unregister(&it.fabric, &region);
	it.limit = 0;
	ck_assert_int_eq(fabric_mr_probe(&it.fabric), -FI_ENOMEM);
	end();
}
END_TEST

START_TEST(not_local)
{
	struct fabric_read read;

	begin(FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY, 4, 0);
	ask(&read, 0, 6);
	ck_assert(fabric_reads_post(&it.fabric));
	ck_assert_uint_eq(it.read_count, 2);    /* max_msg_size is 4 pages here */
	ck_assert_ptr_null(it.reads[0].desc);
	ck_assert_uint_eq(it.reads[0].length, 4 * 4096);
	ck_assert_uint_eq(it.reads[1].length, 2 * 4096);
	ck_assert_uint_eq(it.reads[1].from, 1000 + 4 * 4096);
	complete(1);
	complete(0);
	result_count = 0;
	ck_assert(fabric_reads_finish(&it.fabric));
	ck_assert(result_count == 1 && !results[0]);
	end();
}
END_TEST

START_TEST(local)
{
	struct fabric_read read, next;
	struct fake_mr *first;

	begin(FI_MR_LOCAL | FI_MR_ALLOCATED, 8, sizeof(it.memory));
	ask(&read, 3, 2);
	read.around = it.memory + 2 * 4096;
	read.around_length = 6 * 4096;
	fabric_reads_post(&it.fabric);
	first = it.last;
	ck_assert(it.reads[0].desc == first);
	ck_assert_uint_eq(first->start, (uintptr_t)it.memory + 2 * 4096);
	ck_assert_uint_eq(first->length, 6 * 4096);
	ck_assert_uint_eq(first->access, FI_READ);
	/* in it: not registered again; partly in it: by itself, without what is around */
	ask(&next, 5, 3);
	fabric_reads_post(&it.fabric);
	ck_assert(it.reads[1].desc == first && it.open == 1);
	complete(0);
	complete(1);
	ask(&read, 7, 2);
	read.around = it.memory;
	read.around_length = 4096;
	fabric_reads_post(&it.fabric);
	ck_assert(it.reads[2].desc == it.last && it.open == 2);
	ck_assert_uint_eq(it.last->start, (uintptr_t)it.memory + 7 * 4096);
	ck_assert_uint_eq(it.last->length, 2 * 4096);
	/* unmapped: what is under way there stays */
	fabric_forget(&it.fabric, it.memory, sizeof(it.memory));
	ck_assert_uint_eq(it.open, 1);
	complete(2);
	fabric_forget(&it.fabric, it.memory, sizeof(it.memory));
	ck_assert_uint_eq(it.open, 0);
	fabric_reads_finish(&it.fabric);
	end();
}
END_TEST

/* RLIMIT_MEMLOCK: the oldest idle one goes; with all in use it waits; with none it fails. */
START_TEST(eviction)
{
	struct fabric_read reads[4];
	struct fabric_region region;

	begin(FI_MR_LOCAL | FI_MR_ALLOCATED, 8, 4 * 4096);
	ask(&reads[0], 0, 2);
	ask(&reads[1], 8, 2);
	fabric_reads_post(&it.fabric);
	ck_assert_uint_eq(it.read_count, 2);
	ask(&reads[2], 16, 3);
	fabric_reads_post(&it.fabric);
	ck_assert(it.read_count == 2 && it.peer.stalled);
	complete(0);
	it.peer.stalled = false;
	fabric_reads_post(&it.fabric);
	ck_assert_uint_eq(it.read_count, 2);    /* one is idle, which is not enough */
	complete(1);
	it.peer.stalled = false;
	fabric_reads_post(&it.fabric);
	ck_assert_uint_eq(it.read_count, 3);
	ck_assert_uint_eq(it.open, 1);
	complete(2);
	/* what others are to read goes before what is idle */
	ck_assert_int_eq(fabric_register(&it.fabric, it.memory, 4 * 4096, &region), 0);
	ck_assert_uint_eq(it.open, 1);
	result_count = 0;
	fabric_reads_finish(&it.fabric);
	ask(&reads[3], 0, 1);
	fabric_reads_post(&it.fabric);
	fabric_reads_post(&it.fabric);
	ck_assert_uint_eq(it.read_count, 3);
	fabric_reads_finish(&it.fabric);
	ck_assert(result_count == 4 && !results[2] && results[3] == -ENOMEM);
	fabric_unregister(&it.fabric, &region);
	end();
}
END_TEST

/* What is around a read is more than may be locked: the read itself is registered. */
START_TEST(around_is_too_much)
{
	struct fabric_read read;

	begin(FI_MR_LOCAL, 8, 4 * 4096);
	ask(&read, 8, 2);
	read.around = it.memory;
	read.around_length = 16 * 4096;
	fabric_reads_post(&it.fabric);
	ck_assert(it.read_count == 1 && it.open == 1);
	ck_assert_uint_eq(it.fabric.registered, 2 * 4096);
	complete(0);
	fabric_reads_finish(&it.fabric);
	end();
}
END_TEST

START_TEST(words)
{
	char text[256];

	begin(0, 8, 0);
	strcpy(it.fabric.addr.provider, "verbs;ofi_rxm");
	it.fabric.registered = 3 << 20;
	fabric_memlock_text(&it.fabric, text, sizeof(text));
	ck_assert(strstr(text, "verbs;ofi_rxm") && strstr(text, "3072 KiB") &&
	          strstr(text, "ulimit -l"));
	it.fabric.registered = 0;
	end();
}
END_TEST

/* A peer that ends no piece though reads were given up: the connection is closed, once. */
START_TEST(stuck)
{
	struct fabric_read read;
	uint64_t at;

	begin(0, 8, 0);
	strcpy(it.fabric.addr.provider, "tcp;ofi_rxm");
	ask(&read, 0, 8);
	fabric_reads_post(&it.fabric);
	ck_assert_uint_eq(it.read_count, 2);
	result_count = 0;
	fabric_cancel(&it.fabric, &it.peer);
	ck_assert(result_count == 1 && results[0] == -ECANCELED && it.peer.pieces == 2);
	at = it.fabric.idle_at;
	ck_assert(at == it.peer.stuck_since + FABRIC_PEER_STUCK_NS);
	fabric_peers_expire(&it.fabric, at - 1);
	complete(0);                    /* one ends: it is not stuck, from now on */
	ck_assert_uint_ge(it.peer.stuck_since + FABRIC_PEER_STUCK_NS, at);
	at = it.peer.stuck_since + FABRIC_PEER_STUCK_NS;
	fabric_peers_expire(&it.fabric, at - 1);
	ck_assert_uint_eq(it.removed, 0);
	ck_assert_uint_eq(it.fabric.idle_at, at);
	fabric_peers_expire(&it.fabric, at);
	ck_assert(it.removed == 1 && it.peer.address == FI_ADDR_NOTAVAIL);
	ck_assert_uint_eq(it.fabric.idle_at, UINT64_MAX);
	fabric_piece_done(&it.fabric, it.reads[1].context, -FI_ECANCELED);
	ck_assert(!it.peer.pieces && !it.peer.stuck_since && it.peer.broken);
	end();
	/* other providers keep them */
	begin(0, 8, 0);
	strcpy(it.fabric.addr.provider, "net");
	ask(&read, 0, 1);
	fabric_reads_post(&it.fabric);
	fabric_cancel(&it.fabric, &it.peer);
	ck_assert(!it.peer.stuck_since && it.fabric.idle_at == UINT64_MAX);
	complete(0);
	end();
}
END_TEST

/* A read that finds no room asks for what others may read to be given up. */
static bool make_room(void *arg)
{
	struct fabric_region *region = arg;

	if (!region->mr)
		return false;
	fabric_unregister(&it.fabric, region);
	return true;
}

START_TEST(room)
{
	struct fabric_region region;
	struct fabric_read read;

	begin(FI_MR_LOCAL, 8, 4 * 4096);
	it.fabric.events = (struct fabric_events){ .arg = &region, .room = make_room };
	ck_assert_int_eq(fabric_register(&it.fabric, it.memory, 4 * 4096, &region), 0);
	ask(&read, 8, 2);
	fabric_reads_post(&it.fabric);
	ck_assert(it.read_count == 1 && !region.mr && it.open == 1);
	complete(0);
	fabric_reads_finish(&it.fabric);
	end();
}
END_TEST

static struct fabric_peer *add_peer(void)
{
	struct fabric_peer *peer = calloc(1, sizeof(*peer));

	peer->address = 7;
	peer->users = 1;
	peer->next = it.fabric.peers;
	it.fabric.peers = peer;
	return peer;
}

static void begin_peers(const char *provider)
{
	begin(0, 8, 0);
	strcpy(it.fabric.addr.provider, provider);
	it.info->domain_attr->name = strdup("rxe0");
}

/* Of a device, who was not heard of for so long is dropped, and with it the connection. */
START_TEST(idle_peers)
{
	struct fabric_peer *first, *second, *used;
	uint64_t later;

	begin_peers("verbs;ofi_rxm");
	first = add_peer();
	second = add_peer();
	used = add_peer();
	fabric_peer_put(&it.fabric, first);
	fabric_peer_put(&it.fabric, second);
	ck_assert_uint_eq(it.fabric.idle_at, first->idle_since + FABRIC_PEER_IDLE_NS);
	later = first->idle_since + FABRIC_PEER_IDLE_NS;
	second->idle_since += 5;
	fabric_peers_expire(&it.fabric, later - 1);
	ck_assert_uint_eq(it.removed, 0);
	fabric_peers_expire(&it.fabric, later);
	ck_assert_uint_eq(it.removed, 1);
	ck_assert(it.fabric.peers == used && used->next == second && second->next == &it.peer);
	ck_assert_uint_eq(it.fabric.idle_at, second->idle_since + FABRIC_PEER_IDLE_NS);
	/* named again, or with something under way, it stays; then its time begins anew */
	second->users++;
	fabric_peers_expire(&it.fabric, UINT64_MAX - 1);
	ck_assert_uint_eq(it.removed, 1);
	ck_assert_uint_eq(it.fabric.idle_at, UINT64_MAX);
	second->sends = 1;
	fabric_peer_put(&it.fabric, second);
	ck_assert_uint_eq(it.fabric.idle_at, UINT64_MAX);
	second->sends = 0;
	fabric_peer_reap(&it.fabric, second);
	ck_assert_uint_eq(it.fabric.idle_at, second->idle_since + FABRIC_PEER_IDLE_NS);
	fabric_peers_expire(&it.fabric, it.fabric.idle_at);
	ck_assert(it.removed == 2 && used->next == &it.peer);
	free(used);
	end();
	/* elsewhere who is gone hangs up: only too many are dropped, those without an address too */
	begin_peers("tcp;ofi_rxm");
	first = add_peer();
	fabric_peer_put(&it.fabric, first);
	ck_assert_uint_eq(it.fabric.idle_at, UINT64_MAX);
	first->address = FI_ADDR_NOTAVAIL;
	for (later = 0; later < FABRIC_IDLE_PEERS; later++)
		fabric_peer_put(&it.fabric, add_peer());
	ck_assert_uint_eq(it.removed, 0);
	fabric_peer_put(&it.fabric, add_peer());
	ck_assert_uint_eq(it.removed, 1);
	while ((first = it.fabric.peers) != &it.peer) {
		it.fabric.peers = first->next;
		free(first);
	}
	end();
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ keys, 0 }, { endpoint, 0 }, { not_local, 0 }, { local, 0 }, { eviction, 0 },
		{ around_is_too_much, 0 }, { words, 0 }, { probe, 0 }, { stuck, 0 },
		{ room, 0 }, { idle_peers, 0 },
	};

	return unit_run("modes", tests, COUNT(tests));
}
