/* SPDX-License-Identifier: BSD-2-Clause */
/* test_options - every variable's good and bad values, and the parts of RMMAP_FABRIC */
#include "../unit.h"

#include <stdio.h>

#include "layout.h"
#include "number.h"
#include "options.h"
#include "terms.h"

static char *none[] = { NULL };

static struct rm_options defaults(void)
{
	struct rm_options o;

	memset(&o, 0xa5, sizeof(o));
	rm_options_read(&o, none, false, NULL, NULL);
	return o;
}

static void problem(void *arg, const char *name, const char *value, const char *wanted)
{
	ck_assert_ptr_nonnull(name);
	ck_assert_ptr_nonnull(value);
	ck_assert_uint_gt(strlen(wanted), 3);
	++*(int *)arg;
}

/* Read one assignment; how many problems there were. */
static int read_one(struct rm_options *o, const char *assignment)
{
	char *environment[] = { (char *)"PATH=/bin", (char *)assignment, NULL };
	int problems = 0;

	rm_options_read(o, environment, false, problem, &problems);
	return problems;
}

static void expect_defaults(const struct rm_options *o)
{
	ck_assert_int_eq(o->slot, -1);
	ck_assert_int_eq(o->rank, -1);
	ck_assert_int_eq(o->heap, RM_HEAP_AUTO);
	ck_assert_int_eq(o->huge, RM_HUGE_AUTO);
	ck_assert_int_eq(o->fetch, RM_FETCH_AUTO);
	ck_assert_int_eq(o->prefetch, RM_PREFETCH_POINTER);
	ck_assert_ptr_null(o->daemon);
	ck_assert_ptr_null(o->rundir);
	ck_assert_ptr_null(o->xdg_runtime_dir);
	ck_assert_ptr_null(o->fabric);
	ck_assert_ptr_null(o->log);
	ck_assert_ptr_null(o->malloc_conf);
	ck_assert_uint_eq(o->terms.ttl_ms, 3600000);
	ck_assert_uint_eq(o->limit, 0);
	ck_assert_uint_eq(o->fan_out, 4);
	ck_assert(!o->check && !o->scrub && !o->stats && !o->names);
}

/* What is said of one assignment. */
static const char *unknown(const char *assignment)
{
	static char text[80];
	char *environment[] = { (char *)"PATH=/bin", (char *)assignment, NULL };

	ck_assert_uint_eq(rm_options_unknown(environment, false, text, sizeof(text)), text[0] != 0);
	return text;
}

START_TEST(unknown_variables)
{
	char *two[] = { (char *)"RMMAP_FETHC=1", (char *)"RMMAP_=x", (char *)"RMMAP_TTL=5", NULL };
	char text[80], little[8];

	for (size_t i = 0; i < rm_option_count; i++) {
		char assignment[80];

		snprintf(assignment, sizeof(assignment), "%s=1", rm_option_table[i].name);
		ck_assert_str_eq(unknown(assignment), "");
	}
	ck_assert_str_eq(unknown("RMMAP_FETHC=lazy"), "RMMAP_FETHC (did you mean RMMAP_FETCH?)");
	ck_assert_str_eq(unknown("RMMAP_LIMITS"), "RMMAP_LIMITS (did you mean RMMAP_LIMIT?)");
	ck_assert_str_eq(unknown("RMMAP_SOMETHING=else"), "RMMAP_SOMETHING");
	ck_assert_str_eq(unknown("RMMAP_FETCH_AND_MUCH_MORE_OF_IT_THAN_FITS="),
	                 "RMMAP_FETCH_AND_MUCH_MORE_OF_IT_THAN_FITS");
	ck_assert_str_eq(unknown("RMMAPFETCH=1"), "");
	ck_assert_str_eq(unknown("RMMAP_\033[2J=1"), "");
	ck_assert_uint_eq(rm_options_unknown(two, false, text, sizeof(text)), 2);
	ck_assert_str_eq(text, "RMMAP_FETHC (did you mean RMMAP_FETCH?), RMMAP_");
	ck_assert_uint_eq(rm_options_unknown(two, false, little, sizeof(little)), 2);
	ck_assert_str_eq(little, "RMMAP_F");
	ck_assert_uint_eq(rm_options_unknown(two, true, text, sizeof(text)), 0);
	ck_assert_uint_eq(rm_options_unknown(NULL, false, text, sizeof(text)), 0);
}
END_TEST

