/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_fabric.c - two endpoints in two processes over loopback: messages, reads, failures
 *
 * For each provider a server and a client are forked, since no fi_ call may come before a
 * fork. The server registers memory, echoes messages and can be stopped or killed.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "../../../src/common/say.h"
#include "fabric_node.h"

#include <rdma/fabric.h>
#include <rdma/fi_domain.h>

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
