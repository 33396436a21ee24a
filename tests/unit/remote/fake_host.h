/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fake_host.h - another host for remote.c and pager.c, without a network
 *
 * Stands in for fabric, peer, keeper, local, store and worker: reads are copies out of this
 * process's memory after a while, or fail, or never end; the keeper is a list, or, for a
 * worker that will be killed, a socket to the process that takes its records.
 */
#ifndef RM_TEST_FAKE_HOST_H
#define RM_TEST_FAKE_HOST_H

#include "../../../src/daemon/peer/nets.h"
#include "../../../src/daemon/remote/attachment.h"
#include "../../../src/daemon/local/local.h"
#include "../../../src/daemon/base/loop.h"
#include "../../../src/daemon/peer/peer.h"
#include "../../../src/daemon/remote/remote.h"

#define FAKE_LAYERS 3
#define FAKE_RECORDS 16
#define FAKE_FDS 16
#define FAKE_REGIONS 64

struct fake_record {
	struct record record;           /* type 0: free */
	char data[RECORD_DATA_MAX];
	int fds[FAKE_FDS];
};

struct fake_attachment {        /* data of its RECORD_ATTACHMENT, by fake_save() */
	uint64_t generation;
	uint32_t served;
};

struct fake {
	struct context context;
	struct remotes *remotes;
	struct rm_handle handle;
	void *table;
	size_t table_size;
	char *source[FAKE_LAYERS];      /* what the other host has */
	uint64_t lengths[FAKE_LAYERS];
	uint64_t region_bytes;          /* a layer is registered in parts of so many bytes; 0: whole */
	uint64_t delay_ns;              /* until a read is done */
	unsigned fail_reads;            /* so many reads from now on fail */
	bool hang;                      /* reads end at their deadline only */
	bool busy;                      /* reads that were given up may still arrive */
	uint64_t key;                   /* reads with another one fail */
	int attach_error;               /* peer_attach() answers with it */
	int admit_error;                /* peer_admit() answers with it */
	unsigned readers_left;          /* so many more are admitted, then -ENOENT */
	bool no_answer;                 /* to peer_attach() and peer_again(); to peer_admit() late */
	bool earlier;                   /* the last peer_attach() was for who had it before */
	const uint8_t *data;            /* handed over with the table */
	size_t data_size;
	unsigned skip_regions;          /* leave out so many of them */
	unsigned room;                  /* so many regions have a key at a time; 0: all */
	uint64_t keys[FAKE_REGIONS];    /* with room: theirs; 0: none */
	uint64_t granted[FAKE_REGIONS]; /* when, by key */
	/* counted: */
	unsigned attaches, agains, admits, detaches, reads, failed;
	uint64_t read_bytes, queued, queued_max;
	/* the process at the other end of an attachment: */
	struct attachment attachment[4];
	struct process_counters counters;
	char told[512];
	int keeper_socket;              /* -1: records are kept here */
	struct fake_record records[FAKE_RECORDS];
};

extern struct fake fake;
extern void (*fake_fill)(void);         /* called by fake_open(): write more into the sources */

/*
 * Three layers of 1, 4 and 40 MiB in four segments; in the second every third page is a
 * hole. A page's content is told from its address by fake_word().
 */
void fake_open(void);
void fake_close(void);
void fake_save(struct attachment *attachment);
uint64_t fake_word(uint32_t layer, uint64_t page);
bool fake_hole(uint32_t layer, uint64_t page);
/* not in the first slot, which is AddressSanitizer's; windows may have few */
#define FAKE_SLOT (RM_WINDOW_SLOTS > 16 ? 16 : RM_WINDOW_SLOTS / 2)
#define FAKE_BASE (RM_WINDOW_BASE + FAKE_SLOT * RM_SLOT_SIZE)

void fake_run(uint64_t ms);             /* the loop, for at most so long */
void fake_wake(void);                   /* the loop returns */
void fake_spare(unsigned count);        /* so many reads at a time need no memory */
void fake_take_keys(void);              /* with room: nobody has a key any more */

/* Over a socket: put a record that a worker sent into fake.records. False: the worker is gone. */
bool fake_keep(int socket, uint64_t deadline);

#endif