START_TEST(defaults_without_environment)
{
	struct rm_options o = defaults();

	expect_defaults(&o);
	memset(&o, 0xa5, sizeof(o));
	rm_options_read(&o, NULL, false, NULL, NULL);
	expect_defaults(&o);
	ck_assert(!o.secure);
}
END_TEST

static char *everything[] = {
	(char *)"RMMAP_SLOT=7", (char *)"RMMAP_HEAP=shared", (char *)"RMMAP_DAEMON=/usr/libexec/rmmapd",
	(char *)"RMMAP_RUNDIR=/tmp/x", (char *)"RMMAP_FABRIC=tcp@lo:4711", (char *)"RMMAP_FETCH=lazy",
	(char *)"RMMAP_PREFETCH=sequential", (char *)"RMMAP_HUGE=on",
	(char *)"RMMAP_TTL=20", (char *)"RMMAP_LIMIT=3G", (char *)"RMMAP_LOG=/tmp/log",
	(char *)"RMMAP_CHECK=1", (char *)"RMMAP_SCRUB=1", (char *)"RMMAP_STATS=1",
	(char *)"RMMAP_NAMES=1",
	(char *)"RMMAP_MALLOC_CONF=narenas:1", (char *)"XDG_RUNTIME_DIR=/run/user/1",
	(char *)"SLURM_PROCID=3", NULL,
};

START_TEST(everything_set)
{
	struct rm_options o;
	int problems = 0;

	rm_options_read(&o, everything, false, problem, &problems);
	ck_assert_int_eq(problems, 0);
	ck_assert_int_eq(o.slot, 7);
	ck_assert_int_eq(o.rank, 3);
	ck_assert_int_eq(o.heap, RM_HEAP_SHARED);
	ck_assert_int_eq(o.huge, RM_HUGE_ON);
	ck_assert_int_eq(o.fetch, RM_FETCH_LAZY);
	ck_assert_int_eq(o.prefetch, RM_PREFETCH_SEQUENTIAL);
	ck_assert_str_eq(o.daemon, "/usr/libexec/rmmapd");
	ck_assert_str_eq(o.rundir, "/tmp/x");
	ck_assert_str_eq(o.xdg_runtime_dir, "/run/user/1");
	ck_assert_str_eq(o.fabric, "tcp@lo:4711");
	ck_assert_str_eq(o.log, "/tmp/log");
	ck_assert_str_eq(o.malloc_conf, "narenas:1");
	ck_assert_uint_eq(o.terms.ttl_ms, 20000);
	ck_assert_uint_eq(o.limit, (uint64_t)3 << 30);
	ck_assert(o.check && o.scrub && o.stats && o.names);
}
END_TEST

START_TEST(secure_reads_nothing)
{
	struct rm_options o;
	int problems = 0;

	rm_options_read(&o, everything, true, problem, &problems);
	expect_defaults(&o);
	ck_assert(o.secure);
	ck_assert_int_eq(problems, 0);
}
END_TEST

