/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_fabric.c - two endpoints in two processes over loopback: messages, reads, failures
 *
 * For each provider a server and a client are forked, since no fi_ call may come before a
 * fork. The server registers memory, echoes messages and can be stopped or killed.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../src/common/channel.h"
#include "../../../src/common/say.h"
#include "../../../src/daemon/fabric/fabric.h"
#include "../../../src/daemon/base/container.h"

#include <rdma/fabric.h>
#include <rdma/fi_domain.h>

#define MEMORY ((size_t)16 << 20)
#define SECOND 1000000000ull
#define PATIENCE (60 * SECOND)          /* of a busy machine */
#define EXPECT(what) do { \
	if (!(what)) { \
		fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #what); \
		_exit(1); \
	} } while (0)

struct hello {                  /* what the server tells by the socket pair */
	int error;
	char why[256];
	struct rm_fabric_addr addr;
	struct fabric_region region;
};

struct node {                   /* an endpoint and its loop */
	struct loop *loop;
	struct fabric *fabric;
	struct timer stop;
	bool timed_out;
	char message[FABRIC_MESSAGE_MAX];
	size_t length;
	unsigned messages;
};

struct wait_read {
	struct fabric_read read;
	struct node *node;
	int error;
	bool done;
};

#define MANY 32                 /* reads of all memory: no machine does that before the deadline */
static struct wait_read many[MANY];

/* Where the providers are tried: RDMA devices have no loopback address. */
static const char *address(void)
{
	const char *given = getenv("RMMAP_TEST_ADDRESS");

	return given && *given ? given : "127.0.0.1";
}

static uint64_t pattern(uint64_t word)
{
	return (word + 1) * 0x9e3779b97f4a7c15u;
}

static void stop_now(struct timer *timer)
{
	struct node *node = container_of(timer, struct node, stop);

	node->timed_out = true;
	loop_stop(node->loop);
}

/* Run until somebody stops the loop; false if that took longer than ns. */
static bool run(struct node *node, uint64_t ns)
{
	node->timed_out = false;
	node->stop.fire = stop_now;
	loop_timer(node->loop, &node->stop, rm_now_ns() + ns);
	loop_run(node->loop);
	loop_timer_cancel(node->loop, &node->stop);
	return !node->timed_out;
}

static void got_message(void *arg, const void *data, size_t length)
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

