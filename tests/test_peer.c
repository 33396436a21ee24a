/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_peer.c - control between two hosts' rmmapd, two processes over loopback
 *
 * The server has a store of two publications, written here, so that what the store was
 * told can be looked at; the client attaches, renews, loses and detaches. Times are short.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../src/common/channel.h"
#include "../src/common/say.h"
#include "../src/daemon/fabric_internal.h"
#include "../src/daemon/peer_internal.h"

#define SMALL 0                 /* fits a message */
#define BIG 1                   /* 100,000 segments */
#define LAYERS 3
#define REGIONS 6               /* runs of pages with data, all layers */
#define MS 1000000ull
#define PATIENCE (60000 * MS)             /* of a busy machine */
#define EXPIRE (5000 * MS)
#define EXPECT(what) do { \
	if (!(what)) { \
		fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #what); \
		_exit(1); \
	} } while (0)

struct shared {                 /* what the server's store counts, for the client to see */
	unsigned attached[2], admitted[2], again[2];
	bool unpublished;               /* by the client, for the server to see: */
	size_t limit;                   /* of what may be registered at once; 0: none */
	unsigned slow_ms;               /* registering takes so long */
};

static struct shared *shared;
static struct publication publications[2];

struct host {
	struct worker worker;
	struct timer stop;
	bool timed_out;
	/* of the last callbacks */
	unsigned attaches, losses, admissions, admitted, attaches_then;
	int error;
	char why[256];
	struct peer_region regions[REGIONS];
	unsigned region_count, keys;    /* keys: how many came without a table */
	struct peer_want want;          /* what to ask for; count 0: nothing */
	bool complete;
	void *table;
	size_t table_size;
	unsigned parts;                 /* messages with pages that came */
	unsigned lose;                  /* which of them is lost on the way; 0: none */
	bool data;                      /* all pages came, and are right */
};

/* ---- the store, and the worker's log ---- */