START_TEST(values_that_cannot_be_used)
{
	static const char *const table[] = {
		"RMMAP_SLOT=-1", "RMMAP_SLOT=1024", "RMMAP_SLOT=x", "RMMAP_SLOT=1x", "RMMAP_SLOT= 1",
		"RMMAP_SLOT=99999999999999999999999", "RMMAP_SLOT=0x10",
		"RMMAP_HEAP=SHARED", "RMMAP_HEAP=share", "RMMAP_HEAP=anon ",
		"RMMAP_DAEMON=rmmapd", "RMMAP_DAEMON=./rmmapd", "RMMAP_DAEMON=on",
		"RMMAP_FETCH=now", "RMMAP_FETCH=lazy,eager",
		"RMMAP_PREFETCH=on", "RMMAP_PREFETCH=pointers", "RMMAP_PREFETCH=0",
		"RMMAP_TTL=0", "RMMAP_TTL=-1", "RMMAP_TTL=1.5", "RMMAP_TTL=4294967", "RMMAP_TTL=NONE",
		"RMMAP_TTL=10s", "RMMAP_TTL=18446744073709551616",
		"RMMAP_LIMIT=x", "RMMAP_LIMIT=1X", "RMMAP_LIMIT=1KK", "RMMAP_LIMIT=-1",
		"RMMAP_LIMIT=16777216T", "RMMAP_LIMIT=M", "RMMAP_FAN_OUT=65", "RMMAP_FAN_OUT=-1",
		"RMMAP_LOG=log", "RMMAP_CHECK=yes", "RMMAP_SCRUB=2", "RMMAP_STATS=01", "RMMAP_NAMES=no",
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		struct rm_options o;

		ck_assert_msg(read_one(&o, table[i]) == 1, "%s was taken", table[i]);
		expect_defaults(&o);
		rm_options_read(&o, (char *[]) { (char *)table[i], NULL }, false, NULL, NULL);
		expect_defaults(&o);
	}
}
END_TEST

START_TEST(values_at_the_edge)
{
	struct rm_options o;

	ck_assert_int_eq(read_one(&o, "RMMAP_SLOT=0"), 0);
	ck_assert_int_eq(o.slot, 0);
	if (RM_WINDOW_SLOTS == RM_SLOTS_MAX) {
		ck_assert_int_eq(read_one(&o, "RMMAP_SLOT=1023"), 0);
		ck_assert_int_eq(o.slot, 1023);
	}
	ck_assert_int_eq(read_one(&o, "RMMAP_TTL=4294966"), 0);
	ck_assert_uint_eq(o.terms.ttl_ms, 4294966000u);
	ck_assert_int_eq(read_one(&o, "RMMAP_TTL=none"), 0);
	ck_assert_uint_eq(o.terms.ttl_ms, UINT32_MAX);
	ck_assert_int_eq(read_one(&o, "RMMAP_STATS=0"), 0);
	ck_assert(!o.stats);
}
END_TEST

START_TEST(names_must_match)
{
	static const char *const table[] = {
		"RMMAP_SLOT", "RMMAP_SLOT=", "RMMAP_SLOTS=1", "XRMMAP_SLOT=1", "rmmap_slot=1", "=", "",
		"RMMAP_SLO=1", "RMMAP_RUNDIR=",
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		struct rm_options o;

		ck_assert_int_eq(read_one(&o, table[i]), 0);
		expect_defaults(&o);
	}
}
END_TEST

START_TEST(first_assignment_counts)
{
	char *environment[] = { (char *)"RMMAP_SLOT=1", (char *)"RMMAP_SLOT=2", NULL };
	struct rm_options o;

	rm_options_read(&o, environment, false, NULL, NULL);
	ck_assert_int_eq(o.slot, 1);
}
END_TEST

START_TEST(ranks)
{
	char *environment[] = { (char *)"SLURM_PROCID=1", (char *)"PMIX_RANK=2",
		(char *)"OMPI_COMM_WORLD_RANK=3", NULL };
	struct rm_options o;

	rm_options_read(&o, environment, false, NULL, NULL);
	ck_assert_int_eq(o.rank, 3);
	environment[2] = (char *)"OMPI_COMM_WORLD_RANK=-3";     /* not ours to complain about */
	rm_options_read(&o, environment, false, NULL, NULL);
	ck_assert_int_eq(o.rank, 2);
	ck_assert_int_eq(read_one(&o, "PMIX_RANK=2147483648"), 0);
	ck_assert_int_eq(o.rank, -1);
}
END_TEST

