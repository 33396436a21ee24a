/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options.c - every RMMAP_ environment variable, in one table
 *
 * Any thread, at any time. Nothing allocates or uses the state of libc, not even environ.
 */
#include "options.h"

#include <errno.h>
#include <string.h>

#include "layout.h"
#include "number.h"

#define FAN_OUT_DEFAULT 4
#define TTL_DEFAULT_MS 3600000u

/* ---- one function for each variable: false if its value cannot be used ---- */

static bool value_is(const char *value, const char *word)
{
	return strcmp(value, word) == 0;
}

static bool option_slot(struct rm_options *o, const char *value)
{
	uint64_t n;

	if (rm_parse_number(value, 0, RM_WINDOW_SLOTS - 1, &n) != 0)
		return false;
	o->slot = (int)n;
	return true;
}

static bool option_heap(struct rm_options *o, const char *value)
{
	if (value_is(value, "auto"))
		o->heap = RM_HEAP_AUTO;
	else if (value_is(value, "anon"))
		o->heap = RM_HEAP_ANON;
	else if (value_is(value, "shared"))
		o->heap = RM_HEAP_SHARED;
	else
		return false;
	return true;
}

static bool option_fetch(struct rm_options *o, const char *value)
{
	if (value_is(value, "auto"))
		o->fetch = RM_FETCH_AUTO;
	else if (value_is(value, "lazy"))
		o->fetch = RM_FETCH_LAZY;
	else if (value_is(value, "eager"))
		o->fetch = RM_FETCH_EAGER;
	else
		return false;
	return true;
}

static bool option_prefetch(struct rm_options *o, const char *value)
{
	if (value_is(value, "pointer"))
		o->prefetch = RM_PREFETCH_POINTER;
	else if (value_is(value, "sequential"))
		o->prefetch = RM_PREFETCH_SEQUENTIAL;
	else if (value_is(value, "off"))
		o->prefetch = RM_PREFETCH_OFF;
	else
		return false;
	return true;
}

static bool option_huge(struct rm_options *o, const char *value)
{
	if (value_is(value, "auto"))
		o->huge = RM_HUGE_AUTO;
	else if (value_is(value, "on"))
		o->huge = RM_HUGE_ON;
	else if (value_is(value, "off"))
		o->huge = RM_HUGE_OFF;
	else
		return false;
	return true;
}

static bool option_daemon(struct rm_options *o, const char *value)
{
	const char *program = value;

	if (strncmp(value, RM_DAEMON_PRIVATE ":", sizeof(RM_DAEMON_PRIVATE)) == 0)
		program += sizeof(RM_DAEMON_PRIVATE);
	if (!value_is(value, "shared") && !value_is(value, RM_DAEMON_PRIVATE) &&
	    !value_is(value, "off") && program[0] != '/')
		return false;
	o->daemon = value;
	return true;
}

/*
 * Any value is accepted here and checked by rm_rundir_find(): a wrong run directory is an error,
 * since using the default one instead would mislead.
 */
static bool option_rundir(struct rm_options *o, const char *value)
{
	o->rundir = value;
	return true;
}

/* Checked when a fabric is first needed, for the same reason: publish and attach then fail. */
static bool option_fabric(struct rm_options *o, const char *value)
{
	o->fabric = value;
	return true;
}

static bool option_fan_out(struct rm_options *o, const char *value)
{
	uint64_t n;

	if (rm_parse_number(value, 0, 64, &n) != 0)
		return false;
	o->fan_out = (unsigned)n;
	return true;
}

static bool option_log(struct rm_options *o, const char *value)
{
	if (value[0] != '/')            /* rmmapd changes its working directory */
		return false;
	o->log = value;
	return true;
}

static bool option_malloc_conf(struct rm_options *o, const char *value)
{
	o->malloc_conf = value;
	return true;
}

static bool option_ttl(struct rm_options *o, const char *value)
{
	return rm_terms_parse_ttl(value, &o->terms.ttl_ms) == 0;
}

static bool option_limit(struct rm_options *o, const char *value)
{
	return rm_parse_bytes(value, &o->limit) == 0;
}

static bool option_flag(bool *flag, const char *value)
{
	if (!value_is(value, "0") && !value_is(value, "1"))
		return false;
	*flag = value[0] == '1';
	return true;
}

static bool option_check(struct rm_options *o, const char *value)
{
	return option_flag(&o->check, value);
}

static bool option_scrub(struct rm_options *o, const char *value)
{
	return option_flag(&o->scrub, value);
}

static bool option_stats(struct rm_options *o, const char *value)
{
	return option_flag(&o->stats, value);
}

static bool option_names(struct rm_options *o, const char *value)
{
	return option_flag(&o->names, value);
}

/* ---- the table ---- */

/*
 * rmmap(7) has an entry for each variable, which tests/docs/man.sh compares with rmmapd --help.
 */
