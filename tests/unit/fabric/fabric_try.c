/* SPDX-License-Identifier: BSD-2-Clause */
/* fabric_try.c - messages, reads and failures of a server; see fabric_node.h */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "../../../src/common/channel.h"
#include "../../../src/common/say.h"
#include "fabric_node.h"

#define MANY 32                 /* reads of all memory: no machine does that before the deadline */
static struct wait_read many[MANY];

static uint64_t cpu_ns(void)
{
	struct rusage use;

	getrusage(RUSAGE_SELF, &use);
	return (uint64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * SECOND +
	       (uint64_t)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) * 1000;
}

void try_messages(struct node *node, struct fabric_peer *peer)
{
	char text[FABRIC_MESSAGE_MAX];
	const struct rm_fabric_addr *own = fabric_addr(node->fabric);
	size_t length;
	unsigned i;

	for (i = 0; i < 300; i++) {
		length = i % 3 ? sizeof(*own) + i : sizeof(text);
		memset(text, (int)i, sizeof(text));
		memcpy(text, own, sizeof(*own));
		EXPECT(!fabric_send(node->fabric, peer, text, length, rm_now_ns() + PATIENCE));
		EXPECT(run(node, PATIENCE));
		EXPECT(node->length == length && !memcmp(node->message, text, length));
	}
	EXPECT(fabric_send(node->fabric, peer, text, sizeof(text) + 1, 0) == -EMSGSIZE);
}

void try_reads(struct node *node, struct fabric_peer *peer, const struct hello *there,
               uint64_t *memory)
{
	uint64_t start = rm_now_ns(), calls = fabric_read_calls(node->fabric);
	size_t i;

	EXPECT(!read_one(node, peer, memory, MEMORY, there->region.base, there->region.key,
	                 PATIENCE));
	start = rm_now_ns() - start;
	for (i = 0; i < MEMORY / 8; i++)
		EXPECT(memory[i] == pattern(i));
	printf("  16 MiB read and verified: %u ms, %u fi_read calls\n",
	       (unsigned)(start / 1000000), (unsigned)(fabric_read_calls(node->fabric) - calls));
	memset(memory, 0, 16384);
	EXPECT(!read_one(node, peer, memory, 8192, there->region.base + 40960,
	                 there->region.key, PATIENCE));
	for (i = 0; i < 1024; i++)
		EXPECT(memory[i] == pattern(i + 5120) && !memory[i + 1024]);
	EXPECT(!read_one(node, peer, memory, 0, there->region.base, there->region.key,
	                 PATIENCE));
}

/* Sleeping must cost nothing: a poller that never sleeps shows here. */
void try_idle(struct node *node)
{
	uint64_t spent = SECOND;
	unsigned i;

	for (i = 0; i < 10 && spent >= SECOND / 10; i++) {
		spent = cpu_ns();
		EXPECT(!run(node, SECOND));
		spent = cpu_ns() - spent;
		printf("  idle: %u us of CPU in 1 s\n", (unsigned)(spent / 1000));
	}
	EXPECT(spent < SECOND / 10);
}

/* The connection may still be closing. */
static int read_well(struct node *node, struct fabric_peer *peer, const struct hello *there,
                     uint64_t *memory)
{
	uint64_t end = rm_now_ns() + PATIENCE;
	int error;

	do
		error = read_one(node, peer, memory, 4096, there->region.base, there->region.key,
		                 5 * SECOND);
	while (error && rm_now_ns() < end);
	return error;
}

/*
 * Nobody looked at the fabric until the deadline was over: that was not the peer's fault. And a
 * deadline that comes while pieces arrive gives nothing up.
 */
void try_late(struct node *node, struct fabric_peer *peer, const struct hello *there,
              uint64_t *memory)
{
	struct wait_read wait = {
		.read = { .peer = peer, .to = memory, .length = 4096,
		          .from = there->region.base, .key = there->region.key,
		          .deadline = rm_now_ns() + SECOND / 100, .done = read_done },
		.node = node,
	};
	unsigned i;

	memory[0] = 0;
	fabric_read(node->fabric, &wait.read);
	usleep(300000);
	while (!wait.done)
		EXPECT(run(node, 20 * SECOND));
	EXPECT(!wait.error && memory[0] == pattern(0));
	for (i = 0; i < MANY; i++) {
		many[i] = wait;
		many[i].done = false;
		many[i].read.length = MEMORY;
		many[i].read.deadline = rm_now_ns() + SECOND / 20;
		fabric_read(node->fabric, &many[i].read);
	}
	for (i = 0; i < MANY; i++) {
		while (!many[i].done)
			EXPECT(run(node, 20 * SECOND));
		EXPECT(!many[i].error);
	}
}