void worker_log(struct worker *worker, const char *format, ...)
{
	va_list args;

	(void)worker;
	printf("  log: ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

struct publication *store_find(struct store *store, const uint8_t id[RM_ID_BYTES])
{
	(void)store;
	return id[0] < 2 && !memcmp(id, publications[id[0]].id, RM_ID_BYTES)
	       ? &publications[id[0]] : NULL;
}

int store_admit(struct publication *publication, const uint8_t secret[RM_SECRET_BYTES],
                bool remote, bool again)
{
	unsigned n = publication->id[0];

	EXPECT(remote && !memcmp(secret, publication->secret, RM_SECRET_BYTES));
	if (!again && shared->unpublished)
		return -ENOENT;
	if (!again && publication->readers && publication->admitted >= publication->readers)
		return -ENOENT;
	if (again)
		shared->again[n]++;
	else
		shared->admitted[n] = ++publication->admitted;
	shared->attached[n] = ++publication->remote_attached;
	return 0;
}

void store_release(struct publication *publication, bool remote)
{
	EXPECT(remote && publication->remote_attached);
	shared->attached[publication->id[0]] = --publication->remote_attached;
}

void store_unadmit(struct publication *publication, bool remote, bool again)
{
	if (!again)
		publication->admitted--;
	store_release(publication, remote);
}

static uint64_t pattern(unsigned layer, uint64_t word)
{
	return (word + layer * 1000003 + 1) * 0x9e3779b97f4a7c15u;
}

/* Layers 0 and 1 have data in pages 2, 5 and 7, the last none; as many segments as asked. */
static size_t make_table(unsigned segments, void **out)
{
	uint64_t lengths[LAYERS] = { 16 * RM_PAGE, 1024 * RM_PAGE, 4 * RM_PAGE };
	size_t size = rm_table_size(lengths, LAYERS, segments);
	void *memory = calloc(1, size);
	unsigned i;

	EXPECT(size && memory);
	rm_table_layout(memory, lengths, LAYERS, segments, RM_WINDOW_BASE);
	for (i = 0; i < LAYERS; i++)
		rm_table_layers(memory)[i].id[0] = (uint8_t)i;
	for (i = 0; i < 2; i++) {
		rm_bit_set(rm_table_bitmap(memory, i), 2);
		rm_bit_set(rm_table_bitmap(memory, i), 5);
		rm_bit_set(rm_table_bitmap(memory, i), 7);
	}
	for (i = 0; i < segments; i++) {
		struct rm_segment *segment = &rm_table_segments(memory)[i];

		segment->addr = RM_WINDOW_BASE + (uint64_t)i * 2 * RM_PAGE;
		segment->length = RM_PAGE;
		segment->layer = 1;
		segment->offset = i % 1024 * RM_PAGE;
	}
	*out = memory;
	return size;
}

static void make_publication(unsigned n)
{
	struct publication *publication = &publications[n];
	const char *why;
	void *table;
	size_t size = make_table(n == BIG ? 100000 : 20, &table);
	uint64_t *words;
	unsigned i, w;

	memset(publication->id, 7, sizeof(publication->id));
	publication->id[0] = (uint8_t)n;
	memset(publication->secret, 40 + (int)n, sizeof(publication->secret));
	publication->readers = n == BIG ? 2 : 0;
	EXPECT(!rm_table_check(table, size, &publication->table, &why));
	publication->layer_count = LAYERS;
	publication->layers = calloc(LAYERS, sizeof(*publication->layers));
	for (i = 0; i < LAYERS; i++) {
		struct layer *layer = calloc(1, sizeof(*layer));
		char path[64];
		int fd = memfd_create("layer", MFD_ALLOW_SEALING | MFD_CLOEXEC);

		EXPECT(layer);
		publication->layers[i] = layer;
		layer->length = publication->table.layers[i].length;
		EXPECT(fd >= 0 && !ftruncate(fd, (off_t)layer->length));
		words = mmap(NULL, 16384 * 2, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		EXPECT(words != MAP_FAILED);
		for (w = 1024; i < 2 && w < 4096; w++)
			words[w] = pattern(i, w);
		munmap(words, 16384 * 2);
		EXPECT(!fcntl(fd, F_ADD_SEALS,
		              F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL));
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		layer->fd = open(path, O_RDONLY | O_CLOEXEC);
		EXPECT(layer->fd >= 0);
		close(fd);
	}
}

/* ---- both sides ---- */

static void message(void *arg, const void *data, size_t length)
{
	struct host *host = arg;

	if (length > 5 && ((const uint8_t *)data)[5] == PEER_DATA && ++host->parts == host->lose)
		return;
	if (host->worker.peers)
		peers_message(host->worker.peers, data, length);
}

/* ---- a limit of what can be registered, as RDMA devices have it ---- */

static struct fi_ops_mr limited, *unlimited;
static struct fabric *limited_fabric;

static int limited_reg(struct fid *fid, const void *memory, size_t length, uint64_t access,
                       uint64_t offset, uint64_t key, uint64_t flags, struct fid_mr **mr,
                       void *context)
{
	if (shared->limit && limited_fabric->registered + length > shared->limit)
		return -FI_ENOMEM;
	if (shared->slow_ms)
		usleep(shared->slow_ms * 1000);
	return unlimited->reg(fid, memory, length, access, offset, key, flags, mr, context);
}

static void limit(struct fabric *fabric)
{
	limited_fabric = fabric;
	unlimited = fabric->domain->mr;
	limited = *unlimited;
	limited.reg = limited_reg;
	fabric->domain->mr = &limited;
}

static void open_host(struct host *host, uint8_t name, const struct rm_fabric_addr *again)
{
	const char *providers = getenv("RMMAP_TEST_PROVIDERS"), *at = getenv("RMMAP_TEST_ADDRESS");
	struct rm_fabric_spec spec;
	struct fabric_events events = { .arg = host, .message = message };
	char why[256];

	memset(&spec, 0, sizeof(spec));
	rm_format(spec.address, sizeof(spec.address), "%s", at && *at ? at : "127.0.0.1");
	rm_format(spec.provider, sizeof(spec.provider), "%s",
	          providers && *providers ? providers : "tcp");
	spec.provider[strcspn(spec.provider, " ")] = 0;
	memset(host, 0, sizeof(*host));
	memset(host->worker.host, name, sizeof(host->worker.host));
	host->worker.loop = loop_new();
	EXPECT(!fabric_open(&host->worker.fabric, host->worker.loop, &spec, again, &events, why,
	                    sizeof(why)));
	host->worker.peers = peers_new(&host->worker, host->worker.fabric);
	EXPECT(host->worker.peers);
	host->worker.peers->times.retry = 100 * MS;
	host->worker.peers->times.answer = 5000 * MS;
	host->worker.peers->times.renew = 100 * MS;
	host->worker.peers->times.lost = 15000 * MS;
	host->worker.peers->times.expire = EXPIRE;
}

static void server(const struct rm_fabric_addr *again, int fd)
{
	struct host host;

	make_publication(SMALL);
	make_publication(BIG);
	open_host(&host, 1, again);
	host.worker.restarts = again ? 1 : 0;
	host.worker.peers->times.room = 3000 * MS;
	limit(host.worker.fabric);
	EXPECT(write(fd, fabric_addr(host.worker.fabric), sizeof(struct rm_fabric_addr)) ==
	       sizeof(struct rm_fabric_addr));
	loop_run(host.worker.loop);
	_exit(0);
}

static pid_t start_server(const struct rm_fabric_addr *again, struct rm_fabric_addr *addr)
{
	int fds[2];
	pid_t pid;

	EXPECT(!socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	memset(shared, 0, sizeof(*shared));
	pid = fork();
	if (!pid)
		server(again, fds[0]);
	close(fds[0]);
	EXPECT(read(fds[1], addr, sizeof(*addr)) == sizeof(*addr));
	close(fds[1]);
	return pid;
}

/* ---- the client ---- */

static void stop_now(struct timer *timer)
{
	struct host *host = container_of(timer, struct host, stop);

	host->timed_out = true;
	loop_stop(host->worker.loop);
}

static bool run(struct host *host, uint64_t ns)
{
	host->timed_out = false;
	host->stop.fire = stop_now;
	loop_timer(host->worker.loop, &host->stop, rm_now_ns() + ns);
	loop_run(host->worker.loop);
	loop_timer_cancel(host->worker.loop, &host->stop);
	return !host->timed_out;
}

static void take_keys(struct host *host, const struct peer_snapshot *snapshot)
{
	const struct peer_region *region = snapshot->regions;
	unsigned i;

	EXPECT(!snapshot->table_size && snapshot->region_count && host->region_count == REGIONS);
	host->keys = snapshot->region_count;
	for (; region < snapshot->regions + snapshot->region_count; region++) {
		for (i = 0; i < REGIONS; i++)
			if (region->layer == host->regions[i].layer &&
			    region->offset == host->regions[i].offset)
				break;
		EXPECT(i < REGIONS && !region->keyless);
		host->regions[i] = *region;
	}
	loop_stop(host->worker.loop);
}

static unsigned on_wants(void *arg, struct peer_want *wants, unsigned most)
{
	struct host *host = arg;

	EXPECT(most == PEER_WANTS_MAX);
	wants[0] = host->want;
	return host->want.count != 0;
}

static bool on_complete(void *arg)
{
	return ((struct host *)arg)->complete;
}

static bool right(const struct peer_snapshot *snapshot)
{
	static const unsigned runs[] = { 2, 5, 7 };
	const uint64_t *words = (const uint64_t *)(const void *)snapshot->data;
	unsigned i, w;

	if (!words)
		return false;
	EXPECT(snapshot->data_size == REGIONS * RM_PAGE);
	for (i = 0; i < REGIONS; i++)
		for (w = 0; w < 512; w++)
			EXPECT(*words++ == pattern(i / 3, runs[i % 3] * 512 + w));
	return true;
}

static void on_attached(void *arg, int error, const char *why,
                        const struct peer_snapshot *snapshot)
{
	struct host *host = arg;

	host->attaches++;
	host->error = error;
	snprintf(host->why, sizeof(host->why), "%s", why);
	if (!error && !snapshot->table) {
		take_keys(host, snapshot);
		return;
	}
	free(host->table);
	host->table = NULL;
	if (!error) {
		EXPECT(snapshot->region_count <= REGIONS);
		host->region_count = snapshot->region_count;
		memcpy(host->regions, snapshot->regions,
		       snapshot->region_count * sizeof(*host->regions));
		host->data = right(snapshot);
		host->table_size = snapshot->table_size;
		host->table = malloc(snapshot->table_size);
		EXPECT(host->table && (uintptr_t)snapshot->table % 8 == 0);
		memcpy(host->table, snapshot->table, snapshot->table_size);
	}
	loop_stop(host->worker.loop);
}

static void on_lost(void *arg, int error, const char *why)
{
	struct host *host = arg;

	host->losses++;
	host->error = error;
	snprintf(host->why, sizeof(host->why), "%s", why);
	loop_stop(host->worker.loop);
}

static void on_admitted(void *arg, int error, const char *why, unsigned count)
{
	struct host *host = arg;

	host->admissions++;
	host->attaches_then = host->attaches;
	host->admitted = count;
	host->error = error;
	snprintf(host->why, sizeof(host->why), "%s", why);
	loop_stop(host->worker.loop);
}

static void admit(struct host *host, struct peer_session *session, unsigned count)
{
	unsigned before = host->admissions;

	peer_admit(session, count);
	EXPECT(host->admissions == before);
	while (host->admissions == before)      /* its own attach may be told on the way */
		EXPECT(run(host, PATIENCE));
}

static struct peer_session *attach_to(struct host *host, const struct rm_handle *handle, bool data)
{
	const struct peer_events events = {
		.attached = on_attached, .admitted = on_admitted, .lost = on_lost,
		.wants = on_wants, .complete = on_complete, .data = data,
	};
	struct peer_session *session;
	unsigned before = host->attaches;
	char why[256];

	EXPECT(!peer_attach(host->worker.peers, handle, false, &events, host, &session, why,
	                    sizeof(why)));
	EXPECT(host->attaches == before);
	EXPECT(run(host, PATIENCE) && host->attaches == before + 1);
	return session;
}

static struct peer_session *attach(struct host *host, const struct rm_handle *handle)
{
	return attach_to(host, handle, false);
}

struct test_read {
	struct fabric_read read;
	struct host *host;
	int error;
};

static void read_done(struct fabric_read *read, int error)
{
	struct test_read *test = container_of(read, struct test_read, read);

	test->error = error;
	loop_stop(test->host->worker.loop);
}

/* A key for each run of pages with data of layers 0 and 1, and none for a hole. */
static int read_region(struct host *host, struct peer_session *session, unsigned i)
{
	static const uint64_t runs[] = { 2, 5, 7 };
	static uint64_t page[512];
	struct peer_region *region = &host->regions[i];
	struct test_read test = {
		.read = { .peer = peer_of(session), .to = page, .length = RM_PAGE,
		          .from = region->base, .key = region->key,
		          .deadline = rm_now_ns() + 5000 * MS, .done = read_done },
		.host = host,
		.error = 1,
	};
	unsigned w;

	EXPECT(region->layer == i / 3 && region->offset == runs[i % 3] * RM_PAGE &&
	       region->length == RM_PAGE && !region->keyless);
	fabric_read(host->worker.fabric, &test.read);
	while (test.error == 1)
		run(host, 3000 * MS);
	for (w = 0; !test.error && w < 512; w++)
		EXPECT(page[w] == pattern(i / 3, runs[i % 3] * 512 + w));
	return test.error;
}

static int read_layers(struct host *host, struct peer_session *session)
{
	int error = 0;
	unsigned i;

	EXPECT(host->region_count == REGIONS);
	for (i = 0; i < REGIONS && !error; i++)
		error = read_region(host, session, i);
	return error;
}

static void expect_table(struct host *host, unsigned segments)
{
	void *table;
	size_t size = make_table(segments, &table);

	EXPECT(host->table && host->table_size == size && !memcmp(host->table, table, size));
	free(table);
}

static void wait_attached(struct host *host, unsigned n, unsigned count)
{
	uint64_t end = rm_now_ns() + PATIENCE;

	while (__atomic_load_n(&shared->attached[n], __ATOMIC_RELAXED) != count) {
		EXPECT(rm_now_ns() < end);
		run(host, 10 * MS);
	}
}

/* Nobody renews meanwhile. */
static void wait_expired(unsigned n)
{
	uint64_t end = rm_now_ns() + PATIENCE;

	while (__atomic_load_n(&shared->attached[n], __ATOMIC_RELAXED)) {
		EXPECT(rm_now_ns() < end);
		usleep(10000);
	}
}

static void make_handle(struct rm_handle *handle, unsigned n, const struct rm_fabric_addr *addr)
{
	memset(handle, 0, sizeof(*handle));
	memset(handle->id, 7, sizeof(handle->id));
	handle->id[0] = (uint8_t)n;
	memset(handle->secret, 40 + (int)n, sizeof(handle->secret));
	handle->layout = rm_layout_here();
	handle->fabric = *addr;
}

static void try_refusals(struct host *host, const struct rm_fabric_addr *addr)
{
	struct rm_handle handle;
	uint64_t start;

	make_handle(&handle, SMALL, addr);
	handle.secret[31] ^= 1;
	attach(host, &handle);
	EXPECT(host->error == -EACCES && strstr(host->why, "secret"));
	make_handle(&handle, SMALL, addr);
	handle.id[9] ^= 1;
	attach(host, &handle);
	EXPECT(host->error == -ENOENT);
	EXPECT(!shared->admitted[SMALL] && !shared->attached[SMALL]);
	/* Nobody listens there. */
	make_handle(&handle, SMALL, addr);
	handle.fabric.name[3] = 1;
	handle.fabric.name[2] = 0;
	start = rm_now_ns();
	attach(host, &handle);
	printf("  nobody there: %s after %u ms\n", host->why,
	       (unsigned)((rm_now_ns() - start) / MS));
	EXPECT(host->error == -EHOSTUNREACH && strstr(host->why, ":1 does not answer"));
}

static void try_attach(struct host *host, const struct rm_fabric_addr *addr)
{
	struct rm_handle handle;
	struct peer_session *session;
	uint64_t start;

	make_handle(&handle, SMALL, addr);
	session = attach(host, &handle);
	EXPECT(!host->error);
	expect_table(host, 20);
	EXPECT(!read_layers(host, session));
	EXPECT(shared->attached[SMALL] == 1 && shared->admitted[SMALL] == 1);
	/* A lease that is renewed holds. */
	EXPECT(!run(host, EXPIRE + 700 * MS));
	EXPECT(shared->attached[SMALL] == 1 && !host->losses && host->attaches == 4);
	peer_detach(session);
	wait_attached(host, SMALL, 0);
	EXPECT(read_layers(host, session = attach(host, &handle)) == 0);
	peer_detach(session);
	wait_attached(host, SMALL, 0);

	start = rm_now_ns();
	make_handle(&handle, BIG, addr);
	session = attach(host, &handle);
	EXPECT(!host->error);
	printf("  table of %zu bytes: %u ms\n", host->table_size,
	       (unsigned)((rm_now_ns() - start) / MS));
	expect_table(host, 100000);
	EXPECT(!read_layers(host, session));
	peer_detach(session);
	wait_attached(host, BIG, 0);
	/* Twice is what it allows: a key of an ended session is closed, the third is refused. */
	session = attach(host, &handle);
	EXPECT(!host->error);
	peer_detach(session);
	wait_attached(host, BIG, 0);
	attach(host, &handle);
	EXPECT(host->error == -ENOENT);
}

/* A recorded PEER_ADMIT once more, as a network that doubles messages would have it. */
static void admit_message(struct host *host, struct peer_session *session, uint64_t number,
                          unsigned count)
{
	struct peer_admit_body body = { .count = count };
	struct peer_message message;
	uint8_t bytes[4];

	EXPECT(peer_request(host->worker.peers, PEER_ADMIT, session->handle.id, session->session,
	                    number, session->keys.request, bytes, peer_put_admit(&body, bytes),
	                    &message));
	peer_send(host->worker.peers, session->peer, &message, 500 * MS);
	run(host, 100 * MS);
}

/* Each reader is counted there, once, and refused as a first one would be. */
static void try_admit(struct host *host, const struct rm_fabric_addr *addr)
{
	struct rm_handle handle;
	struct peer_session *session;
	unsigned before, admitted, answers;
	uint64_t number;

	make_handle(&handle, SMALL, addr);
	session = attach(host, &handle);
	EXPECT(!host->error);
	before = host->attaches;
	admitted = shared->admitted[SMALL];
	admit(host, session, 1);
	EXPECT(!host->error && host->admitted == 1 && shared->admitted[SMALL] == admitted + 1);
	admit(host, session, PEER_ADMIT_MAX);
	EXPECT(!host->error && host->admitted == PEER_ADMIT_MAX);
	admitted += 1 + PEER_ADMIT_MAX;
	EXPECT(shared->admitted[SMALL] == admitted && shared->attached[SMALL] == 1);
	/* Repeated: answered again, not counted again; an older one is not even answered. */
	number = session->more.number;
	answers = host->admissions;
	admit_message(host, session, number, PEER_ADMIT_MAX);
	admit_message(host, session, number, PEER_ADMIT_MAX);
	admit_message(host, session, number - 1, 5);
	EXPECT(shared->admitted[SMALL] == admitted && host->admissions == answers);
	/* No more after the other host has unpublished it; the session goes on. */
	shared->unpublished = true;
	admit(host, session, 1);
	EXPECT(host->error == -ENOENT && strchr(host->why, ':') &&
	       strstr(host->why, "unpublished"));
	admit_message(host, session, session->more.number, 1);
	EXPECT(shared->admitted[SMALL] == admitted && shared->attached[SMALL] == 1);
	EXPECT(!read_layers(host, session) && host->attaches == before && !host->losses);
	shared->unpublished = false;
	/* The lease ran out: the session comes back first. */
	wait_expired(SMALL);
	admit(host, session, 2);
	EXPECT(!host->error && host->admitted == 2 && shared->attached[SMALL] == 1);
	EXPECT(host->attaches == before + 1);
	peer_detach(session);
	wait_attached(host, SMALL, 0);
}

/* A server that has admitted nobody yet: two readers, and another host has one of them. */
static void try_admit_limit(struct host *host, const struct rm_fabric_addr *addr)
{
	struct rm_handle handle;
	struct peer_session *session;

	make_handle(&handle, BIG, addr);
	session = attach(host, &handle);
	EXPECT(!host->error && shared->admitted[BIG] == 1);
	admit(host, session, 3);
	EXPECT(!host->error && host->admitted == 1 && shared->admitted[BIG] == 2);
	admit(host, session, 2);
	EXPECT(host->error == -ENOENT && strstr(host->why, "used up"));
	EXPECT(!read_layers(host, session) && shared->attached[BIG] == 1);
	peer_detach(session);
	wait_attached(host, BIG, 0);
}

/* The lease runs out while nobody renews; then the session comes back by itself. */
static void try_expiry(struct host *host, const struct rm_fabric_addr *addr)
{
	struct rm_handle handle;
	struct peer_session *session;
	struct peer_region old;
	unsigned before;

	make_handle(&handle, SMALL, addr);
	session = attach(host, &handle);
	EXPECT(!host->error);
	old = host->regions[0];
	before = host->attaches;
	wait_expired(SMALL);
	EXPECT(run(host, PATIENCE) && host->attaches == before + 1 && !host->error);
	EXPECT(shared->attached[SMALL] == 1 && !host->losses);
	EXPECT(old.key != host->regions[0].key);
	EXPECT(!read_layers(host, session));
	/* Asking again without need: the same lease, the same keys. */
	old = host->regions[0];
	peer_again(session);
	EXPECT(run(host, PATIENCE) && host->attaches == before + 2 && !host->error);
	EXPECT(old.key == host->regions[0].key && shared->attached[SMALL] == 1);
	peer_detach(session);
	wait_attached(host, SMALL, 0);
}

/* Ask again for these keys; what the other side answered, 0 or -errno. */
static int want(struct host *host, struct peer_session *session, unsigned first, unsigned count)
{
	unsigned before = host->attaches;

	host->keys = 0;
	host->want = (struct peer_want){ first, count };
	peer_again(session);
	while (host->attaches == before)
		EXPECT(run(host, PATIENCE));
	host->want.count = 0;
	return host->error;
}

static unsigned keyless(const struct host *host)
{
	unsigned i, count = 0;

	for (i = 0; i < host->region_count; i++)
		count += host->regions[i].keyless;
	return count;
}

/* There is room for three of the six regions: what was asked for longest ago makes room. */
static void try_room(struct host *host, const struct rm_fabric_addr *addr)
{
	struct rm_handle handle;
	struct peer_session *session, *other;
	struct peer_region first[REGIONS];
	unsigned tries;

	shared->limit = 3 * RM_PAGE;
	make_handle(&handle, SMALL, addr);
	session = attach(host, &handle);
	EXPECT(!host->error && keyless(host) == 3 && host->regions[3].keyless);
	EXPECT(!read_region(host, session, 0) && !read_region(host, session, 2));
	/* its own, where it does not ask for them */
	EXPECT(!want(host, session, 3, 1) && host->keys == 1 && keyless(host) == 2);
	EXPECT(!read_region(host, session, 3) && !read_region(host, session, 1));
	EXPECT(read_region(host, session, 0) < 0);
	/* again: a fresh key; what is asked for and there stays as it is */
	memcpy(first, host->regions, sizeof(first));
	EXPECT(!want(host, session, 0, 1) && host->keys == 1);
	EXPECT(host->regions[0].key != first[0].key && !read_region(host, session, 0));
	EXPECT(!want(host, session, 3, 1) && host->regions[3].key == first[3].key);
	/* more than there is room for: some of it */
	EXPECT(!want(host, session, 0, 6) && host->keys == 3);
	EXPECT(!read_region(host, session, 0) && !read_region(host, session, 2));
	/* another host needs one: of the first's, after a while */
	memcpy(first, host->regions, sizeof(first));
	memset(host->worker.host, 9, sizeof(host->worker.host));
	other = attach(host, &handle);
	EXPECT(!host->error && keyless(host) == 6);
	EXPECT(!want(host, other, 4, 2) && host->keys && !read_region(host, other, 4));
	memcpy(host->regions, first, sizeof(first));
	EXPECT(read_region(host, session, 2) < 0 && !read_region(host, session, 0));
	peer_detach(other);
	wait_attached(host, SMALL, 1);
	/* who has read all of it keeps no key */
	host->complete = true;
	for (tries = 0; read_region(host, session, 0) == 0; tries++) {
		EXPECT(tries < 300);
		run(host, 200 * MS);
	}
	host->complete = false;
	EXPECT(!want(host, session, 0, 3) && host->keys == 3 && !read_region(host, session, 2));
	/* not even one fits: that is said, and the session is over */
	shared->limit = 1;
	EXPECT(want(host, session, 5, 1) == -ENOMEM);
	printf("  no room: %s\n", host->why);
	EXPECT(strstr(host->why, "cannot register more") && strstr(host->why, "ulimit -l"));
	wait_attached(host, SMALL, 0);
	shared->limit = 0;
	memset(host->worker.host, 2, sizeof(host->worker.host));
	EXPECT(!read_layers(host, session = attach(host, &handle)));
	peer_detach(session);
	wait_attached(host, SMALL, 0);
}

/* Registering takes long: who asks for something else is answered meanwhile. */
static void try_slow(struct host *host, const struct rm_fabric_addr *addr)
{
	static const struct peer_events events = { .attached = on_attached, .lost = on_lost };
	struct peer_session *session, *slow;
	struct rm_handle handle;
	unsigned before;
	char why[256];

	make_handle(&handle, SMALL, addr);
	session = attach(host, &handle);
	before = host->attaches;
	memset(host->worker.host, 9, sizeof(host->worker.host));
	shared->slow_ms = 100;
	EXPECT(!peer_attach(host->worker.peers, &handle, false, &events, host, &slow, why,
	                    sizeof(why)));
	admit(host, session, 1);
	EXPECT(host->admitted == 1 && host->attaches_then == before);
	while (host->attaches == before)
		EXPECT(run(host, PATIENCE));
	shared->slow_ms = 0;
	EXPECT(!host->error && !keyless(host) && !read_layers(host, slow));
	peer_detach(slow);
	peer_detach(session);
	wait_attached(host, SMALL, 0);
	memset(host->worker.host, 2, sizeof(host->worker.host));
}

static void next_server(int fd, struct rm_fabric_addr *addr)
{
	EXPECT(write(fd, "", 1) == 1);
	EXPECT(read(fd, addr, sizeof(*addr)) == sizeof(*addr));
}

/* Returns when it is dead: it could answer until then. */
static void last_server(int fd)
{
	char dead;

	EXPECT(write(fd, "k", 1) == 1);
	EXPECT(read(fd, &dead, 1) == 1);
}

/* The other worker dies and a new one takes its address; then it dies for good. */
static void try_restart(struct host *host, const struct rm_fabric_addr *addr, int fd)
{
	struct rm_fabric_addr second;
	struct rm_handle handle;
	struct peer_session *session;
	unsigned before;
	uint64_t start;

	make_handle(&handle, SMALL, addr);
	session = attach(host, &handle);
	EXPECT(!host->error);
	before = host->attaches;
	host->worker.peers->times.lost = PATIENCE;      /* a new one takes a moment to come */
	next_server(fd, &second);
	EXPECT(!memcmp(&second, addr, sizeof(second)));
	start = rm_now_ns();
	EXPECT(read_layers(host, session) < 0);
	peer_again(session);
	EXPECT(run(host, PATIENCE) && host->attaches == before + 1 && !host->error);
	EXPECT(!read_layers(host, session));
	printf("  server replaced: reading again after %u ms\n",
	       (unsigned)((rm_now_ns() - start) / MS));
	EXPECT(shared->again[SMALL] == 1 && !shared->admitted[SMALL]);
	try_admit_limit(host, addr);
	/* Replaced while one more reader is asked for: that one counts, the host's first does not. */
	next_server(fd, &second);
	before = host->attaches;
	admit(host, session, 1);
	EXPECT(!host->error && host->admitted == 1 && host->attaches == before + 1);
	EXPECT(shared->again[SMALL] == 1 && shared->admitted[SMALL] == 1);
	/* Once more, noticed by the renewal alone. */
	before = host->attaches;
	next_server(fd, &second);
	EXPECT(run(host, PATIENCE) && host->attaches == before + 1 && !host->error);
	EXPECT(!read_layers(host, session) && !host->losses);
	/* Gone for good. */
	host->worker.peers->times.lost = 10000 * MS;
	last_server(fd);
	host->worker.peers->times.answer = 1000 * MS;
	admit(host, session, 1);
	EXPECT(host->error == -EHOSTUNREACH && strstr(host->why, "does not answer"));
	EXPECT(!host->losses);
	EXPECT(run(host, PATIENCE) && host->losses == 1 && host->error == -EHOSTUNREACH);
	printf("  gone for good: %s\n", host->why);
}

/*
 * The pages come before the answer, and nothing is registered. If one of their messages is lost
 * there are none, and nobody waits for it: the keys are asked for.
 */
static void try_data(struct host *host, const struct rm_fabric_addr *addr)
{
	struct peer_session *session;
	struct rm_handle handle;
	unsigned parts, i;

	make_handle(&handle, SMALL, addr);
	host->parts = 0;
	session = attach_to(host, &handle, true);
	EXPECT(!host->error && host->data && host->region_count == REGIONS);
	expect_table(host, 20);
	parts = host->parts;
	EXPECT(parts > 1 && parts <= PEER_PARTS_MAX);
	for (i = 0; i < REGIONS; i++)
		EXPECT(host->regions[i].keyless);
	peer_detach(session);
	for (i = 1; i <= parts; i += parts - 1) {
		host->parts = 0;
		host->lose = i;
		session = attach_to(host, &handle, true);
		EXPECT(!host->error && !host->data && host->parts == parts);
		host->want = (struct peer_want){ 0, REGIONS };
		peer_again(session);
		EXPECT(run(host, 8000 * MS) && !host->error && host->keys == REGIONS);
		EXPECT(!read_layers(host, session) && host->parts == parts);
		host->want.count = host->lose = 0;
		peer_detach(session);
	}
	printf("  pages in %u messages\n", parts);
	wait_attached(host, SMALL, 0);
}

/* An answer from a host of another version, to what was asked: both numbers are told. */
static void try_version(struct host *host, const struct rm_fabric_addr *addr)
{
	static const struct peer_events events = { .attached = on_attached, .lost = on_lost };
	struct peer_head head = { .type = PEER_GONE };
	uint8_t message[FABRIC_MESSAGE_MAX];
	unsigned before = host->attaches;
	struct peer_session *session;
	char words[64], why[200];
	struct rm_handle handle;
	size_t length;

	make_handle(&handle, SMALL, addr);
	EXPECT(!peer_attach(host->worker.peers, &handle, false, &events, host, &session, why,
	                    sizeof(why)));
	memcpy(head.id, handle.id, RM_ID_BYTES);
	head.session = session->session;
	head.number = session->expected;
	length = peer_seal(&head, NULL, NULL, 0, message);
	message[4] = PEER_VERSION + 6;
	peers_message(host->worker.peers, message, length);
	EXPECT(host->attaches == before + 1 && host->error == -EPROTO);
	rm_format(words, sizeof(words), "speaks version %u ", PEER_VERSION + 6);
	EXPECT(strstr(host->why, words));
	rm_format(words, sizeof(words), "speaks %u:", PEER_VERSION);
	EXPECT(strstr(host->why, words));
}

/* Neither side trips over rubbish. */
static void try_rubbish(struct host *host, const struct rm_fabric_addr *addr)
{
	struct fabric_peer *peer;
	uint8_t message[FABRIC_MESSAGE_MAX];
	char why[256];
	unsigned i;

	EXPECT(!fabric_peer(host->worker.fabric, addr, &peer, why, sizeof(why)));
	for (i = 0; i < 200; i++) {
		randombytes_buf(message, sizeof(message));
		memcpy(message, "RMP1", 4);
		message[4] = i % 7 ? PEER_VERSION : (uint8_t)i;
		message[5] = (uint8_t)(1 + i % PEER_TYPES);
		message[6] = message[7] = 0;
		message[40] = i % 3 ? 16 : 0;
		peers_message(host->worker.peers, message, sizeof(message) - i);
		fabric_send(host->worker.fabric, peer, message, sizeof(message) - i,
		            rm_now_ns() + 500 * MS);
		if (i % 10 == 0)
			run(host, 2 * MS);
	}
	run(host, 100 * MS);
	fabric_peer_put(host->worker.fabric, peer);
}

static void client(const struct rm_fabric_addr *addr, int fd)
{
	struct host host;

	alarm(1000);
	open_host(&host, 2, NULL);
	try_refusals(&host, addr);
	try_attach(&host, addr);
	try_expiry(&host, addr);
	try_admit(&host, addr);
	try_room(&host, addr);
	try_slow(&host, addr);
	try_data(&host, addr);
	try_rubbish(&host, addr);
	try_version(&host, addr);
	try_restart(&host, addr, fd);
	peers_free(host.worker.peers);
	fabric_close(host.worker.fabric);
	loop_free(host.worker.loop);
	free(host.table);
	_exit(0);
}

int main(void)
{
	struct rm_fabric_addr addr, again;
	pid_t pid, tester;
	int fds[2], status = 0;
	char byte;

	setvbuf(stdout, NULL, _IONBF, 0);
	signal(SIGPIPE, SIG_IGN);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	EXPECT(shared != MAP_FAILED);
	pid = start_server(NULL, &addr);
	EXPECT(!socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	tester = fork();
	if (!tester) {
		close(fds[1]);
		client(&addr, fds[0]);
	}
	close(fds[0]);
	while (read(fds[1], &byte, 1) == 1) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		pid = 0;
		if (byte) {
			EXPECT(write(fds[1], &byte, 1) == 1);
			continue;
		}
		pid = start_server(&addr, &again);
		EXPECT(write(fds[1], &again, sizeof(again)) == sizeof(again));
	}
	waitpid(tester, &status, 0);
	if (pid) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