const struct rm_option rm_option_table[] = {
	{ "RMMAP_SLOT", "N", option_slot,
	  "a slot number, from 0 to 1023 unless rmmap was built with another window",
	  "the 64 GiB slot of addresses that this process's heap lies in" },
	{ "RMMAP_HEAP", "auto|anon|shared", option_heap,
	  "auto, anon or shared",
	  "what the heap's memory is; shared also says that the program will publish" },
	{ "RMMAP_HUGE", "auto|on|off", option_huge,
	  "auto, on or off",
	  "whether memory of publications is made of huge pages" },
	{ "RMMAP_DAEMON", "shared|private[:PATH]|off|PATH", option_daemon,
	  "shared, private, off, or the absolute path of rmmapd",
	  "which rmmapd to use, or to start" },
	{ "RMMAP_RUNDIR", "DIR", option_rundir,
	  "an absolute path",
	  "the run directory: who shares it is one host, with one rmmapd" },
	{ "RMMAP_FABRIC", "off|PROVIDER[@ADDRESS|INTERFACE][:PORT]", option_fabric,
	  RM_FABRIC_WANTED,
	  "the libfabric provider and address by which other hosts reach this one" },
	{ "RMMAP_FETCH", "auto|lazy|eager", option_fetch,
	  "auto, lazy or eager",
	  "when pages of another host's publication are fetched" },
	{ "RMMAP_PREFETCH", "pointer|sequential|off", option_prefetch,
	  "pointer, sequential or off",
	  "which pages of another host's publication are fetched before they are touched" },
	{ "RMMAP_TTL", "SECONDS|none", option_ttl,
	  "a number of seconds from 1 to 4294966, or none",
	  "how long a publication lives while nobody is attached (3600)" },
	{ "RMMAP_LIMIT", "BYTES", option_limit,
	  "a number of bytes, such as 512M or 4G; 0 is no limit",
	  "how much rmmapd holds, published and fetched, before it refuses more" },
	{ "RMMAP_FAN_OUT", "N", option_fan_out,
	  "a number from 0 to 64; 0 is no helpers",
	  "how many hosts read from one before others are sent to those for their pages (4)" },
	{ "RMMAP_LOG", "FILE", option_log,
	  "the absolute path of a file",
	  "a file that rmmapd appends what it does to" },
	{ "RMMAP_CHECK", "0|1", option_check,
	  "0 or 1",
	  "at publish, look for pointers that lead out of what is published" },
	{ "RMMAP_SCRUB", "0|1", option_scrub,
	  "0 or 1",
	  "overwrite what is freed, so that it is not published" },
	{ "RMMAP_STATS", "0|1", option_stats,
	  "0 or 1",
	  "print a summary on stderr when the process exits" },
	{ "RMMAP_NAMES", "0|1", option_names,
	  "0 or 1",
	  "name the heap's mappings in /proc/PID/maps also where nothing is published" },
	{ "RMMAP_MALLOC_CONF", "OPTIONS", option_malloc_conf,
	  "jemalloc's options",
	  "options of jemalloc, as in its MALLOC_CONF" },
};
const size_t rm_option_count = sizeof(rm_option_table) / sizeof(rm_option_table[0]);

/* The value of a variable, or NULL if it is unset or empty. The first of several counts. */
static const char *variable_find(char **environment, const char *name)
{
	size_t length = strlen(name);

	for (char **e = environment; *e; e++)
		if (strncmp(*e, name, length) == 0 && (*e)[length] == '=')
			return (*e)[length + 1] ? *e + length + 1 : NULL;
	return NULL;
}

/*
 * The rank in the job, or -1. The innermost launcher comes first, since what mpirun starts inside
 * of srun has inherited srun's variable.
 */
static int rank_read(char **environment)
{
	static const char *const names[] = { "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID" };
	uint64_t rank;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (rm_parse_number(variable_find(environment, names[i]), 0, INT32_MAX, &rank) == 0)
			return (int)rank;
	return -1;
}

void rm_options_read(struct rm_options *options, char **environment, bool secure,
                     rm_option_problem *problem, void *arg)
{
	*options = (struct rm_options) {
		.slot = -1, .rank = -1, .terms.ttl_ms = TTL_DEFAULT_MS, .fan_out = FAN_OUT_DEFAULT,
		.secure = secure,
	};
	if (secure || !environment)
		return;
	for (size_t i = 0; i < rm_option_count; i++) {
		const struct rm_option *option = &rm_option_table[i];
		const char *value = variable_find(environment, option->name);

		if (value && !option->read(options, value) && problem)
			problem(arg, option->name, value, option->wanted);
	}
	options->rank = rank_read(environment);
	options->xdg_runtime_dir = variable_find(environment, "XDG_RUNTIME_DIR");
}
