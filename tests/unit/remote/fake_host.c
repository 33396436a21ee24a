/* SPDX-License-Identifier: BSD-2-Clause */
/* fake_host.c - see fake_host.h */
#include "fake_host.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../../src/common/channel.h"
#include "../../../src/common/say.h"
#include "../../../src/common/segment.h"
#include "../../../src/daemon/fabric/fabric.h"
#include "../../../src/daemon/store/store.h"
#include "../../../src/daemon/base/container.h"

#define MIB ((uint64_t)1 << 20)

struct fake fake;
void (*fake_fill)(void);

/* ---- the publication ---- */

uint64_t fake_word(uint32_t layer, uint64_t page)
{
	return (uint64_t)(layer + 1) << 40 | (page + 1);
}

bool fake_hole(uint32_t layer, uint64_t page)
{
	return layer == 1 && page % 3 == 2;
}

static void fill_layer(uint32_t layer)
{
	uint64_t pages = fake.lengths[layer] / RM_PAGE, page;
	uint64_t *bitmap = rm_table_bitmap(fake.table, layer), *word;

	fake.source[layer] = mmap(NULL, fake.lengths[layer], PROT_READ | PROT_WRITE,
	                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (page = 0; page < pages; page++) {
		if (fake_hole(layer, page))
			continue;
		rm_bit_set(bitmap, page);
		word = (uint64_t *)(void *)(fake.source[layer] + page * RM_PAGE);
		word[0] = word[RM_PAGE / 8 - 1] = fake_word(layer, page);
	}
}

static void make_table(void)
{
	static const struct rm_segment segments[] = {
		{ FAKE_BASE, 1 * MIB, 0, 0, 0 },
		{ FAKE_BASE + 2 * MIB, 4 * MIB, 0, 1, 0 },
		{ FAKE_BASE + 6 * MIB, 30 * MIB, 0, 2, 0 },
		{ FAKE_BASE + 64 * MIB, 10 * MIB, 30 * MIB, 2, 0 },
	};
	uint32_t i;

	fake.lengths[0] = 1 * MIB;
	fake.lengths[1] = 4 * MIB;
	fake.lengths[2] = 40 * MIB;
	fake.table_size = rm_table_size(fake.lengths, FAKE_LAYERS, 4);
	fake.table = calloc(1, fake.table_size);
	rm_table_layout(fake.table, fake.lengths, FAKE_LAYERS, 4, FAKE_BASE + 64);
	memcpy(rm_table_segments(fake.table), segments, sizeof segments);
	for (i = 0; i < FAKE_LAYERS; i++)
		fill_layer(i);
	if (fake_fill)
		fake_fill();
}

static uint64_t evict(void *arg)
{
	(void)arg;
	return fake.remotes ? remotes_evict(fake.remotes) : 0;
}

void fake_open(void)
{
	memset(&fake, 0, sizeof fake);
	fake.keeper_socket = -1;
	fake.key = 1;
	fake.readers_left = UINT_MAX;
	memset(fake.handle.id, 0xab, RM_ID_BYTES);
	memset(fake.handle.secret, 0x5e, RM_SECRET_BYTES);
	strcpy(fake.handle.fabric.provider, "fake");
	make_table();
	fake.context.loop = loop_new();
	fake.context.limit.holders.evict = evict;
	fake.context.keeper = (struct keeper *)&fake;
	fake.remotes = remotes_new(&fake.context, NULL);
	fake.counters.refs = 1;
	for (unsigned i = 0; i < 4; i++) {
		fake.attachment[i].number = i + 1;
		fake.attachment[i].counters = &fake.counters;
		fake.attachment[i].save = fake_save;
		fake.attachment[i].pidfd = -1;
	}
}

struct later {                  /* a read under way */
	struct timer timer;
	struct fabric_read *read;
	int error;
	struct later *next;             /* while it is spare */
	struct later *older;            /* of all that were made, for fake_close() */
};

static struct later *spare, *made;

static struct later *later_make(void)
{
	struct later *later = calloc(1, sizeof *later);

	if (!later)
		abort();
	later->older = made;
	made = later;
	return later;
}

void fake_spare(unsigned count)
{
	struct later *later;

	for (; count; count--) {
		later = later_make();
		later->next = spare;
		spare = later;
	}
}

static struct later *new_later(void)
{
	struct later *later = spare;

	if (!later)
		return later_make();
	spare = later->next;
	*later = (struct later){ .older = later->older };
	return later;
}

void fake_close(void)
{
	uint32_t i;

	remotes_free(fake.remotes);
	loop_free(fake.context.loop);
	for (i = 0; i < FAKE_LAYERS; i++)
		munmap(fake.source[i], fake.lengths[i]);
	/* also those under way, whose loop is gone */
	while (made) {
		struct later *later = made;

		made = later->older;
		free(later);
	}
	spare = NULL;
	free(fake.table);
}

static void stop(struct timer *timer)
{
	(void)timer;
	loop_stop(fake.context.loop);
}

void fake_run(uint64_t ms)
{
	struct timer timer = { .fire = stop };

	loop_timer(fake.context.loop, &timer, rm_now_ns() + ms * 1000000);
	loop_run(fake.context.loop);
	loop_timer_cancel(fake.context.loop, &timer);
}

void fake_wake(void)
{
	loop_stop(fake.context.loop);
}

/* ---- fabric ---- */

/* All regions, in their order: how many. */
static unsigned make_regions(struct peer_region regions[FAKE_REGIONS])
{
	uint64_t part, at;
	unsigned count = 0;
	uint32_t i;

	for (i = 0; i < FAKE_LAYERS; i++) {
		part = fake.region_bytes ? fake.region_bytes : fake.lengths[i];
		for (at = 0; at < fake.lengths[i]; at += part)
			regions[count++] = (struct peer_region){
				.layer = i, .offset = at,
				.length = part < fake.lengths[i] - at ? part : fake.lengths[i] - at,
				.base = (uintptr_t)fake.source[i] + at, .key = fake.key };
	}
	for (i = 0; fake.room && i < count; i++) {
		regions[i].key = fake.keys[i];
		regions[i].keyless = !fake.keys[i];
		regions[i].base = fake.keys[i] ? regions[i].base : 0;
	}
	return count;
}

/* With room: give this one a key, and take that of the one that has had it longest. */
static void grant(unsigned i)
{
	static uint64_t last = 1000;
	unsigned k, oldest, held;

	if (!fake.keys[i]) {
		for (k = 0, held = 0, oldest = FAKE_REGIONS; k < FAKE_REGIONS; k++) {
			held += fake.keys[k] != 0;
			if (fake.keys[k] && (oldest == FAKE_REGIONS ||
			                     fake.granted[k] < fake.granted[oldest]))
				oldest = k;
		}
		if (held >= fake.room)
			fake.keys[oldest] = 0;
		fake.keys[i] = ++last;
	}
	fake.granted[i] = ++last;
}

void fake_take_keys(void)
{
	memset(fake.keys, 0, sizeof fake.keys);
}

static bool readable(const struct fabric_read *read)
{
	struct peer_region regions[FAKE_REGIONS];
	unsigned count, i;

	if (!fake.room)
		return read->key == fake.key;
	count = make_regions(regions);
	for (i = 0; i < count; i++)
		if (fake.keys[i] == read->key && read->from >= regions[i].base &&
		    read->from + read->length <= regions[i].base + regions[i].length)
			return true;
	return false;
}

static void read_over(struct timer *timer)
{
	struct later *later = container_of(timer, struct later, timer);
	struct fabric_read *read = later->read;
	int error = later->error;

	if (!error && !readable(read))
		error = -EACCES;
	fake.failed += error != 0;
	if (!error)
		memcpy(read->to, (const void *)(uintptr_t)read->from, read->length);
	fake.queued -= read->length;
	later->next = spare;
	spare = later;
	read->done(read, error);
}

void fabric_read(struct fabric *fabric, struct fabric_read *read)
{
	struct later *later = new_later();

	(void)fabric;
	fake.reads++;
	fake.read_bytes += read->length;
	fake.queued += read->length;
	if (fake.queued > fake.queued_max)
		fake.queued_max = fake.queued;
	later->timer.fire = read_over;
	later->read = read;
	if (fake.fail_reads) {
		fake.fail_reads--;
		later->error = -EIO;
	}
	if (fake.hang)
		later->error = -ETIMEDOUT;
	loop_timer(fake.context.loop, &later->timer,
	           fake.hang ? read->deadline : rm_now_ns() + fake.delay_ns);
}

int fabric_register(struct fabric *fabric, void *memory, size_t length,
                    struct fabric_region *region)
{
	(void)fabric;
	(void)memory;
	(void)length;
	memset(region, 0, sizeof *region);
	return 0;
}

void fabric_unregister(struct fabric *fabric, struct fabric_region *region)
{
	(void)fabric;
	(void)region;
}

void fabric_forget(struct fabric *fabric, const void *memory, size_t length)
{
	(void)fabric;
	(void)memory;
	(void)length;
}

void fabric_memlock_text(const struct fabric *fabric, char *text, size_t size)
{
	(void)fabric;
	rm_format(text, size, "the limit of locked memory");
}

bool fabric_busy(const struct fabric *fabric, const void *memory, size_t length)
{
	(void)fabric;
	(void)memory;
	(void)length;
	return fake.busy;
}

/* ---- peer ---- */

struct peer_session {
	struct timer timer, admit;
	unsigned count;                 /* asked for by peer_admit() */
	const struct peer_events *events;
	void *arg;
	bool wrong, asked;
};

static void answer(struct timer *timer)
{
	struct peer_session *session = container_of(timer, struct peer_session, timer);
	struct peer_region all[FAKE_REGIONS], wanted[FAKE_REGIONS];
	struct peer_snapshot snapshot = { .table = fake.table, .table_size = fake.table_size,
	                                  .regions = all, .data = fake.data,
	                                  .data_size = fake.data_size };
	struct peer_want wants[4];
	unsigned count = session->asked ? session->events->wants(session->arg, wants, 4) : 0, i;
	unsigned n = 0, k;

	if (fake.attach_error || session->wrong) {
		loop_timer_cancel(fake.context.loop, &session->admit);
		session->events->attached(session->arg, session->wrong ? -EACCES : fake.attach_error,
		                          "the fake host says no", NULL);
		free(session);
		return;
	}
	for (i = 0; fake.room && !session->asked && i < fake.room; i++)
		grant(i);
	/* No more than there is room for: the rest is asked for again. */
	for (i = 0; fake.room && i < count; i++)
		for (k = 0; k < wants[i].count && n < fake.room; k++, n++)
			grant(wants[i].first + k);
	snapshot.region_count = make_regions(all) - fake.skip_regions;
	if (n) {
		snapshot.table = NULL;
		snapshot.table_size = 0;
		for (i = 0, n = 0; i < count; i++)
			for (k = 0; k < wants[i].count && n < fake.room; k++)
				wanted[n++] = all[wants[i].first + k];
		snapshot.regions = wanted;
		snapshot.region_count = n;
	}
	session->asked = true;
	session->events->attached(session->arg, 0, "", &snapshot);
}

static void answer_admit(struct timer *timer)
{
	struct peer_session *session = container_of(timer, struct peer_session, admit);
	unsigned count = session->count < fake.readers_left ? session->count : fake.readers_left;
	int error = fake.no_answer ? -EHOSTUNREACH : fake.admit_error;

	if (!error && !count)
		error = -ENOENT;
	if (!error)
		fake.readers_left -= count;
	session->count = 0;
	session->events->admitted(session->arg, error, error ? "the fake host admits nobody" : "",
	                          error ? 0 : count);
}

void peer_admit(struct peer_session *session, unsigned count)
{
	if (session->count || !count || count > PEER_ADMIT_MAX)
		abort();
	fake.admits++;
	session->count = count;
	loop_timer(fake.context.loop, &session->admit,
	           rm_now_ns() + (fake.no_answer ? 200000000 : 1000000));
}

int peer_attach(struct peers *peers, const struct rm_handle *handle, bool again,
                const struct peer_events *events, void *arg,
                struct peer_session **session, char *why, size_t why_size)
{
	struct peer_session *s = calloc(1, sizeof *s);

	(void)peers;
	(void)why;
	(void)why_size;
	fake.attaches++;
	fake.earlier = again;
	s->timer.fire = answer;
	s->admit.fire = answer_admit;
	s->events = events;
	s->arg = arg;
	s->wrong = memcmp(handle->secret, fake.handle.secret, RM_SECRET_BYTES) != 0;
	*session = s;
	if (!fake.no_answer)
		loop_timer(fake.context.loop, &s->timer, rm_now_ns() + 1000000);
	return 0;
}

void peer_again(struct peer_session *session)
{
	fake.agains++;
	if (session->events->complete(session->arg))
		abort();
	if (!fake.no_answer)
		loop_timer(fake.context.loop, &session->timer, rm_now_ns() + 1000000);
}

struct fabric_peer *peer_of(struct peer_session *session)
{
	return (struct fabric_peer *)session;
}

void peer_detach(struct peer_session *session)
{
	fake.detaches++;
	loop_timer_cancel(fake.context.loop, &session->timer);
	loop_timer_cancel(fake.context.loop, &session->admit);
	free(session);
}

/* This one names no helper, and nobody asks here for pages. */

void fanout_give_drop(struct nets *nets, struct remote *remote)
{
	(void)nets;
	(void)remote;
}

struct fanout_ask *fanout_ask_new(struct peer_session *session, const struct rm_fabric_addr *helper)
{
	(void)session;
	(void)helper;
	return NULL;
}

void fanout_ask_for(struct fanout_ask *asker, struct fanout_want *want)
{
	(void)asker;
	(void)want;
	abort();
}

void fanout_ask_done(struct fanout_ask *asker, uint64_t number)
{
	(void)asker;
	(void)number;
}

void fanout_ask_stop(struct fanout_ask *asker)
{
	(void)asker;
}

struct fabric_peer *fanout_ask_peer(struct fanout_ask *asker)
{
	return (struct fabric_peer *)asker;
}

void fanout_ask_end(struct fanout_ask *asker)
{
	(void)asker;
}

/* ---- keeper ---- */

struct kept {                   /* over the socket */
	int type;                       /* 0: deleted; -1: told */
	uint64_t number;
	uint64_t length;
	char data[RECORD_DATA_MAX];
};

uint64_t keeper_number(struct keeper *keeper)
{
	static uint64_t last;

	(void)keeper;
	/* as the keeper's, larger than all that an earlier worker has drawn */
	if (!last)
		last = rm_now_ns();
	return ++last;
}

static struct fake_record *find_record(uint64_t number)
{
	unsigned i;

	for (i = 0; i < FAKE_RECORDS; i++)
		if (fake.records[i].record.type && fake.records[i].record.number == number)
			return &fake.records[i];
	return NULL;
}

static void keep(const struct kept *kept, const int *fds, unsigned count)
{
	struct fake_record *r = find_record(kept->number);
	unsigned i;

	if (kept->type < 0) {
		strncat(fake.told, kept->data, sizeof fake.told - strlen(fake.told) - 1);
		return;
	}
	if (!kept->type) {
		for (i = 0; r && i < r->record.count; i++)
			close(r->fds[i]);
		if (r)
			memset(r, 0, sizeof *r);
		return;
	}
	for (i = 0; !r; i++)
		if (!fake.records[i].record.type)
			r = &fake.records[i];
	r->record.type = (enum record_type)kept->type;
	r->record.number = kept->number;
	r->record.length = kept->length;
	memcpy(r->data, kept->data, kept->length);
	r->record.data = r->data;
	r->record.fds = r->fds;
	for (i = 0; i < count; i++)
		r->fds[r->record.count++] = fds[i];
}

static void say(struct kept *kept, const int *fds, unsigned count)
{
	int copies[FAKE_FDS] = { 0 };
	unsigned i;

	if (fake.keeper_socket >= 0) {
		rm_channel_send(fake.keeper_socket, kept, sizeof *kept, fds, count,
		                rm_now_ns() + 5000000000ull);
		return;
	}
	for (i = 0; i < count; i++)
		copies[i] = dup(fds[i]);
	keep(kept, copies, count);
}

bool fake_keep(int socket, uint64_t deadline)
{
	int fds[RM_CHANNEL_FDS_MAX];
	struct kept kept;
	unsigned count;

	if (rm_channel_recv(socket, &kept, sizeof kept, fds, &count, deadline) <= 0)
		return false;
	keep(&kept, fds, count);
	return true;
}

void keeper_put(struct keeper *keeper, enum record_type type, uint64_t number,
                const void *data, size_t length, const int *fds, unsigned count)
{
	struct kept kept = { .type = (int)type, .number = number, .length = length };

	(void)keeper;
	memcpy(kept.data, data, length);
	say(&kept, fds, count);
}

void keeper_delete(struct keeper *keeper, uint64_t number)
{
	struct kept kept = { .number = number };

	(void)keeper;
	say(&kept, NULL, 0);
}

void keeper_tell(struct keeper *keeper, int fd, const char *text)
{
	struct kept kept = { .type = -1 };

	(void)keeper;
	(void)fd;
	strncpy(kept.data, text, sizeof kept.data - 1);
	say(&kept, NULL, 0);
}

/* ---- nets ---- */

void nets_pass_on(struct nets *nets, const struct page_source *source, void *arg)
{
	(void)nets;
	(void)source;
	(void)arg;
}

const char *nets_why(const struct nets *nets)
{
	(void)nets;
	return "";
}

bool keeper_alive(const struct keeper *keeper)
{
	(void)keeper;
	return fake.keeper_socket >= 0;
}

void fake_save(struct attachment *attachment)
{
	struct fake_attachment saved = { attachment->generation, attachment->served };

	keeper_put(NULL, RECORD_ATTACHMENT, attachment->number, &saved, sizeof saved, NULL, 0);
}

int nets_reach(struct nets *nets, const char *spec, const struct rm_fabric_addr *addr,
               struct peers **peers)
{
	(void)nets;
	(void)spec;
	(void)addr;
	*peers = (struct peers *)&fake;
	return 0;
}

struct fabric *peers_fabric(const struct peers *peers)
{
	(void)peers;
	return (struct fabric *)&fake;
}


void layers_let_go(struct layers *layers)
{
	(void)layers;
}

bool layers_hold_file(struct layers *layers, const struct rm_layer_desc *desc, int fd)
{
	(void)layers;
	(void)desc;
	(void)fd;
	return false;
}