START_TEST(table_is_complete)
{
	ck_assert_uint_ge(rm_option_count, 13);
	for (size_t i = 0; i < rm_option_count; i++) {
		ck_assert_int_eq(strncmp(rm_option_table[i].name, "RMMAP_", 6), 0);
		ck_assert_uint_gt(strlen(rm_option_table[i].value), 0);
		ck_assert_uint_gt(strlen(rm_option_table[i].help), 0);
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(rm_option_table[i].name, rm_option_table[j].name);
	}
}
END_TEST

START_TEST(fabric_specs)
{
	static const struct {
		const char *text;
		const char *provider, *address;
		int port;
	} table[] = {
		{ "tcp", "tcp", "", 0 },
		{ "tcp;ofi_rxm", "tcp;ofi_rxm", "", 0 },
		{ "tcp@10.0.0.1", "tcp", "10.0.0.1", 0 },
		{ "tcp@eth0", "tcp", "eth0", 0 },
		{ "verbs@ib0.8001:1", "verbs", "ib0.8001", 1 },
		{ "tcp:4711", "tcp", "", 4711 },
		{ "tcp:0", "tcp", "", 0 },
		{ "tcp@10.0.0.1:65535", "tcp", "10.0.0.1", 65535 },
		{ "tcp@[::1]", "tcp", "::1", 0 },
		{ "tcp@[fe80::1%eth0]:4711", "tcp", "fe80::1%eth0", 4711 },
		{ "0123456789012345678901234567890", "0123456789012345678901234567890", "", 0 },
		{ "tcp@012345678901234567890123456789012345678901234567890123456789012", "tcp",
		  "012345678901234567890123456789012345678901234567890123456789012", 0 },
		{ "", "", "", 0 }, { NULL, "", "", 0 },
	};
	struct rm_fabric_spec spec;

	for (size_t i = 0; i < COUNT(table); i++) {
		memset(&spec, 0xa5, sizeof(spec));
		ck_assert_int_eq(rm_fabric_spec_parse(table[i].text, &spec), 0);
		ck_assert(!spec.off);
		ck_assert_str_eq(spec.provider, table[i].provider);
		ck_assert_str_eq(spec.address, table[i].address);
		ck_assert_int_eq(spec.port, table[i].port);
	}
	ck_assert_int_eq(rm_fabric_spec_parse("off", &spec), 0);
	ck_assert(spec.off);
}
END_TEST

START_TEST(fabric_specs_refused)
{
	static const char *const table[] = {
		"@", ":", "@lo", ":1", "tcp@", "tcp:", "tcp@:1", "tcp@lo:", "tcp@lo:x", "tcp@lo:65536",
		"tcp@lo:-1", "tcp@lo:1:2", "tcp@::1", "tcp@[::1", "tcp@[]", "tcp@[]:1", "tcp@[::1]x",
		"tcp@[::1]]:1", "tcp@::1]", "tcp@[[::1]]", "tcp@lo@lo", "tcp lo", " tcp", "tcp ",
		"tcp@a b", "tcp@lo/24", "off@lo", "off:1", "tcp\n", "tcp@lo:1 ", "t\xc3\xa9",
		"01234567890123456789012345678901",
		"tcp@0123456789012345678901234567890123456789012345678901234567890123",
		"tcp:99999999999999999999",
	};
	struct rm_fabric_spec spec;

	for (size_t i = 0; i < COUNT(table); i++) {
		ck_assert_msg(rm_fabric_spec_parse(table[i], &spec) == -EINVAL, "%s was taken", table[i]);
		ck_assert_str_eq(spec.provider, "");
		ck_assert(!spec.off);
	}
}
END_TEST

