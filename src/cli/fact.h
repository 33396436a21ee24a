/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fact.h - one line of rmmap info: what was found, and a remedy for what is missing
 *
 * For info.c and system.c, on the only thread. system.c asks the kernel and changes nothing.
 */
#ifndef RM_CLI_FACT_H
#define RM_CLI_FACT_H

#include "../common/options.h"
#include "../common/say.h"
#include "cli.h"

enum verdict {
	FACT_OK,
	FACT_SHORT,                     /* something is missing; there is a remedy */
	FACT_NONE,                      /* not in use at present, which is no fault */
};

/* All zeros at first, which is FACT_OK without words. Whoever sets the verdict sets the words. */
struct fact {
	enum verdict verdict;
	char found[RM_TEXT_MAX];        /* the state, in words */
	char remedy[RM_TEXT_MAX];       /* "" if none is needed */
};

/* ---- fact.c ---- */
/* Set the remedy; the verdict is then FACT_SHORT. */
void fact_remedy(struct fact *fact, const char *text);
void fact_found(struct fact *fact, const char *text);
/* As text, or into json if it is not NULL. */
void fact_print(struct json *json, const char *key, const char *title, const struct fact *fact);

/* ---- system.c ---- */
/* Whether pages of another host can be fetched when they are touched. */
void fact_userfaultfd(struct fact *fact);
/* Whether memory files can have 2 MiB pages. */
void fact_huge_pages(struct fact *fact, const struct rm_options *options);
/* How much memory an RDMA device may pin. Only RDMA needs more than the usual limit. */
void fact_memlock(struct fact *fact);

#endif
