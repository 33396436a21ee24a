/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cli.h - the map of the rmmap command: one thread, may allocate, prints by stdio
 *
 * Commands return the exit status: 0, 1 (one line on stderr says what failed)
 * or 2 (wrong usage). What the user gave in a handle's place is never printed.
 */
#ifndef RM_CLI_H
#define RM_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../common/wire.h"

/* ---- main.c ---- */
struct args {                   /* a command's line, taken apart by the table in main.c */
	const char *slot;       /* --slot N, or NULL */
	bool json;              /* --json */
	bool core;              /* --core */
	bool revoke;            /* --revoke */
	bool keep;              /* --keep */
	const char *readers;    /* --readers N, or NULL */
	const char *ttl;        /* --ttl SECONDS|none, or NULL */
	char **operands;        /* NULL at the end */
	int count;
};

/* ---- say.c ---- */
/* "rmmap: ..." on stderr, one line. Returns 1. */
int cli_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same for a warning; the command goes on. */
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

/* ---- operand.c: a handle's place on the command line ---- */
/*
 * HANDLE, "-" (standard input) or "@FILE": the text, white space after it cut
 * off. 0, or 1 after the line on stderr. with_id admits a short id too.
 */
int cli_handle(const char *operand, bool with_id, char text[RM_HANDLE_TEXT_MAX]);
/* cli_fail() for an operand that rmmapd knows nothing of: a file may have been meant. */
int cli_no_such(const char *operand, const char *why);

/* ---- ask.c: this host's rmmapd, if one runs ---- */
struct ask {
	int fd;                 /* the connection, or -1 */
	uint64_t seq;
	char why[RM_TEXT_MAX];  /* what failed, in words, with the remedy */
	unsigned char reply[RM_WIRE_MAX];
};
/*
 * Connect and greet; starts nothing. 0, -ENOENT where no rmmapd runs, other
 * -errno with why.
 */
int ask_open(struct ask *ask);
void ask_close(struct ask *ask);
/*
 * RM_LIST, RM_STAT, RM_INFO: records of record_size bytes, malloc'd, in *records.
 * How many, or -errno (that of rmmapd too) with why. name is for RM_STAT, else NULL.
 */
int ask_records(struct ask *ask, int type, const char *name, size_t record_size, void **records);
/* RM_UNPUBLISH: 0 or -errno with why. */
int ask_unpublish(struct ask *ask, const char *name, bool revoke);
/*
 * RM_ATTACH, eager: the answer and its descriptor of the table, then the layers' one by one to
 * take(), which owns them. 0 or -errno with why. ask_detach() ends it, as closing does not.
 */
int ask_attach(struct ask *ask, const char *handle, struct rm_wire_attach_reply *answer,
               int *table, int (*take)(void *arg, uint32_t layer, int fd), void *arg);
int ask_detach(struct ask *ask, uint64_t attachment);
struct ask_request {            /* a message and what goes with it */
	void *message;          /* its head but for the type is set by ask_exchange() */
	size_t size;
	int fds[2];
	unsigned fd_count;
	const int *layers;      /* sent after it in RM_LAYERS */
	uint32_t layer_count;
};
/* Send it and wait for a reply of this type; its first descriptor goes to *fd, or -1. */
int ask_exchange(struct ask *ask, struct ask_request *request, int type, int *fd);

/* ---- ask_publish.c ---- */
/* As ask_open(), but where no rmmapd runs one is started. */
int ask_open_or_start(struct ask *ask);
struct ask_publication {
	uint64_t root;
	int table_fd;           /* a memfd; layer_fds: sealed ones, as the table says */
	uint64_t table_size;
	const int *layer_fds;
	uint32_t layer_count;
	struct rm_terms terms;  /* ttl_ms 0: RMMAP_TTL */
};
/* RM_PUBLISH: 0 and the handle, or -errno with why. */
int ask_publish(struct ask *ask, const struct ask_publication *publication,
                char handle[RM_HANDLE_TEXT_MAX]);

/* ---- rdma.c: RDMA devices by libibverbs ---- */
struct json;
/* Print the devices with their ports, as text or into json (not NULL). */
void rdma_print(struct json *json);

/* ---- json.c: facts as JSON, escaped ---- */
struct json {
	FILE *out;
	unsigned depth;
	bool first;             /* nothing is written yet at this depth */
};
void json_start(struct json *json, FILE *out);  /* opens the outermost object */
void json_finish(struct json *json);            /* and closes it, with a newline */
/* key is NULL inside an array. */
void json_object(struct json *json, const char *key);
void json_array(struct json *json, const char *key);
void json_close(struct json *json, char bracket);       /* '}' or ']' */
void json_text(struct json *json, const char *key, const char *text);   /* NULL: null */
void json_number(struct json *json, const char *key, uint64_t number);
void json_real(struct json *json, const char *key, double number);
void json_bool(struct json *json, const char *key, bool value);
void json_counters(struct json *json, const char *key, const struct rm_counters *counters);

#endif
