/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options.c - every RMMAP_ environment variable, in one table
 *
 * Any thread, any moment: no allocation, no libc state (not even environ).
 */
#include "options.h"

#include <errno.h>
#include <string.h>

#include "layout.h"
#include "number.h"

#define FAN_OUT_DEFAULT 4
#define TTL_DEFAULT_MS 3600000u

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

/* ---- one reader for each kind of value: false if the value cannot be used ---- */

static bool is(const char *value, const char *word)
{
	return strcmp(value, word) == 0;
}

static bool read_slot(struct rm_options *o, const char *value)
{
	uint64_t n;

	if (rm_parse_number(value, 0, RM_WINDOW_SLOTS - 1, &n) != 0)
		return false;
	o->slot = (int)n;
	return true;
}

static bool read_heap(struct rm_options *o, const char *value)
{
	if (is(value, "auto"))
		o->heap = RM_HEAP_AUTO;
	else if (is(value, "anon"))
		o->heap = RM_HEAP_ANON;
	else if (is(value, "shared"))
		o->heap = RM_HEAP_SHARED;
	else
		return false;
	return true;
}

static bool read_fetch(struct rm_options *o, const char *value)
{
	if (is(value, "auto"))
		o->fetch = RM_FETCH_AUTO;
	else if (is(value, "lazy"))
		o->fetch = RM_FETCH_LAZY;
	else if (is(value, "eager"))
		o->fetch = RM_FETCH_EAGER;
	else
		return false;
	return true;
}

static bool read_prefetch(struct rm_options *o, const char *value)
{
	if (is(value, "pointer"))
		o->prefetch = RM_PREFETCH_POINTER;
	else if (is(value, "sequential"))
		o->prefetch = RM_PREFETCH_SEQUENTIAL;
	else if (is(value, "off"))
		o->prefetch = RM_PREFETCH_OFF;
	else
		return false;
	return true;
}

static bool read_daemon(struct rm_options *o, const char *value)
{
	const char *program = value;

	if (strncmp(value, RM_DAEMON_PRIVATE ":", sizeof(RM_DAEMON_PRIVATE)) == 0)
		program += sizeof(RM_DAEMON_PRIVATE);
	if (!is(value, "shared") && !is(value, RM_DAEMON_PRIVATE) && !is(value, "off") &&
	    program[0] != '/')
		return false;
	o->daemon = value;
	return true;
}

/* Checked by rm_rundir_find(): with a bad one nothing can go on, a default would mislead. */
static bool read_rundir(struct rm_options *o, const char *value)
{
	o->rundir = value;
	return true;
}

/* Checked when it is first needed, for the same reason: publish and attach then fail. */
static bool read_fabric(struct rm_options *o, const char *value)
{
	o->fabric = value;
	return true;
}

static bool read_fan_out(struct rm_options *o, const char *value)
{
	uint64_t n;

	if (rm_parse_number(value, 0, 64, &n) != 0)
		return false;
	o->fan_out = (unsigned)n;
	return true;
}

static bool read_log(struct rm_options *o, const char *value)
{
	if (value[0] != '/')            /* rmmapd does not stay in this directory */
		return false;
	o->log = value;
	return true;
}

static bool read_malloc_conf(struct rm_options *o, const char *value)
{
	o->malloc_conf = value;
	return true;
}

static bool read_ttl(struct rm_options *o, const char *value)
{
	return rm_terms_parse_ttl(value, &o->terms.ttl_ms) == 0;
}

static bool read_limit(struct rm_options *o, const char *value)
{
	return rm_parse_bytes(value, &o->limit) == 0;
}

static bool read_flag(bool *flag, const char *value)
{
	if (!is(value, "0") && !is(value, "1"))
		return false;
	*flag = value[0] == '1';
	return true;
}

static bool read_check(struct rm_options *o, const char *value)
{
	return read_flag(&o->check, value);
}

static bool read_scrub(struct rm_options *o, const char *value)
{
	return read_flag(&o->scrub, value);
}

static bool read_stats(struct rm_options *o, const char *value)
{
	return read_flag(&o->stats, value);
}

static bool read_names(struct rm_options *o, const char *value)
{
	return read_flag(&o->names, value);
}

/* ---- the table: name, value, reader, what is wanted, help ---- */

