/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_peer.c - control between two hosts' rmmapd, two processes over loopback
 *
 * The client attaches, renews, loses and detaches. One try after the other: what a server has
 * counted by then is what the next one expects. The hosts are in peer_hosts.h, other tries in
 * peer_try_*.c.
 */
#include "peer_hosts.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../src/common/channel.h"
#include "../../../src/common/say.h"

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
	host->peers->times.lost = PATIENCE;      /* a new one takes a moment to come */
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
	host->peers->times.lost = 10000 * MS;
	last_server(fd);
	host->peers->times.answer = 1000 * MS;
	admit(host, session, 1);
	EXPECT(host->error == -EHOSTUNREACH && strstr(host->why, "does not answer"));
	EXPECT(!host->losses);
	EXPECT(run(host, PATIENCE) && host->losses == 1 && host->error == -EHOSTUNREACH);
	printf("  gone for good: %s\n", host->why);
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
	EXPECT(!peer_attach(host->peers, &handle, false, &events, host, &session, why,
	                    sizeof(why)));
	memcpy(head.id, handle.id, RM_ID_BYTES);
	head.session = session->session;
	head.number = session->expected;
	length = peer_seal(&head, NULL, NULL, 0, message);
	message[4] = PEER_VERSION + 6;
	peers_message(host->peers, message, length);
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

	EXPECT(!fabric_peer(host->fabric, addr, &peer, why, sizeof(why)));
	for (i = 0; i < 200; i++) {
		randombytes_buf(message, sizeof(message));
		memcpy(message, "RMP1", 4);
		message[4] = i % 7 ? PEER_VERSION : (uint8_t)i;
		message[5] = (uint8_t)(1 + i % PEER_TYPES);
		message[6] = message[7] = 0;
		message[40] = i % 3 ? 16 : 0;
		peers_message(host->peers, message, sizeof(message) - i);
		fabric_send(host->fabric, peer, message, sizeof(message) - i,
		            rm_now_ns() + 500 * MS);
		if (i % 10 == 0)
			run(host, 2 * MS);
	}
	run(host, 100 * MS);
	fabric_peer_put(host->fabric, peer);
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
	try_bounds(&host, addr);
	try_room(&host, addr);
	try_slow(&host, addr);
	try_data(&host, addr);
	try_rubbish(&host, addr);
	try_version(&host, addr);
	try_restart(&host, addr, fd);
	peers_free(host.peers);
	fabric_close(host.fabric);
	loop_free(host.context.loop);
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
