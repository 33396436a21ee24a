/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * info.c - answers about rmmapd's state, for rmmap list, stat and info, and rmmap_stats()
 *
 * An answer contains short ids, never a handle or a secret. Worker thread only; does not allocate
 * with malloc, since lists are written to memory files.
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../common/cgroup.h"
#include "../fabric/fabric.h"
#include "internal.h"
#include "../remote/remote.h"

/* An answer under way: records that are written to a memory file, which is handed out. */
struct listing {
	int fd;                         /* the memory file; the receiver gets a duplicate, and reads
	                                   it from offset 0 whatever this position is */
	uint32_t count;                 /* records in it */
	int error;                      /* the first one of a write: nothing is written after it */
	const char *only;               /* write only publications with this short id; NULL: all */
};

static void listing_put(struct listing *listing, const void *record, size_t size)
{
	if (listing->error)
		return;
	if (write(listing->fd, record, size) != (ssize_t)size)
		listing->error = -ENOMEM;
	else
		listing->count++;
}

/* ---- publications ---- */

/* Fill in the record of a publication of this host. */
static void listing_describe(const struct publication *publication, struct rm_pub_info *info)
{
	uint64_t now = rm_now_ns();

	memset(info, 0, sizeof(*info));
	rm_short_id(publication->id, info->id);
	info->unpublished = publication->unpublished;
	info->root = publication->table.root;
	for (uint32_t i = 0; i < publication->table.segment_count; i++)
		info->bytes += publication->table.segments[i].length;
	info->data_bytes = publication->data_bytes;
	info->layers = publication->layer_count;
	info->segments = publication->table.segment_count;
	info->attached = publication->attached;
	info->remote_attached = publication->remote_attached;
	info->admitted = publication->admitted;
	info->readers = publication->terms.readers;
	info->age_ms = (now - publication->created_ns) / 1000000;
	info->expires_ms = UINT64_MAX;
	if (publication->lease.index)
		info->expires_ms = publication->lease.at > now ?
		                   (publication->lease.at - now) / 1000000 : 0;
	info->publisher_pid = publication->publisher_pid;
	info->slot = publication->slot;
	info->served_bytes = publication->served_bytes;
}

static void listing_put_remote(void *arg, const struct rm_pub_info *info)
{
	struct listing *listing = arg;

	if (!listing->only || strcmp(listing->only, info->id) == 0)
		listing_put(listing, info, sizeof(*info));
}

/* Publications of this host, then those of other hosts that are attached here. */
static void listing_fill(struct local *local, struct listing *listing)
{
	for (struct publication *p = store_first(local->store); p; p = p->next) {
		struct rm_pub_info info;

		listing_describe(p, &info);
		if (!listing->only || strcmp(listing->only, info.id) == 0)
			listing_put(listing, &info, sizeof(info));
	}
	remotes_list(local->remotes, listing_put_remote, listing);
}

/*
 * Turn a name into a short id. A handle contains the id. The first digits of an id are completed if
 * a publication of this host has it. Else the name is taken as it is: it may be the short id of
 * another host's publication. 0 or -errno.
 */
static int name_short_id(struct local *local, const char *name, char id[9])
{
	struct publication *publication;
	struct rm_handle handle;
	int error;

	/* No id begins so: its digits are hexadecimal. */
	if (strncmp(name, "rmmap", 5) == 0) {
		error = rm_handle_decode(name, &handle);
		if (error == 0)
			rm_short_id(handle.id, id);
		sodium_memzero(&handle, sizeof(handle));
		return error;
	}
	error = store_find_short(local->store, name, &publication);
	if (error == 0)
		rm_short_id(publication->id, id);
	else if (error == -ENOENT)
		rm_format(id, 9, "%s", name);
	return error == -EEXIST ? -EINVAL : 0;
}

/* ---- rmmapd itself ---- */

static void describe_memory(struct local *local, struct rm_daemon_info *info)
{
	struct rm_cgroup cgroup;

	rm_cgroup_read("", &cgroup);
	info->held_bytes = limit_held(local->context);
	info->limit_bytes = local->context->options.limit;
	info->cache_bytes = local->context->limit.caches - local->context->limit.promised;
	info->cache_huge_bytes = remotes_huge(local->remotes, &info->cache_huge_refused);
	info->cgroup_bytes = cgroup.used;
	info->cgroup_limit = cgroup.limit;
}

