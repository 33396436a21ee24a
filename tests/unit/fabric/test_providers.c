/* SPDX-License-Identifier: BSD-2-Clause */
/* test_providers - the table of providers: order, layers, devices */
#include "../unit.h"

#include "../../../src/daemon/fabric/providers.h"

/* Each row is found by its own full name, and no other row has that name. */
START_TEST(rows)
{
	char name[RM_PROVIDER_MAX];

	for (unsigned i = 0; i < provider_count; i++) {
		provider_full_name(&providers[i], name);
		ck_assert_uint_eq(provider_rank(name), i);
		ck_assert(provider_layered(name) == providers[i].layered);
		ck_assert(provider_has_device(name) == providers[i].device);
		ck_assert(provider_uses_tcp(name) == providers[i].tcp);
	}
}
END_TEST

START_TEST(order)
{
	ck_assert_uint_eq(provider_rank("verbs;ofi_rxm"), 0);
	ck_assert_uint_lt(provider_rank("tcp;ofi_rxm"), provider_rank("tcp"));
	ck_assert_uint_lt(provider_rank("tcp"), provider_rank("sockets"));
	/* without its layer verbs has no datagrams; other layers are not chosen */
	ck_assert_uint_eq(provider_rank("verbs"), provider_count);
	ck_assert_uint_eq(provider_rank("udp;ofi_rxd"), provider_count);
	ck_assert_uint_eq(provider_rank("tcp;ofi_rxm;ofi_mrail"), provider_count);
	ck_assert_uint_eq(provider_rank("shm"), provider_count);
	ck_assert_uint_eq(provider_rank("tcpx"), provider_count);
	ck_assert_uint_eq(provider_rank(""), provider_count);
}
END_TEST

START_TEST(names)
{
	ck_assert_int_eq(provider_match("tcp", "tcp"), PROVIDER_SAME);
	ck_assert_int_eq(provider_match("tcp;ofi_rxm", "tcp;ofi_rxm"), PROVIDER_SAME);
	ck_assert_int_eq(provider_match("tcp", "tcp;ofi_rxm"), PROVIDER_LAYERED);
	ck_assert_int_eq(provider_match("tcp;ofi_rxm", "tcp"), PROVIDER_OTHER);
	ck_assert_int_eq(provider_match("tcp", "tcp;ofi_rxm;ofi_mrail"), PROVIDER_OTHER);
	ck_assert_int_eq(provider_match("tc", "tcp"), PROVIDER_OTHER);
	ck_assert(provider_fits("tcp", "tcp;ofi_rxm") && provider_fits("tcp", "tcp"));
	ck_assert(!provider_fits("tc", "tcp") && !provider_fits("", "tcp"));
	ck_assert(!provider_fits("tcp;ofi_rxm", "tcp"));
}
END_TEST

/* What depends on the provider holds with any layer, or none. */
START_TEST(facts)
{
	ck_assert(provider_has_device("verbs") && provider_has_device("verbs;ofi_rxd"));
	ck_assert(!provider_has_device("verbsx") && !provider_has_device("tcp;ofi_rxm"));
	ck_assert(provider_uses_tcp("net;ofi_rxm") && !provider_uses_tcp("verbs;ofi_rxm"));
	ck_assert(provider_layered("net;ofi_rxm") && !provider_layered("net"));
	ck_assert(!provider_layered("tcp;ofi_rxm;ofi_mrail"));
	ck_assert_uint_eq(provider_base_length("tcp;ofi_rxm"), 3);
	ck_assert_uint_eq(provider_base_length("sockets"), 7);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = { { rows, 0 }, { order, 0 }, { names, 0 }, { facts, 0 } };

	return unit_run("providers", tests, COUNT(tests));
}
