/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire.h - the messages between a process and its host's rmmapd
 *
 * They go over one SOCK_SEQPACKET socket (channel.h). Both ends are on one host and of one
 * user, so structures are sent as they are in memory. The other end may be of another version:
 * a receiver calls rm_wire_check() before it looks at a message.
 *
 * A connection has one request at a time; the reply repeats its seq. While a reply takes long,
 * RM_PROGRESS is sent at least once a second. After RM_RESTARTED (rmmapd's worker was replaced)
 * the client sends its request again: every request may be repeated without harm.
 *
 * The library, rmmapd and rmmap use it. Any thread; nothing allocates.
 *
 *   client                                   rmmapd
 *   RM_HELLO                            ->
 *                                       <-   RM_HELLO_REPLY
 *   RM_PUBLISH  fds: table[, slot lock] ->
 *   RM_LAYERS*  fds: up to 64 layers    ->   (all but the known_layers)
 *                                       <-   RM_REPLY (text = the handle; ESTALE: rmmapd
 *                                                      does not have a layer of those)
 *   RM_ATTACH                           ->
 *                                       <-   RM_ATTACH_REPLY  fds: table
 *                                       <-   RM_LAYERS*       fds: layers or caches, read-only
 *   and if its mode is RM_ATTACH_LAZY, after mapping and registering:
 *   RM_LAZY fds: uffd, lifeline x 2[, ranges][, stderr] ->
 *                                       <-   RM_REPLY
 *   RM_DETACH, RM_COMPLETE, RM_UNPUBLISH, RM_PREFETCH ->
 *                                       <-   RM_REPLY
 *   RM_MOVE                             ->
 *                                       <-   RM_REPLY (text = the handle of the copy)
 *   RM_STATS                            ->
 *                                       <-   RM_STATS_REPLY
 *   RM_LIST, RM_STAT, RM_INFO           ->
 *                                       <-   RM_INFO_REPLY  fds: a memfd of records
 */
#ifndef RM_WIRE_H
#define RM_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fault_times.h"
#include "handle.h"
#include "layout.h"
#include "terms.h"

#define RM_WIRE_MAGIC 0x57524d52u
#define RM_WIRE_VERSION 7
#define RM_TEXT_MAX 512
#define RM_SPEC_MAX 128                 /* RMMAP_FABRIC as given, NUL included */

enum rm_wire_type {
	RM_HELLO = 1, RM_HELLO_REPLY,
	RM_PUBLISH, RM_LAYERS,
	RM_ATTACH, RM_ATTACH_REPLY,
	RM_LAZY, RM_COMPLETE, RM_DETACH, RM_UNPUBLISH,
	RM_STATS, RM_STATS_REPLY,
	RM_LIST, RM_STAT, RM_INFO, RM_INFO_REPLY,
	RM_REPLY, RM_PROGRESS, RM_RESTARTED,
	RM_PREFETCH, RM_MOVE,
};

struct rm_wire {                        /* begins every message; RM_STATS, RM_LIST, RM_INFO,
                                           RM_PROGRESS and RM_RESTARTED have nothing else */
	uint32_t magic;
	uint16_t version;
	uint16_t type;
	uint64_t seq;
};

struct rm_wire_hello {                  /* RM_HELLO */
	struct rm_wire head;
	uint32_t pid;                   /* of the client, as it sees itself; rmmapd takes the pid of
	                                   the socket's peer instead */
	uint32_t reserved;
	struct rm_layout layout;        /* if it differs from rmmapd's, the reply is EPROTO */
};

struct rm_wire_hello_reply {            /* RM_HELLO_REPLY */
	struct rm_wire head;
	int32_t error;                  /* 0 or a positive errno */
	uint32_t pid;                   /* of the keeper */
	uint8_t host[RM_ID_BYTES];
	char text[RM_TEXT_MAX];
};

struct rm_wire_publish {                /* RM_PUBLISH */
	struct rm_wire head;
	uint8_t id[RM_ID_BYTES];        /* chosen by the publisher; the same again after RM_RESTARTED */
	uint8_t secret[RM_SECRET_BYTES];
	struct rm_terms terms;          /* ttl_ms 0: rmmapd's RMMAP_TTL */
	uint32_t layer_count;
	uint32_t has_slot_lock;         /* 1: the second descriptor is the OFD lock on this slot */
	uint32_t slot;                  /* of the publisher's heap */
	uint32_t known_layers;          /* rmmapd has the last so many layers of the table */
	uint64_t table_size;
	char fabric[RM_SPEC_MAX];       /* the publisher's RMMAP_FABRIC, or "" */
};

struct rm_wire_layers {                 /* RM_LAYERS, in both directions */
	struct rm_wire head;
	uint32_t first;                 /* index of the first layer whose descriptor comes */
	uint32_t count;
};

struct rm_wire_attach {                 /* RM_ATTACH */
	struct rm_wire head;
	uint32_t want;                  /* enum rm_fetch_mode */
	uint32_t can_lazy;              /* 1: this process may use userfaultfd */
	uint32_t prefetch;              /* enum rm_prefetch_mode */
	uint32_t reserved;
	char fabric[RM_SPEC_MAX];
	char handle[RM_HANDLE_TEXT_MAX];
};

enum rm_attach_mode {
	RM_ATTACH_LOCAL = 1,            /* sealed layers of this host */
	RM_ATTACH_EAGER,                /* caches of another host's layers, complete */
	RM_ATTACH_LAZY,                 /* such caches, not complete: register, then send RM_LAZY */
};

struct rm_wire_attach_reply {           /* RM_ATTACH_REPLY */
	struct rm_wire head;
	int32_t error;
	uint32_t mode;
	uint64_t attachment;            /* names it in RM_LAZY, RM_COMPLETE and RM_DETACH */
	uint64_t table_size;
	uint32_t layer_count;
	uint32_t reserved;
	char provider[RM_PROVIDER_MAX];
	char text[RM_TEXT_MAX];
};

struct rm_wire_attachment {             /* RM_LAZY, RM_COMPLETE (0: all of this process), RM_DETACH */
	struct rm_wire head;
	uint64_t attachment;
	uint32_t features;              /* RM_LAZY: RM_UFFD_ bits of this uffd */
	uint32_t reserved;
};
#define RM_UFFD_POISON 1u               /* UFFDIO_POISON may be used on it */
#define RM_UFFD_RANGES 2u               /* a memfd lists what is registered: not all segments */

struct rm_wire_range {                  /* an item of that memfd; ascending */
	uint64_t addr, length;
};

struct rm_wire_prefetch {               /* RM_PREFETCH: of the attachments in this range */
	struct rm_wire head;
	uint64_t addr, length;          /* whole pages */
};

struct rm_wire_name {                   /* RM_UNPUBLISH, RM_STAT */
	struct rm_wire head;
	uint32_t revoke;                /* RM_UNPUBLISH, 0 or 1: also close other hosts' keys */
	uint32_t reserved;
	char name[RM_HANDLE_TEXT_MAX];  /* a handle, or the short id of a publication of this host */
};

struct rm_wire_move {                   /* RM_MOVE: copy a publication to another host */
	struct rm_wire head;
	uint8_t id[RM_ID_BYTES];        /* of the copy; the same again after RM_RESTARTED */
	uint8_t secret[RM_SECRET_BYTES];
	uint32_t port;
	uint32_t reserved;
	char host[64];                  /* a numeric address: rmmapd resolves no names */
	char fabric[RM_SPEC_MAX];
	char name[RM_HANDLE_TEXT_MAX];  /* as in RM_UNPUBLISH */
};

struct rm_wire_reply {                  /* RM_REPLY */
	struct rm_wire head;
	int32_t error;
	uint32_t reserved;
	char text[RM_TEXT_MAX];         /* error 0: the handle of RM_PUBLISH or RM_MOVE;
	                                   else the reason */
};

enum rm_ahead {                         /* why a page was fetched before a process touched it */
	RM_AHEAD_SCAN,                  /* readahead in order of addresses */
	RM_AHEAD_POINTER,               /* a fetched page has a pointer to it */
	RM_AHEAD_ASKED,                 /* rmmap_prefetch() */
	RM_AHEADS
};

struct rm_ahead_counters {
	uint64_t pages;
	uint64_t used;                  /* so many of them were touched; estimated by a sample */
};

struct rm_counters {                    /* of one process, one publication, or all of rmmapd */
	uint64_t faults, fault_ns;      /* page faults served, and the time of all together */
	uint64_t reads, fetched_pages, fetched_bytes;   /* fi_read calls, and their result */
	struct rm_ahead_counters ahead[RM_AHEADS];
	char provider[RM_PROVIDER_MAX]; /* libfabric's name; "" before the first fetch */
	uint32_t fault_times[RM_FAULT_TIMES];   /* fault_times.h */
};

static inline struct rm_ahead_counters rm_ahead_sum(const struct rm_counters *counters)
{
	struct rm_ahead_counters sum = { 0, 0 };

	for (unsigned i = 0; i < RM_AHEADS; i++) {
		sum.pages += counters->ahead[i].pages;
		sum.used += counters->ahead[i].used;
	}
	return sum;
}

struct rm_wire_stats_reply {            /* RM_STATS_REPLY */
	struct rm_wire head;
	int32_t error;
	uint32_t reserved;
	uint64_t cache_huge_bytes;      /* of all of rmmapd's caches: in huge pages */
	struct rm_counters counters;
};

struct rm_pub_info {                    /* a record of RM_LIST and RM_STAT */
	char id[12];                    /* short id */
	uint8_t remote;                 /* 1: another host's, attached here */
	uint8_t unpublished;            /* 1: nobody can attach it any more; still attached */
	uint8_t pad[2];
	uint64_t root;
	uint64_t bytes;                 /* address space in segments */
	uint64_t data_bytes;            /* pages with data */
	uint32_t layers, segments;
	uint32_t attached;              /* processes of this host that have it attached */
	uint32_t remote_attached;       /* other hosts that have it attached */
	uint32_t admitted, readers;     /* attaches so far, and how many are allowed (0: any) */
	uint64_t age_ms;
	uint64_t expires_ms;            /* until its lease ends; UINT64_MAX: no lease runs */
	uint32_t publisher_pid;
	uint32_t slot;
	struct rm_counters counters;    /* what this host fetched of it */
	uint64_t served_bytes;          /* remote 0: bytes registered for other hosts, times
	                                   attaches; remote 1: bytes passed on to other readers */
	uint64_t relayed_bytes;         /* fetched from other readers instead of the publisher */
};

struct rm_daemon_info {                 /* the one record of RM_INFO */
	uint32_t keeper_pid, worker_pid;
	uint32_t worker_restarts;
	uint32_t publications, attachments, clients;
	uint64_t held_bytes;            /* in publications and caches */
	uint64_t limit_bytes;           /* RMMAP_LIMIT for held_bytes; 0: none */
	uint64_t cache_bytes;           /* the part of held_bytes fetched from other hosts */
	uint64_t cache_huge_bytes;      /* the part of cache_bytes in huge pages, filled or not */
	uint64_t cache_huge_refused;    /* how many huge pages the kernel did not make */
	uint64_t cgroup_bytes, cgroup_limit;    /* memory of rmmapd's cgroup; UINT64_MAX: no limit */
	uint64_t uptime_ms;
	uint32_t fabric_open;           /* 1: listening */
	uint32_t reserved;
	char provider[RM_PROVIDER_MAX];
	char address[96];               /* text with the port, if listening */
	char fabric_why[RM_TEXT_MAX];   /* the reason, if opening the fabric failed */
	struct rm_counters counters;
};

struct rm_wire_info_reply {             /* RM_INFO_REPLY */
	struct rm_wire head;
	int32_t error;
	uint32_t count;                 /* records in the memfd */
	uint32_t record_size;
	uint32_t reserved;
	char text[RM_TEXT_MAX];
};

#define RM_WIRE_MAX 2048                /* no message is longer */

/*
 * Check a received message: the version, a known type, its exact length, and that each text in
 * it is terminated. Pure, fuzzed. 0; -EPROTO if it is of another version; -EINVAL.
 */
int rm_wire_check(const void *message, size_t length);

#endif
