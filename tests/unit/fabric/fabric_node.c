/* SPDX-License-Identifier: BSD-2-Clause */
/* fabric_node.c - see fabric_node.h */
#include "fabric_node.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "../../../src/common/channel.h"
#include "../../../src/common/say.h"
#include "../../../src/daemon/base/container.h"

const char *address(void)
{
	const char *given = getenv("RMMAP_TEST_ADDRESS");

	return given && *given ? given : "127.0.0.1";
}

uint64_t pattern(uint64_t word)
{
	return (word + 1) * 0x9e3779b97f4a7c15u;
}

static void stop_now(struct timer *timer)
{
	struct node *node = container_of(timer, struct node, stop);

	node->timed_out = true;
	loop_stop(node->loop);
}

bool run(struct node *node, uint64_t ns)
{
	node->timed_out = false;
	node->stop.fire = stop_now;
	loop_timer(node->loop, &node->stop, rm_now_ns() + ns);
	loop_run(node->loop);
	loop_timer_cancel(node->loop, &node->stop);
	return !node->timed_out;
}

void got_message(void *arg, const void *data, size_t length)
{
	struct node *node = arg;

	memcpy(node->message, data, length);
	node->length = length;
	node->messages++;
	loop_stop(node->loop);
}

/* The server answers to the address that the message begins with. */
static void echo(void *arg, const void *data, size_t length)
{
	struct node *node = arg;
	struct rm_fabric_addr from;
	struct fabric_peer *peer;
	char why[256];

	EXPECT(length >= sizeof(from));
	memcpy(&from, data, sizeof(from));
	EXPECT(!fabric_peer(node->fabric, &from, &peer, why, sizeof(why)));
	EXPECT(!fabric_send(node->fabric, peer, data, length, rm_now_ns() + PATIENCE));
	fabric_peer_put(node->fabric, peer);
}

int open_node(struct node *node, const char *provider, const struct rm_fabric_addr *again,
              void (*message)(void *, const void *, size_t), char *why, size_t why_size)
{
	struct rm_fabric_spec spec;
	struct fabric_events events = { .arg = node, .message = message };

	memset(node, 0, sizeof(*node));
	memset(&spec, 0, sizeof(spec));
	rm_format(spec.provider, sizeof(spec.provider), "%s", provider);
	rm_format(spec.address, sizeof(spec.address), "%s", address());
	node->loop = loop_new();
	EXPECT(node->loop);
	return fabric_open(&node->fabric, node->loop, &spec, again, &events, why, why_size);
}

static void server(const char *provider, const struct rm_fabric_addr *again, int fd)
{
	struct hello hello = { .error = 0 };
	struct node node;
	uint64_t *memory;
	size_t i;

	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	EXPECT(memory != MAP_FAILED);
	for (i = 0; i < MEMORY / 8; i++)
		memory[i] = pattern(i);
	hello.error = open_node(&node, provider, again, echo, hello.why, sizeof(hello.why));
	if (!hello.error) {
		hello.addr = *fabric_addr(node.fabric);
		EXPECT(!fabric_register(node.fabric, memory, MEMORY, &hello.region));
	}
	EXPECT(write(fd, &hello, sizeof(hello)) == sizeof(hello));
	if (!hello.error)
		loop_run(node.loop);    /* until killed */
	_exit(0);
}

pid_t start_server(const char *provider, const struct rm_fabric_addr *again,
                   struct hello *there)
{
	int fds[2];
	pid_t pid;

	EXPECT(!socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	pid = fork();
	EXPECT(pid >= 0);
	if (!pid)
		server(provider, again, fds[0]);
	close(fds[0]);
	EXPECT(read(fds[1], there, sizeof(*there)) == sizeof(*there));
	close(fds[1]);
	return pid;
}

void read_done(struct fabric_read *read, int error)
{
	struct wait_read *wait = container_of(read, struct wait_read, read);

	EXPECT(!wait->done);
	wait->done = true;
	wait->error = error;
	loop_stop(wait->node->loop);
}

int read_one(struct node *node, struct fabric_peer *peer, void *to,
             size_t length, uint64_t from, uint64_t key, uint64_t patience)
{
	struct wait_read wait = {
		.read = { .peer = peer, .to = to, .length = length, .from = from,
		          .key = key, .deadline = rm_now_ns() + patience, .done = read_done },
		.node = node,
	};

	fabric_read(node->fabric, &wait.read);
	EXPECT(!wait.done);
	while (!wait.done)
		EXPECT(run(node, patience + PATIENCE));
	return wait.error;
}
