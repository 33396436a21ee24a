/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire.h - what a process and its host's rmmapd say to each other
 *
 * Over one SOCK_SEQPACKET socket (channel.h), both ends on one host and of one
 * uid, so structures travel as they are; still a message is decoded only by
 * rm_wire_check(), since the other end may be of another version. A process has
 * one request under way at a time on a connection; replies carry its seq. After
 * RM_RESTARTED (rmmapd's worker was replaced) the request is sent once more:
 * every request may be repeated without harm. A reply that takes long is
 * preceded by RM_PROGRESS at least once a second.
 *
 *   client                                   rmmapd
 *   RM_HELLO                            ->
 *                                       <-   RM_HELLO_REPLY
 *   RM_PUBLISH  fds: table[, slot lock] ->
 *   RM_LAYERS*  fds: up to 64 layers    ->   (those that rmmapd does not know)
 *                                       <-   RM_REPLY (text = the handle; ESTALE: rmmapd
 *                                                      does not know what it should)
 *   RM_ATTACH                           ->
 *                                       <-   RM_ATTACH_REPLY  fds: table
 *                                       <-   RM_LAYERS*       fds: layers or caches, read-only
 *   and if its mode is RM_ATTACH_LAZY, after mapping and registering:
 *   RM_LAZY fds: uffd, lifeline x 2[, ranges][, stderr] ->
 *                                       <-   RM_REPLY
 *   RM_DETACH, RM_COMPLETE, RM_UNPUBLISH, RM_PREFETCH ->
 *                                       <-   RM_REPLY
 *   RM_MOVE                             ->
 *                                       <-   RM_REPLY (text = the handle over there)
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
#define RM_WIRE_VERSION 6
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

struct rm_wire {                        /* every message begins so; RM_STATS, RM_LIST, RM_INFO,
                                           RM_PROGRESS and RM_RESTARTED are no more than it */
	uint32_t magic;
	uint16_t version;
	uint16_t type;
	uint64_t seq;
};

struct rm_wire_hello {                  /* RM_HELLO */
	struct rm_wire head;
	uint32_t pid;                   /* who asks; checked against the socket's peer */
	uint32_t reserved;
	struct rm_layout layout;        /* another than rmmapd's is EPROTO: before any publish */
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
	uint32_t has_slot_lock;         /* second descriptor: the OFD lock on this slot */
	uint32_t slot;
	uint32_t known_layers;          /* the table's last so many: rmmapd has them */
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
	uint32_t can_lazy;              /* userfaultfd can be had by this process */
	uint32_t prefetch;              /* enum rm_prefetch_mode */
	uint32_t reserved;
	char fabric[RM_SPEC_MAX];
	char handle[RM_HANDLE_TEXT_MAX];
};

enum rm_attach_mode {
	RM_ATTACH_LOCAL = 1,            /* layers of this host, sealed */
	RM_ATTACH_EAGER,                /* caches of another host's layers, complete */
	RM_ATTACH_LAZY,                 /* the same, still filling: register, then RM_LAZY */
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
#define RM_UFFD_RANGES 2u               /* with a memfd of what is registered: not all segments */

struct rm_wire_range {                  /* an item of that memfd, which is ascending */
	uint64_t addr, length;
};

struct rm_wire_prefetch {               /* RM_PREFETCH: of whatever is attached there */
	struct rm_wire head;
	uint64_t addr, length;          /* whole pages */
};

struct rm_wire_name {                   /* RM_UNPUBLISH, RM_STAT */
	struct rm_wire head;
	uint32_t revoke;                /* RM_UNPUBLISH: close other hosts' keys too; 0 or 1 */
	uint32_t reserved;
	char name[RM_HANDLE_TEXT_MAX];  /* a handle, or the short id of a publication of this host */
};

struct rm_wire_move {                   /* RM_MOVE: a copy of it to another host's rmmapd */
	struct rm_wire head;
	uint8_t id[RM_ID_BYTES];        /* of the copy; the same again after RM_RESTARTED */
	uint8_t secret[RM_SECRET_BYTES];
	uint32_t port;
	uint32_t reserved;
	char host[64];                  /* an address in numbers */
	char fabric[RM_SPEC_MAX];
	char name[RM_HANDLE_TEXT_MAX];  /* as in RM_UNPUBLISH */
};

struct rm_wire_reply {                  /* RM_REPLY */
	struct rm_wire head;
	int32_t error;
	uint32_t reserved;
	char text[RM_TEXT_MAX];         /* the handle of RM_PUBLISH, RM_MOVE; else why it failed */
};

enum rm_ahead {                         /* why a page was fetched before anybody asked for it */
	RM_AHEAD_SCAN,                  /* readahead */
	RM_AHEAD_POINTER,               /* a page that came points to it */
	RM_AHEAD_ASKED,                 /* rmmap_prefetch() */
	RM_AHEADS
};

struct rm_ahead_counters {
	uint64_t pages;
	uint64_t used;                  /* of those, as a sample says */
};

struct rm_counters {                    /* of one process, one publication, or all of rmmapd */
	uint64_t faults, fault_ns;
	uint64_t reads, fetched_pages, fetched_bytes;
	struct rm_ahead_counters ahead[RM_AHEADS];
	char provider[RM_PROVIDER_MAX];
	uint32_t fault_times[RM_FAULT_TIMES];
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
	struct rm_counters counters;
};

struct rm_pub_info {                    /* a record of RM_LIST and RM_STAT */
	char id[12];                    /* short id */
	uint8_t remote;                 /* 1: another host's, attached here */
	uint8_t unpublished;            /* 1: gone for new readers, still attached */
	uint8_t pad[2];
	uint64_t root;
	uint64_t bytes;                 /* address space in segments */
	uint64_t data_bytes;            /* pages with data */
	uint32_t layers, segments;
	uint32_t attached;              /* processes of this host that have it now */
	uint32_t remote_attached;       /* other hosts that have it now */
	uint32_t admitted, readers;     /* attaches so far, and how many are allowed (0: any) */
	uint64_t age_ms;
	uint64_t expires_ms;            /* until its lease ends; UINT64_MAX: not counted now */
	uint32_t publisher_pid;
	uint32_t slot;
	struct rm_counters counters;    /* bytes fetched of it by this host */
	uint64_t served_bytes;          /* bytes registered for other hosts, times attaches; of
	                                   another host's: passed on to its other readers */
	uint64_t relayed_bytes;         /* of those fetched: from other readers of it */
};

struct rm_daemon_info {                 /* the one record of RM_INFO */
	uint32_t keeper_pid, worker_pid;
	uint32_t worker_restarts;
	uint32_t publications, attachments, clients;
	uint64_t held_bytes, limit_bytes;       /* publications and caches; RMMAP_LIMIT, 0: none */
	uint64_t cache_bytes;           /* pages of other hosts' publications, of these */
	uint64_t cgroup_bytes, cgroup_limit;    /* memory of rmmapd's cgroup; UINT64_MAX: no limit */
	uint64_t uptime_ms;
	uint32_t fabric_open;           /* 1: listening */
	uint32_t reserved;
	char provider[RM_PROVIDER_MAX];
	char address[96];               /* as text with port, if listening */
	char fabric_why[RM_TEXT_MAX];   /* why not, if it failed */
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
 * Is this a message of this version, of its type's exact length, with every
 * text terminated? Pure, fuzzed. 0, -EPROTO (another version), -EINVAL.
 */
int rm_wire_check(const void *message, size_t length);

#endif
