/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer_hosts.c - the server of test_peer: a store of two publications, and memory that can be
 * registered to a limit only
 */
#include "peer_hosts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../src/common/say.h"
#include "../../../src/daemon/fabric/internal.h"
#include "../../../src/daemon/store/visible.h"

struct shared *shared;
static struct publication publications[2];

/* ---- the store ---- */

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
	if (!again && rm_terms_used_up(publication->terms, publication->admitted))
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

void store_admitted(struct publication *publication)
{
	(void)publication;
}

uint64_t pattern(unsigned layer, uint64_t word)
{
	return (word + layer * 1000003 + 1) * 0x9e3779b97f4a7c15u;
}

/*
 * Layers 0 and 1 have data in pages 2, 5 and 7, the last none; as many segments as asked, ten of
 * them show the first pages of layer 0, the others those of layer 1.
 */
size_t make_table(unsigned segments, void **out)
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
		segment->layer = i >= 10;
		segment->offset = (i >= 10 ? i - 10 : i) % 1024 * RM_PAGE;
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
	publication->terms.readers = n == BIG ? 2 : 0;
	EXPECT(!rm_table_check(table, size, &publication->table, &why));
	publication->visible = visible_make(&publication->table);
	EXPECT(publication->visible);
	publication->layer_count = LAYERS;
	publication->layers = calloc(LAYERS, sizeof(*publication->layers));
	for (i = 0; i < LAYERS; i++) {
		struct stored_layer *layer = calloc(1, sizeof(*layer));
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
	if (host->peers)
		peers_message(host->peers, data, length);
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

void open_host(struct host *host, uint8_t name, const struct rm_fabric_addr *again)
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
	memset(host->context.host, name, sizeof(host->context.host));
	host->context.loop = loop_new();
	host->nets.context = &host->context;
	EXPECT(!fabric_open(&host->fabric, host->context.loop, &spec, again, &events, why,
	                    sizeof(why)));
	host->peers = peers_new(&host->nets, host->fabric);
	EXPECT(host->peers);
	host->peers->times.retry = 100 * MS;
	host->peers->times.answer = 5000 * MS;
	host->peers->times.renew = 100 * MS;
	host->peers->times.lost = 15000 * MS;
	host->peers->times.expire = EXPIRE;
}

static void server(const struct rm_fabric_addr *again, int fd)
{
	struct host host;

	make_publication(SMALL);
	make_publication(BIG);
	open_host(&host, 1, again);
	host.context.restarts = again ? 1 : 0;
	host.peers->times.room = 3000 * MS;
	limit(host.fabric);
	EXPECT(write(fd, fabric_addr(host.fabric), sizeof(struct rm_fabric_addr)) ==
	       sizeof(struct rm_fabric_addr));
	loop_run(host.context.loop);
	_exit(0);
}

pid_t start_server(const struct rm_fabric_addr *again, struct rm_fabric_addr *addr)
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