/* A wrong key and a place outside the region are errors; the right key works after. */
void try_wrong(struct node *node, struct fabric_peer *peer, const struct hello *there,
               uint64_t *memory)
{
	uint64_t start = rm_now_ns();
	int error;

	error = read_one(node, peer, memory, 4096, there->region.base,
	                 there->region.key ^ 0x5555, 3 * SECOND);
	printf("  wrong key: %s after %u ms\n", rm_errno_text(-error),
	       (unsigned)((rm_now_ns() - start) / 1000000));
	EXPECT(error < 0);
	start = rm_now_ns();
	error = read_well(node, peer, there, memory);
	printf("  right key after it: %s after %u ms\n", error ? rm_errno_text(-error) : "fine",
	       (unsigned)((rm_now_ns() - start) / 1000000));
	EXPECT(!error);
	start = rm_now_ns();
	error = read_one(node, peer, memory, 8192, there->region.base + MEMORY - 4096,
	                 there->region.key, 3 * SECOND);
	printf("  outside the region: %s after %u ms\n", rm_errno_text(-error),
	       (unsigned)((rm_now_ns() - start) / 1000000));
	EXPECT(error < 0);
	EXPECT(!read_well(node, peer, there, memory));
}

/*
 * A peer that does not move: the deadline holds, and what comes late is awaited. The memory of
 * a stopped process can still be read where a device does it.
 */
void try_stopped(struct node *node, struct fabric_peer *peer, const struct hello *there,
                 uint64_t *memory, pid_t pid)
{
	bool device = fabric_device(node->fabric) != NULL;
	uint64_t start, end;
	int error;

	kill(pid, SIGSTOP);
	start = rm_now_ns();
	error = read_one(node, peer, memory, MEMORY, there->region.base, there->region.key,
	                 SECOND / 2);
	EXPECT(error == -ETIMEDOUT || (device && !error));
	EXPECT(rm_now_ns() - start < PATIENCE || device);
	printf("  stopped peer: %s, %s\n", error ? "timed out" : "read by the device",
	       fabric_busy(node->fabric, memory, MEMORY) ? "reads may still arrive" : "nothing left");
	/* Its connection is closed in the end, and then nothing can arrive: no longer in the way. */
	end = rm_now_ns() + PATIENCE;
	while (strstr(there->addr.provider, "tcp;ofi_rxm") && rm_now_ns() < end &&
	       fabric_busy(node->fabric, memory, MEMORY))
		run(node, SECOND / 20);
	EXPECT(rm_now_ns() < end);
	kill(pid, SIGCONT);
	end = rm_now_ns() + PATIENCE;
	while (fabric_busy(node->fabric, memory, MEMORY) && rm_now_ns() < end)
		run(node, SECOND / 20);
	EXPECT(!fabric_busy(node->fabric, memory, MEMORY));
	EXPECT(!read_one(node, peer, memory, MEMORY, there->region.base, there->region.key,
	                 PATIENCE));
}

void try_killed(struct node *node, struct fabric_peer *peer, const struct hello *there,
                uint64_t *memory, pid_t pid)
{
	uint64_t start = rm_now_ns();
	unsigned i;
	int error;

	kill(pid, SIGKILL);
	for (i = 0; i < 3; i++) {
		error = read_one(node, peer, memory, MEMORY, there->region.base,
		                 there->region.key, SECOND);
		EXPECT(error < 0);
		printf("  killed peer: %s after %u ms\n", rm_errno_text(-error),
		       (unsigned)((rm_now_ns() - start) / 1000000));
	}
	EXPECT(rm_now_ns() - start < 3 * PATIENCE);
	EXPECT(!fabric_busy(node->fabric, memory, MEMORY));
}

void try_cancel(struct node *node, struct fabric_peer *peer, const struct hello *there,
                uint64_t *memory)
{
	struct wait_read wait = {
		.read = { .peer = peer, .to = memory, .length = MEMORY,
		          .from = there->region.base, .key = there->region.key,
		          .deadline = rm_now_ns() + PATIENCE, .done = read_done },
		.node = node,
	};
	uint64_t end = rm_now_ns() + PATIENCE;

	fabric_read(node->fabric, &wait.read);
	run(node, SECOND / 500);
	fabric_cancel(node->fabric, peer);
	EXPECT(wait.done);
	while (fabric_busy(node->fabric, memory, MEMORY) && rm_now_ns() < end)
		run(node, SECOND / 100);
	EXPECT(!fabric_busy(node->fabric, memory, MEMORY));
}

void try_other_kinds(struct node *node, const struct hello *there)
{
	struct rm_fabric_addr addr = there->addr;
	struct fabric_peer *peer;
	char why[256];

	strcpy(addr.provider, "carrier-pigeon");
	EXPECT(fabric_peer(node->fabric, &addr, &peer, why, sizeof(why)) == -EPROTO);
	EXPECT(strstr(why, "carrier-pigeon") && strstr(why, there->addr.provider));
	addr = there->addr;
	addr.length = 4;
	EXPECT(fabric_peer(node->fabric, &addr, &peer, why, sizeof(why)) == -EPROTO);
	addr = there->addr;
	addr.protocol_version++;
	EXPECT(fabric_peer(node->fabric, &addr, &peer, why, sizeof(why)) == -EPROTO);
}
