/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pager_consumer.h - a process whose pages a worker in another one serves, for test_pager
 *
 * The worker's other host is fake_host.c's. The consumer maps what the worker hands out, as
 * the library does, and is its keeper, too: it has the next worker begin with the records of
 * the one that it killed. A failed check ends the process.
 */
#ifndef RM_TEST_PAGER_CONSUMER_H
#define RM_TEST_PAGER_CONSUMER_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "../remote/fake_host.h"

#define CHECK(condition) do { \
	if (!(condition)) { \
		fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, strerror(errno)); \
		_exit(1); \
	} } while (0)

enum command { SERVE, COMPLETE, LOSE, SLOW, AHEAD, LOOK, OTHER, TRUST, FORGET, STARVE };

struct message {                /* consumer to worker, and back */
	enum command command;
	uint64_t addr;                  /* AHEAD: of the page that shall come before it is touched */
	uint32_t features;
	int error;
	bool served;                    /* the attachment still has a lazy */
	struct rm_counters counters;
	char told[512];
};

extern bool can_poison;                 /* the kernel has UFFDIO_POISON; main() says so */
extern enum rm_prefetch_mode prefetch;  /* of the worker that comes next */
extern pid_t worker;
extern int line[2];                     /* the life line: ours, the worker's */

int open_uffd(bool poison);             /* -1: not allowed here */

/* Attach as the library does; own_page: memory of our own stands there. */
void attach(bool poison, uint64_t own_page);
/* Its two steps: all is mapped and registered, and then a worker is asked to serve it. */
void attach_map(bool poison, uint64_t own_page);
void attach_serve(bool poison);

/* A command to the worker, and what it says: an error, or the counters. */
struct message ask(struct message message, const int *fds, unsigned count);
struct message look(void);
struct message settled(void);           /* when nothing is on the way any more */
bool still_served(void);                /* waits for that to end */

void next_worker(void);                 /* in place of this one, which is killed */
int ended_by(void);                     /* the signal, if this worker ends by one by itself; 0 */
bool raises_sigbus(uint64_t addr);      /* who touches it */

uint64_t wanted(uint64_t addr);         /* the first word of the page there, before writes */
uint64_t word(uint64_t addr);           /* touches it */
void walk(void);                        /* all of it is as wanted */

/* ---- the tests that are not in test_pager.c ---- */

/* pager_ahead.c */
void test_chain(void);
void test_chain_without_pointers(void);
void test_nothing_ahead(void);
void test_hostile_pages(void);
void test_left_and_waited_for(void);

/* pager_generations.c */
void test_served_by_the_next(void);
void test_complete_for_the_next(void);
void test_others_fetch_between_deaths(void);
void test_copies_without_completion(void);
void test_other_file(void);
void test_other_file_untouched(void);
void test_about_to_read_zeros(void);
void test_about_to_read_zeros_again(void);

/* pager_lost.c */
void test_new_worker(void);
void test_no_memory(void);
void test_lost_page(void);
void test_lost_host(void);
void test_lost_host_without_poison(void);

#endif