#define OPTIONS(X) \
	X("RMMAP_SLOT", "N", read_slot, \
	  "a slot number, from 0 to 1023 unless rmmap was built with another window", \
	  "the 64 GiB slot of addresses that this process's heap lies in") \
	X("RMMAP_HEAP", "auto|anon|shared", read_heap, "auto, anon or shared", \
	  "what the heap's memory is; shared also says that the program will publish") \
	X("RMMAP_DAEMON", "shared|private[:PATH]|off|PATH", read_daemon, \
	  "shared, private, off, or the absolute path of rmmapd", \
	  "which rmmapd to use, or to start") \
	X("RMMAP_RUNDIR", "DIR", read_rundir, "an absolute path", \
	  "the run directory: who shares it is one host, with one rmmapd") \
	X("RMMAP_FABRIC", "off|PROVIDER[@ADDRESS|INTERFACE][:PORT]", read_fabric, \
	  "off, or PROVIDER[@ADDRESS|INTERFACE][:PORT]", \
	  "the libfabric provider and address by which other hosts reach this one") \
	X("RMMAP_FETCH", "auto|lazy|eager", read_fetch, "auto, lazy or eager", \
	  "when pages of another host's publication are fetched") \
	X("RMMAP_PREFETCH", "pointer|sequential|off", read_prefetch, "pointer, sequential or off", \
	  "which pages of another host's publication are fetched before they are touched") \
	X("RMMAP_TTL", "SECONDS|none", read_ttl, "a number of seconds from 1 to 4294966, or none", \
	  "how long a publication lives while nobody is attached (3600)") \
	X("RMMAP_LIMIT", "BYTES", read_limit, "a number of bytes, such as 512M or 4G; 0 is no limit", \
	  "how much rmmapd holds, published and fetched, before it refuses more") \
	X("RMMAP_FAN_OUT", "N", read_fan_out, "a number from 0 to 64; 0 is no helpers", \
	  "how many hosts read from one before others are sent to those for their pages (4)") \
	X("RMMAP_LOG", "FILE", read_log, "the absolute path of a file", \
	  "a file that rmmapd appends what it does to") \
	X("RMMAP_CHECK", "0|1", read_check, "0 or 1", \
	  "at publish, look for pointers that lead out of what is published") \
	X("RMMAP_SCRUB", "0|1", read_scrub, "0 or 1", \
	  "overwrite what is freed, so that it is not published") \
	X("RMMAP_STATS", "0|1", read_stats, "0 or 1", \
	  "print a summary on stderr when the process exits") \
	X("RMMAP_NAMES", "0|1", read_names, "0 or 1", \
	  "name the heap's mappings in /proc/PID/maps also where nothing is published") \
	X("RMMAP_MALLOC_CONF", "OPTIONS", read_malloc_conf, "jemalloc's options", \
	  "options of jemalloc, as in its MALLOC_CONF")

#define DESC(name, value, reader, wanted, help) { name, value, help },
const struct rm_option_desc rm_option_table[] = { OPTIONS(DESC) };
const size_t rm_option_count = sizeof(rm_option_table) / sizeof(rm_option_table[0]);

#define READER(name, value, reader, wanted, help) { reader, wanted },
static const struct {
	bool (*read)(struct rm_options *options, const char *value);
	const char *wanted;
} readers[] = { OPTIONS(READER) };

/* The value of name; NULL if it is not set, or set to nothing. The first one counts. */
static const char *lookup(char **environment, const char *name)
{
	size_t length = strlen(name);

	for (char **e = environment; *e; e++)
		if (strncmp(*e, name, length) == 0 && (*e)[length] == '=')
			return (*e)[length + 1] ? *e + length + 1 : NULL;
	return NULL;
}

/* The innermost launcher's number first: mpirun inside srun inherits srun's. */
static int read_rank(char **environment)
{
	static const char *const names[] = { "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID" };
	uint64_t rank;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (rm_parse_number(lookup(environment, names[i]), 0, INT32_MAX, &rank) == 0)
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
		const char *name = rm_option_table[i].name;
		const char *value = lookup(environment, name);

		if (value && !readers[i].read(options, value) && problem)
			problem(arg, name, value, readers[i].wanted);
	}
	options->rank = read_rank(environment);
	options->xdg_runtime_dir = lookup(environment, "XDG_RUNTIME_DIR");
}

/* ---- RMMAP_FABRIC ---- */

static bool letter_or_digit(char c)
{
	return digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Copy the characters at *text that are letters, digits or in others; false if none, or too many. */
static bool take(const char **text, const char *others, char *to, size_t size)
{
	size_t n = 0;

	while (letter_or_digit((*text)[n]) || ((*text)[n] && strchr(others, (*text)[n])))
		n++;
	if (n == 0 || n >= size)
		return false;
	memcpy(to, *text, n);
	to[n] = 0;
	*text += n;
	return true;
}

static bool take_address(const char **text, char *to, size_t size)
{
	bool brackets = **text == '[';

	if (brackets)
		(*text)++;
	if (!take(text, brackets ? "._-%:" : "._-%", to, size))
		return false;
	if (brackets && *(*text)++ != ']')
		return false;
	return true;
}

int rm_fabric_spec_parse(const char *text, struct rm_fabric_spec *spec)
{
	struct rm_fabric_spec s = { 0 };
	uint64_t port;

	*spec = s;
	if (!text || !*text)
		return 0;
	if (is(text, "off")) {
		spec->off = true;
		return 0;
	}
	if (!take(&text, "_;-", s.provider, sizeof(s.provider)))
		return -EINVAL;
	if (*text == '@') {
		text++;
		if (!take_address(&text, s.address, sizeof(s.address)))
			return -EINVAL;
	}
	if (*text == ':') {
		if (rm_parse_number(text + 1, 0, UINT16_MAX, &port) != 0)
			return -EINVAL;
		s.port = (uint16_t)port;
		text = "";
	}
	if (*text || is(s.provider, "off"))
		return -EINVAL;
	*spec = s;
	return 0;
}
