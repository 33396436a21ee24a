/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_nets.c - which fabric a publication names and a handle is reached by, of several
 *
 * sockets, where libfabric has it, plays the RDMA device whose port goes down and up; its
 * address is a loopback one, so that this needs no network.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "../unit.h"
#include "../../../src/daemon/peer/internal.h"
#include "../../../src/daemon/base/loop.h"
#include "../../../src/daemon/keeper/keep.h"

#define DEVICE "sockets@127.0.0.1"

static struct {
	struct context context;
	struct nets *nets;
} it;

static void setup(void)
{
	int pair[2];

	memset(&it, 0, sizeof(it));
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	it.context.loop = loop_new();
	it.context.keeper = keeper_new(pair[0], 0);
	ck_assert(it.context.loop && it.context.keeper);
	it.nets = nets_new(&it.context, NULL, NULL);
	ck_assert_ptr_nonnull(it.nets);
}

static void done(void)
{
	nets_free(it.nets);
	loop_free(it.context.loop);
	free(it.context.keeper);
}

static const char *provider(const struct peers *peers)
{
	return fabric_addr(peers_fabric(peers))->provider;
}

/* What a publication of a client with this RMMAP_FABRIC names. */
static const char *published(const char *spec)
{
	struct peers *peers = NULL;

	return nets_publish(it.nets, spec, &peers) ? NULL : provider(peers);
}

static const char *reached(const char *spec, const char *of)
{
	struct rm_fabric_addr addr = { .protocol = 1 };
	struct peers *peers = NULL;

	snprintf(addr.provider, sizeof(addr.provider), "%s", of);
	return nets_reach(it.nets, spec, &addr, &peers) ? NULL : provider(peers);
}

/* False where this libfabric has no sockets. */
static bool open_device(void)
{
	struct rm_fabric_spec spec = { .provider = "sockets", .address = "127.0.0.1" };
	struct fabric_events none = { .message = NULL };
	struct loop *loop = loop_new();
	struct fabric *fabric;
	char why[256];
	int ret = fabric_open(&fabric, loop, &spec, NULL, &none, why, sizeof(why));

	if (ret) {
		printf("left out: %s\n", why);
		return false;
	}
	fabric_close(fabric);
	loop_free(loop);
	return true;
}

START_TEST(named_and_not)
{
	setup();
	ck_assert_str_eq(published("tcp@127.0.0.1"), "tcp;ofi_rxm");
	ck_assert_str_eq(published(""), "tcp;ofi_rxm");
	ck_assert_str_eq(published("tcp"), "tcp;ofi_rxm");
	ck_assert_ptr_null(published("sockets"));
	ck_assert(strstr(nets_why(it.nets), "tcp;ofi_rxm"));
	ck_assert_ptr_null(published("off"));
	ck_assert_uint_eq(it.nets->count, 1);
	done();
}
END_TEST

/* A handle of another provider: beside what is open, unless somebody said which to use. */
START_TEST(of_a_handle)
{
	setup();
	if (!open_device())
		return;
	ck_assert_str_eq(published("tcp@127.0.0.1"), "tcp;ofi_rxm");
	ck_assert_str_eq(reached("", "tcp;ofi_rxm"), "tcp;ofi_rxm");
	ck_assert_str_eq(reached("tcp", "sockets"), "tcp;ofi_rxm");
	ck_assert_uint_eq(it.nets->count, 1);
	ck_assert_str_eq(reached("", "sockets"), "sockets");
	ck_assert_str_eq(reached("", "sockets"), "sockets");
	ck_assert_uint_eq(it.nets->count, 2);
	ck_assert_str_eq(published(""), "tcp;ofi_rxm");
	/* one that this libfabric does not have: what is open refuses it */
	ck_assert_str_eq(reached("", "pigeon"), "tcp;ofi_rxm");
	ck_assert_uint_eq(it.nets->count, 2);
	done();
	/* nothing is open */
	setup();
	ck_assert_ptr_null(reached("", "pigeon"));
	ck_assert_str_eq(reached("", "sockets"), "sockets");
	/* not what was chosen for publications, but good enough without an RDMA device */
	ck_assert_str_eq(published(""), "sockets");
	done();
}
END_TEST

START_TEST(port_down_and_up)
{
	const char *first;

	setup();
	if (!open_device())
		return;
	first = published(DEVICE);
	ck_assert_str_eq(first, "sockets");
	/* chosen by name: that stays */
	net_changed(&it.nets->open[0], false);
	ck_assert_str_eq(published(""), "sockets");
	net_changed(&it.nets->open[0], true);
	/* chosen by itself: tcp while it is down, for handles it still is there */
	it.nets->open[0].spec[0] = 0;
	net_changed(&it.nets->open[0], false);
	ck_assert_str_eq(published(""), "tcp;ofi_rxm");
	ck_assert_str_eq(provider(it.nets->current), "tcp;ofi_rxm");
	ck_assert_str_eq(reached("", "sockets"), "sockets");
	net_changed(&it.nets->open[0], true);
	ck_assert_str_eq(published(""), "sockets");
	net_changed(&it.nets->open[0], false);
	ck_assert_str_eq(published(""), "tcp;ofi_rxm");
	ck_assert_uint_eq(it.nets->count, 2);
	done();
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ named_and_not, 0 }, { of_a_handle, 0 }, { port_down_and_up, 0 },
	};

	return unit_run("nets", tests, COUNT(tests));
}