static int open_node(struct node *node, const char *provider, const struct rm_fabric_addr *again,
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

static void read_done(struct fabric_read *read, int error)
{
	struct wait_read *wait = container_of(read, struct wait_read, read);

	EXPECT(!wait->done);
	wait->done = true;
	wait->error = error;
	loop_stop(wait->node->loop);
}

/* One read; its result, and how long it took. */
static int read_one(struct node *node, struct fabric_peer *peer, void *to,
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

static uint64_t cpu_ns(void)
{
	struct rusage use;

	getrusage(RUSAGE_SELF, &use);
	return (uint64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * SECOND +
	       (uint64_t)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) * 1000;
}

static void try_messages(struct node *node, struct fabric_peer *peer)
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

static void try_reads(struct node *node, struct fabric_peer *peer, const struct hello *there,
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
static void try_idle(struct node *node)
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
static void try_late(struct node *node, struct fabric_peer *peer, const struct hello *there,
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
static void try_wrong(struct node *node, struct fabric_peer *peer, const struct hello *there,
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
static void try_stopped(struct node *node, struct fabric_peer *peer, const struct hello *there,
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

static void try_killed(struct node *node, struct fabric_peer *peer, const struct hello *there,
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

static void try_cancel(struct node *node, struct fabric_peer *peer, const struct hello *there,
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

static void try_other_kinds(struct node *node, const struct hello *there)
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

static pid_t start_server(const char *provider, const struct rm_fabric_addr *again,
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

/* Runs in a child of its own; starts further servers by asking its parent through fd. */
static void client(const char *provider, const struct hello *there, int fd, pid_t pid)
{
	struct fabric_peer *peer;
	struct hello second;
	struct node node;
	uint64_t *memory;
	char why[256], text[80];

	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	EXPECT(memory != MAP_FAILED);
	EXPECT(!open_node(&node, provider, NULL, got_message, why, sizeof(why)));
	fabric_addr_text(&there->addr, text, sizeof(text));
	EXPECT(!strncmp(text, address(), strlen(address())));
	EXPECT(!fabric_peer(node.fabric, &there->addr, &peer, why, sizeof(why)));
	try_messages(&node, peer);
	try_reads(&node, peer, there, memory);
	try_late(&node, peer, there, memory);
	try_idle(&node);
	try_cancel(&node, peer, there, memory);
	try_reads(&node, peer, there, memory);
	try_wrong(&node, peer, there, memory);
	try_stopped(&node, peer, there, memory, pid);
	try_killed(&node, peer, there, memory, pid);
	/* A new server at the same address: the same peer reaches it. */
	EXPECT(write(fd, "", 1) == 1);
	EXPECT(read(fd, &second, sizeof(second)) == sizeof(second));
	EXPECT(!memcmp(&second.addr, &there->addr, sizeof(second.addr)));
	memset(memory, 0, MEMORY);
	try_messages(&node, peer);
	try_reads(&node, peer, &second, memory);
	try_other_kinds(&node, there);
	fabric_peer_put(node.fabric, peer);
	fabric_forget(node.fabric, memory, MEMORY);
	fabric_close(node.fabric);
	loop_free(node.loop);
	_exit(0);
}

/* 0 passed, 1 failed, 77 not in this libfabric. */
static int try_provider(const char *provider)
{
	struct hello there, second;
	pid_t pid, other = 0, tester;
	int fds[2], status = 0;
	char byte;

	printf("%s:\n", provider);
	fflush(stdout);
	pid = start_server(provider, NULL, &there);
	if (there.error) {
		printf("  %s: %s\n", there.error == -EINVAL ? "skipped" : "failed", there.why);
		waitpid(pid, NULL, 0);
		return there.error == -EINVAL ? 77 : 1;
	}
	EXPECT(!socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	tester = fork();
	EXPECT(tester >= 0);
	if (!tester) {
		close(fds[1]);
		alarm(1000);
		client(provider, &there, fds[0], pid);
	}
	close(fds[0]);
	if (read(fds[1], &byte, 1) == 1) {
		waitpid(pid, NULL, 0);
		other = start_server(provider, &there.addr, &second);
		if (second.error || second.why[0])
			printf("  the same address again: %s\n", second.why);
		EXPECT(write(fds[1], &second, sizeof(second)) == sizeof(second));
	}
	waitpid(tester, &status, 0);
	kill(other ? other : pid, SIGKILL);
	waitpid(other ? other : pid, NULL, 0);
	close(fds[1]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* A provider of FI_MR_RAW: several rails in one. */
static bool has_mrail(void)
{
	struct fi_info *hints = fi_allocinfo(), *list;
	int error;

	EXPECT(hints && (hints->fabric_attr->prov_name = strdup("tcp;ofi_rxm;ofi_mrail")));
	hints->domain_attr->mr_mode = FI_MR_RAW;
	error = fi_getinfo(FI_VERSION(1, 17), NULL, NULL, 0, hints, &list);
	fi_freeinfo(hints);
	if (error)
		return false;
	fi_freeinfo(list);
	return true;
}

/* In a child: unknown names are told with what there is. */
static int try_names(void)
{
	struct rm_fabric_spec spec = { .provider = "pigeon" };
	struct fabric_events events = { .message = got_message };
	struct fabric *fabric;
	char why[256];
	pid_t pid = fork();
	int status;

	if (pid) {
		waitpid(pid, &status, 0);
		return status ? 1 : 0;
	}
	setenv("FI_OFI_MRAIL_ADDR", "127.0.0.1,127.0.0.1", 1);
	setenv("FI_MR_CACHE_MONITOR", "memhooks", 1);
	setenv("FI_MR_CACHE_MAX_COUNT", "1024", 1);
	setenv("FI_UNIVERSE_SIZE", "4096", 1);
	EXPECT(fabric_open(&fabric, loop_new(), &spec, NULL, &events, why, sizeof(why)) == -EINVAL);
	printf("%s\n", why);
	EXPECT(strstr(why, "unknown provider 'pigeon'; this libfabric has: ") && strstr(why, "tcp"));
	strcpy(spec.provider, "shm");
	EXPECT(fabric_open(&fabric, loop_new(), &spec, NULL, &events, why, sizeof(why)) < 0);
	printf("%s\n", why);
	/* keys of more than 8 bytes, where this libfabric has a provider with such */
	strcpy(spec.provider, "tcp;ofi_rxm;ofi_mrail");
	EXPECT(fabric_open(&fabric, loop_new(), &spec, NULL, &events, why, sizeof(why)) < 0);
	printf("%s\n", why);
	EXPECT(!has_mrail() || strstr(why, "FI_MR_RAW"));
	strcpy(spec.provider, "tcp");
	strcpy(spec.address, "nowhere0");
	EXPECT(fabric_open(&fabric, loop_new(), &spec, NULL, &events, why, sizeof(why)) ==
	       -EADDRNOTAVAIL);
	printf("%s\n", why);
	EXPECT(strstr(why, "nowhere0") && strstr(why, "lo 127.0.0.1"));
	strcpy(spec.address, "lo");
	EXPECT(!fabric_open(&fabric, loop_new(), &spec, NULL, &events, why, sizeof(why)) && !why[0]);
	fabric_addr_text(fabric_addr(fabric), why, sizeof(why));
	EXPECT(!strncmp(why, "127.0.0.1:", 10));
	/* What a user's MPI wants of libfabric is not for us. */
	EXPECT(!strcmp(getenv("FI_MR_CACHE_MONITOR"), "disabled"));
	EXPECT(!strcmp(getenv("FI_MR_CACHE_MAX_COUNT"), "0"));
	EXPECT(!strcmp(getenv("FI_UNIVERSE_SIZE"), "64"));
	fabric_close(fabric);
	fflush(stdout);
	_exit(0);
}

int main(int argc, char **argv)
{
	const char *given = getenv("RMMAP_TEST_PROVIDERS");
	char list[256], *provider, *rest = list;
	unsigned failed = 0;
	int ret;

	setvbuf(stdout, NULL, _IONBF, 0);
	signal(SIGPIPE, SIG_IGN);
	if (argc > 1)
		return try_provider(argv[1]);
	failed += try_names() != 0;
	/* shm is not among them: choose.c takes no provider that stays on one host. */
	rm_format(list, sizeof(list), "%s", given && *given ? given : "tcp net sockets");
	while ((provider = strtok_r(rest, " ", &rest))) {
		ret = try_provider(provider);
		/* tcp is what everybody gets, and what was asked for by name has to be there. */
		if (ret && (ret != 77 || given || !strcmp(provider, "tcp")))
			failed++;
		printf("%s: %s\n", provider, !ret ? "passed" : ret == 77 ? "skipped" : "failed");
	}
	return failed ? 1 : 0;
}
