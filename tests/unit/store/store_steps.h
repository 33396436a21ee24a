/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store_steps.h - a store with a keeper that only keeps, and publications to add, for
 * test_store, test_store_layers and test_store_restart
 *
 * Everything fails the test by itself.
 */
#ifndef RM_TEST_STORE_STEPS_H
#define RM_TEST_STORE_STEPS_H

#include <stdbool.h>
#include <stdint.h>

#include "../../../src/daemon/store/store.h"
#include "../unit.h"

#define MS UINT64_C(1000000)
#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

extern struct context context;
extern struct store *store;             /* by setup(); another one after restart() */

void setup(void);
void run(uint64_t ms);                  /* the loop, for so long */
void keep(void);                        /* the keeper takes what was sent to it */
/* As if the worker died here: a new store, from the keeper's records. */
void restart(void);
unsigned open_fds(void);

int memfd(const void *data, size_t size, int seals);
int layer_of(size_t pages, int seals);
/* Layers of two pages each, the first of it with data; ids are the layers' names. */
int table_of(struct rm_wire_publish *request, const uint32_t *ids, unsigned count, int seals);
/* One layer that nobody had before. */
int make_table(struct rm_wire_publish *request, int seals);

/* Publish one new layer. */
int add(uint8_t id, uint32_t readers, uint32_t ttl_ms, struct publication **out);
/* Publish these layers: new ones (files[], if given), then as many that are known. */
int add_known(uint8_t id, const uint32_t *ids, unsigned count, unsigned known,
              const int *files, struct publication **out);
const uint8_t *secret(uint8_t id);      /* of the publication with this id; until the next call */
struct publication *find(uint8_t id);

#endif