START_TEST(byte_counts)
{
	static const struct {
		const char *text;
		int error;
		uint64_t want;
	} table[] = {
		{ "0", 0, 0 }, { "1", 0, 1 }, { "1k", 0, 1024 }, { "64M", 0, 64 << 20 },
		{ "2g", 0, (uint64_t)2 << 30 }, { "16777215T", 0, (uint64_t)16777215 << 40 },
		{ "18446744073709551615", 0, UINT64_MAX }, { "000K", 0, 0 },
		{ "18446744073709551616", -ERANGE, 0 }, { "16777216T", -ERANGE, 0 },
		{ "18014398509481984K", -ERANGE, 0 }, { "99999999999999999999999K", -ERANGE, 0 },
		{ "", -EINVAL, 0 }, { "K", -EINVAL, 0 }, { "1P", -EINVAL, 0 }, { "1MB", -EINVAL, 0 },
		{ "1 M", -EINVAL, 0 }, { " 1", -EINVAL, 0 }, { "+1", -EINVAL, 0 }, { "-1", -EINVAL, 0 },
		{ "1.5G", -EINVAL, 0 }, { "0x10", -EINVAL, 0 }, { NULL, -EINVAL, 0 },
		{ "99999999999999999999999P", -EINVAL, 0 },
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		uint64_t got = 0;

		ck_assert_int_eq(rm_parse_bytes(table[i].text, &got), table[i].error);
		ck_assert_uint_eq(got, table[i].want);
	}
}
END_TEST

START_TEST(numbers)
{
	uint64_t got = 99;

	ck_assert_int_eq(rm_parse_number("5", 5, 5, &got), 0);
	ck_assert_uint_eq(got, 5);
	ck_assert_int_eq(rm_parse_number("4", 5, 6, &got), -ERANGE);
	ck_assert_int_eq(rm_parse_number("7", 5, 6, &got), -ERANGE);
	ck_assert_int_eq(rm_parse_number("18446744073709551615", 0, UINT64_MAX, &got), 0);
	ck_assert_uint_eq(got, UINT64_MAX);
	ck_assert_int_eq(rm_parse_number("18446744073709551616", 0, UINT64_MAX, &got), -ERANGE);
	ck_assert_int_eq(rm_parse_number("18446744073709551616x", 0, UINT64_MAX, &got), -EINVAL);
	ck_assert_int_eq(rm_parse_number("", 0, 9, &got), -EINVAL);
	ck_assert_int_eq(rm_parse_number("1K", 0, 9, &got), -EINVAL);
	ck_assert_int_eq(rm_parse_number(NULL, 0, 9, &got), -EINVAL);
	ck_assert_uint_eq(got, UINT64_MAX);
}
END_TEST

START_TEST(terms)
{
	const struct rm_terms defaults = { .ttl_ms = 5000 };
	struct rm_terms got = rm_terms_or((struct rm_terms) { 0 }, defaults);
	uint32_t ttl_ms = 7;

	ck_assert(got.readers == 0 && got.ttl_ms == 5000);
	got = rm_terms_or((struct rm_terms) { .readers = 2, .ttl_ms = RM_TTL_NONE }, defaults);
	ck_assert(got.readers == 2 && got.ttl_ms == RM_TTL_NONE);
	ck_assert(!rm_terms_used_up(got, 1));
	ck_assert(rm_terms_used_up(got, 2));
	ck_assert(rm_terms_used_up(got, 3));
	ck_assert(!rm_terms_used_up(defaults, UINT32_MAX));
	ck_assert_int_eq(rm_terms_parse_ttl(NULL, &ttl_ms), -EINVAL);
	ck_assert_int_eq(rm_terms_parse_ttl("0", &ttl_ms), -ERANGE);
	ck_assert_int_eq(rm_terms_parse_ttl("4294967", &ttl_ms), -ERANGE);
	ck_assert_uint_eq(ttl_ms, 7);
	ck_assert_int_eq(rm_terms_parse_ttl("none", &ttl_ms), 0);
	ck_assert_uint_eq(ttl_ms, RM_TTL_NONE);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = {
		{ defaults_without_environment, 0 }, { everything_set, 0 }, { secure_reads_nothing, 0 },
		{ values_that_cannot_be_used, 0 }, { values_at_the_edge, 0 }, { names_must_match, 0 },
		{ first_assignment_counts, 0 }, { ranks, 0 }, { table_is_complete, 0 },
		{ fabric_specs, 0 }, { fabric_specs_refused, 0 }, { byte_counts, 0 }, { numbers, 0 },
		{ unknown_variables, 0 }, { terms, 0 },
	};

	return unit_run("options", tests, COUNT(tests));
}