static void describe_daemon(struct local *local, struct rm_daemon_info *info)
{
	const struct context *context = local->context;
	const struct fabric *fabric = nets_fabric(local->nets);

	memset(info, 0, sizeof(*info));
	info->keeper_pid = context->keeper_pid;
	info->worker_pid = (uint32_t)getpid();
	info->worker_restarts = context->restarts;
	info->publications = store_count(local->store);
	info->attachments = local->attachment_count;
	info->clients = local->client_count;
	describe_memory(local, info);
	info->uptime_ms = (rm_now_ns() - context->started_ns) / 1000000;
	info->fabric_open = fabric != NULL;
	if (fabric) {
		const struct rm_fabric_addr *addr = fabric_addr(fabric);

		rm_format(info->provider, sizeof(info->provider), "%s", addr->provider);
		fabric_addr_text(addr, info->address, sizeof(info->address));
	} else {
		rm_format(info->fabric_why, sizeof(info->fabric_why), "%s", nets_why(local->nets));
	}
	/* With the processes that have ended, so that the sums never go down. */
	info->counters = local->ended;
	for (struct client *client = local->clients; client; client = client->next)
		counters_add(&info->counters, &client->counters->sum);
}

/* ---- requests ---- */

/* RM_INFO_REPLY with an error and no memory file. */
static void info_error(struct connection *connection, uint64_t seq, int error, const char *text)
{
	struct rm_wire_info_reply reply = { .error = -error };

	rm_format(reply.text, sizeof(reply.text), "%s", text);
	connection_send(connection, &reply, sizeof(reply), RM_INFO_REPLY, seq, NULL, 0);
}

static void reply_listing(struct connection *connection, uint64_t seq, struct listing *listing,
                          size_t record_size)
{
	struct rm_wire_info_reply reply = { .count = listing->count,
	                                    .record_size = (uint32_t)record_size };

	if (listing->error)
		info_error(connection, seq, listing->error, "rmmapd has no memory for the answer");
	else if (listing->only && !listing->count)
		info_error(connection, seq, -ENOENT, "neither a publication of this host nor one that "
		           "is attached here has that id: see rmmap list");
	else
		connection_send(connection, &reply, sizeof(reply), RM_INFO_REPLY, seq,
		                &listing->fd, 1);
}

static void reply_stats(struct connection *connection, uint64_t seq)
{
	struct rm_wire_stats_reply reply = { .counters = connection->client->counters->sum };
	uint64_t refused;

	reply.cache_huge_bytes = remotes_huge(connection->client->local->remotes, &refused);
	connection_send(connection, &reply, sizeof(reply), RM_STATS_REPLY, seq, NULL, 0);
}

/* RM_STATS has a reply of its own; the others are answered by RM_INFO_REPLY with a listing. */
void request_info(struct connection *connection, const void *message)
{
	const struct rm_wire *request = message;
	struct local *local = connection->client->local;
	struct listing listing = { .fd = -1 };
	struct rm_daemon_info info;
	size_t size = sizeof(struct rm_pub_info);
	char id[9];

	if (request->type == RM_STATS) {
		reply_stats(connection, request->seq);
		return;
	}
	if (request->type == RM_STAT) {
		const struct rm_wire_name *named = (const struct rm_wire_name *)request;

		if (name_short_id(local, named->name, id) < 0) {
			info_error(connection, request->seq, -EINVAL, "this is neither a handle nor the "
			           "id of one publication: see rmmap list");
			return;
		}
		listing.only = id;
	}
	listing.fd = memfd_create("rmmap-info", MFD_CLOEXEC);
	if (listing.fd < 0) {
		info_error(connection, request->seq, -errno, "rmmapd has no descriptor for the answer");
		return;
	}
	if (request->type == RM_INFO) {
		size = sizeof(info);
		describe_daemon(local, &info);
		listing_put(&listing, &info, size);
	} else {
		listing_fill(local, &listing);
	}
	reply_listing(connection, request->seq, &listing, size);
	close(listing.fd);
}
