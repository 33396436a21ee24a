/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cli.h - the functions of the rmmap command that several of its files use
 *
 * The program has one thread, may allocate, and prints by stdio. A command returns the exit
 * status: 0; 1 after one line on stderr that says what failed; 2 for wrong usage. An operand
 * that stands in a handle's place is never printed: it may be a handle, which is a secret.
 */
#ifndef RM_CLI_H
#define RM_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../common/wire.h"

/* ---- main.c ---- */
/*
 * All texts are argv's. A field is zero if its option was not given, or the command has no such
 * option. Values are not checked yet: each command checks its own.
 */
struct args {                   /* a command line, parsed by the table in commands.c */
	const char *slot;       /* --slot N, or NULL */
	bool json;              /* --json */
	bool core;              /* --core */
	bool revoke;            /* --revoke */
	bool keep;              /* --keep */
	const char *readers;    /* --readers N, or NULL */
	const char *ttl;        /* --ttl SECONDS|none, or NULL */
	char **operands;        /* count of them, within the bounds of the table; NULL at the end */
	int count;              /* 0 for a command that parses its line itself */
};

/* ---- say.c ---- */
/* Print one line "rmmap: ..." on stderr. Returns 1, the exit status. */
int cli_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Print a warning in the same form; the command goes on. */
void cli_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- the commands ---- */
int cli_run(const struct args *args);           /* run.c */
int cli_hello(const struct args *args);         /* hello.c */
int cli_info(const struct args *args);          /* info.c */
int cli_list(const struct args *args);          /* list.c */
int cli_stat(const struct args *args);
int cli_unpublish(const struct args *args);
int cli_check(const struct args *args);         /* check.c */
int cli_plan(const struct args *args);          /* plan.c */
int cli_save(const struct args *args);          /* save.c */
int cli_load(const struct args *args);          /* load.c */
int cli_move(const struct args *args);          /* move.c */
int cli_function(const struct args *args);      /* function.c */

/* ---- operand.c: operands that stand for a handle ---- */
/*
 * Get the handle that an operand gives: HANDLE itself, "-" for standard input, or "@FILE". White
 * space after it is removed. If with_id, a short id is accepted too. 0, or 1 after the line on
 * stderr.
 */
int cli_handle(const char *operand, bool with_id, char text[RM_HANDLE_TEXT_MAX]);
/* cli_fail() for an operand that rmmapd does not know; suggests @FILE if it names a file. */
int cli_no_such(const char *operand, const char *why);

/* ---- ask.c: requests to this host's rmmapd, if one runs ---- */
struct ask {
	int fd;                 /* the connection, or -1 */
	uint64_t seq;           /* of the last request; the first has 1 */
	char why[RM_TEXT_MAX];  /* after an error: the reason in words, with the remedy */
	/*
	 * Structs of wire.h are read in place here: its offset is a multiple of 8. Each exchange
	 * overwrites it.
	 */
	unsigned char reply[RM_WIRE_MAX];       /* the last message received, checked */
};
/* Connect and say hello. Starts nothing. 0; -ENOENT if no rmmapd runs; other -errno. Sets why. */
int ask_open(struct ask *ask);
void ask_close(struct ask *ask);
/*
 * Send RM_LIST, RM_STAT or RM_INFO. Returns the number of records, with an array of them in
 * *records that the caller frees; or -errno, also if rmmapd refuses, with why. name is the
 * publication for RM_STAT, NULL for the others.
 */
int ask_records(struct ask *ask, int type, const char *name, size_t record_size, void **records);
/* Send RM_UNPUBLISH. 0, or -errno with why. */
int ask_unpublish(struct ask *ask, const char *name, bool revoke);
/*
 * Send RM_ATTACH with eager fetching. Gives the answer and the table's descriptor, which the caller
 * closes; calls take() with each layer's descriptor in order, which take() closes, and stops if it
 * returns an error. 0, or -errno with why. The attachment ends with ask_detach(): closing the
 * connection does not end it while the process lives.
 */
int ask_attach(struct ask *ask, const char *handle, struct rm_wire_attach_reply *answer,
               int *table, int (*take)(void *arg, uint32_t layer, int fd), void *arg);
int ask_detach(struct ask *ask, uint64_t attachment);
/*
 * All of it has to stay until the reply: after RM_RESTARTED it is sent once more. The descriptors
 * stay the caller's.
 */
struct ask_request {            /* a message and its descriptors */
	void *message;          /* begins with struct rm_wire, of which the caller sets the type
	                           and ask_exchange() the rest */
	size_t size;
	int fds[2];
	unsigned fd_count;
	const int *layers;      /* descriptors that follow in RM_LAYERS */
	uint32_t layer_count;
};
/*
 * Send a request and wait for its reply of this type, which is then in ask->reply. *fd is the
 * reply's first descriptor, or -1; others are closed. 0, or -errno with why.
 */
int ask_exchange(struct ask *ask, struct ask_request *request, int type, int *fd);

/* ---- ask_publish.c ---- */
/* Like ask_open(), but start an rmmapd if none runs. */
int ask_open_or_start(struct ask *ask);
struct ask_publication {
	uint64_t root;
	int table_fd;           /* a sealed memory file */
	uint64_t table_size;
	const int *layer_fds;   /* sealed memory files of the lengths in the table */
	uint32_t layer_count;   /* of all layers: none of them has to be known to rmmapd */
	struct rm_terms terms;  /* readers 0: any number; ttl_ms 0: RMMAP_TTL */
};
/* Send RM_PUBLISH. 0 with the handle, or -errno with why. The descriptors stay the caller's. */
int ask_publish(struct ask *ask, const struct ask_publication *publication,
                char handle[RM_HANDLE_TEXT_MAX]);

/* ---- rdma.c: RDMA devices, by libibverbs ---- */
struct json;
/* Print the devices and their ports, as text if json is NULL, else into json. */
void rdma_print(struct json *json);

/* ---- json.c: output as JSON; texts are escaped ---- */
struct json {
	FILE *out;
	unsigned depth;         /* of open objects and arrays; 0 only before json_start() and
	                           after json_finish() */
	bool first;             /* nothing has been written at this depth */
};
void json_start(struct json *json, FILE *out);  /* opens the outermost object */
void json_finish(struct json *json);            /* closes it and ends the line */
/* In all of these, key is NULL for an item of an array. */
void json_object(struct json *json, const char *key);
void json_array(struct json *json, const char *key);
void json_close(struct json *json, char bracket);       /* '}' or ']' */
void json_text(struct json *json, const char *key, const char *text);   /* NULL is null */
void json_number(struct json *json, const char *key, uint64_t number);
void json_real(struct json *json, const char *key, double number);      /* NaN, infinity: null */
void json_bool(struct json *json, const char *key, bool value);
void json_counters(struct json *json, const char *key, const struct rm_counters *counters);

#endif
