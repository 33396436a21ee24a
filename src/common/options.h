/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options.h - every RMMAP_ environment variable, in one table
 *
 * All programs read their environment here. Any thread, at any time: the caller passes the
 * environment, since libc may not have set up its own yet, and nothing allocates. The strings
 * in struct rm_options point into that environment. Parsing is fuzzed.
 */
#ifndef RM_OPTIONS_H
#define RM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "huge.h"
#include "terms.h"

enum rm_heap_mode { RM_HEAP_AUTO, RM_HEAP_ANON, RM_HEAP_SHARED };
enum rm_fetch_mode { RM_FETCH_AUTO, RM_FETCH_LAZY, RM_FETCH_EAGER };
enum rm_prefetch_mode { RM_PREFETCH_POINTER, RM_PREFETCH_SEQUENTIAL, RM_PREFETCH_OFF };

#define RM_DAEMON_PRIVATE "private"

struct rm_options {
	int slot;                       /* RMMAP_SLOT, or -1 */
	int rank;                       /* SLURM_PROCID, PMIX_RANK or OMPI_COMM_WORLD_RANK, or -1 */
	enum rm_heap_mode heap;         /* RMMAP_HEAP */
	enum rm_fetch_mode fetch;       /* RMMAP_FETCH */
	enum rm_prefetch_mode prefetch; /* RMMAP_PREFETCH */
	enum rm_huge_mode huge;         /* RMMAP_HUGE */
	const char *daemon;             /* RMMAP_DAEMON: NULL or "shared", RM_DAEMON_PRIVATE,
	                                   that with ":" and a path, "off", a path */
	const char *rundir;             /* RMMAP_RUNDIR or NULL */
	const char *xdg_runtime_dir;    /* XDG_RUNTIME_DIR or NULL */
	const char *fabric;             /* RMMAP_FABRIC or NULL */
	const char *log;                /* RMMAP_LOG: a file that rmmapd appends to, or NULL */
	const char *malloc_conf;        /* RMMAP_MALLOC_CONF or NULL */
	struct rm_terms terms;          /* of publications whose publisher chooses none: ttl_ms is
	                                   RMMAP_TTL, readers is 0 */
	uint64_t limit;                 /* RMMAP_LIMIT: bytes, with K M G T; 0 is none */
	unsigned fan_out;               /* RMMAP_FAN_OUT; 0: all read from the publisher's host */
	bool check, scrub, stats;       /* RMMAP_CHECK, RMMAP_SCRUB, RMMAP_STATS */
	bool names;                     /* RMMAP_NAMES */
	bool secure;                    /* AT_SECURE: nothing was read */
};

/* One variable. The parser, the check for unknown variables and --help all read this table. */
struct rm_option {
	const char *name;
	const char *value;              /* the possible values as --help shows them: "auto|anon" */
	/* Put the value into options. False, with options unchanged, if it cannot be used. */
	bool (*read)(struct rm_options *options, const char *value);
	const char *wanted;             /* the possible values in words, for messages */
	const char *help;               /* its purpose, in one line */
};
extern const struct rm_option rm_option_table[];
extern const size_t rm_option_count;

/* Called for each value that cannot be used. The option keeps its default. */
typedef void rm_option_problem(void *arg, const char *name, const char *value, const char *wanted);

/*
 * Read the environment, which may be NULL. If secure (AT_SECURE: a setuid program, say) all options
 * have their defaults and nothing is read. problem may be NULL.
 */
void rm_options_read(struct rm_options *options, char **environment, bool secure,
                     rm_option_problem *problem, void *arg);

/* ---- unknown.c ---- */

/*
 * List the variables that begin with RMMAP_ and are not in the table, each with the name that was
 * probably meant: "RMMAP_FETHC (did you mean RMMAP_FETCH?)". Returns how many there are; text is
 * cut if it does not fit. environment may be NULL; if secure, the result is 0.
 */
unsigned rm_options_unknown(char **environment, bool secure, char *text, size_t size);

/* ---- fabric_spec.c ---- */

#define RM_FABRIC_WANTED "off or PROVIDER[@ADDRESS|INTERFACE][:PORT]"

/* The parts of RMMAP_FABRIC. An IPv6 address stands in brackets there. */
struct rm_fabric_spec {
	bool off;
	char provider[32];              /* "" : choose */
	char address[64];               /* address or interface, "" : choose; no brackets */
	uint16_t port;                  /* 0: choose */
};

/* NULL and "" leave all parts to be chosen. 0, or -EINVAL with *spec zeroed. */
int rm_fabric_spec_parse(const char *text, struct rm_fabric_spec *spec);

#endif
