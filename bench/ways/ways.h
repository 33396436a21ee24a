/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ways.h - a way to hand a structure from one process to another, and the record that the
 * ways which serialize send for each part of it
 */
#ifndef WAYS_WAYS_H
#define WAYS_WAYS_H

#include "../bench.h"
#include "link.h"
#include "structures.h"

struct handover {
	enum kind kind;
	enum touch touch;
	struct link link;               /* a warm connection between the two */
	int same_host;
};

struct way {
	const char *name;
	const struct shape_functions *shape;
	/* both sides, before there is a structure: connections, of which the time is not counted */
	void (*start)(struct handover *, int produces);
	/* in the place of shape->build, where the memory must be another's; or NULL */
	void *(*build)(struct handover *, size_t bytes);
	void (*send)(struct handover *, const void *root);
	void *(*receive)(struct handover *);
	void (*release)(struct handover *, void *root);
	void (*stop)(struct handover *, int produces);  /* after the clock; or NULL */
	int starts_warm;                /* start() has used what send() will use */
	int forks;                      /* there is no other program: send() makes the receiver */
};

extern const struct way way_rmmap, way_binary, way_msgpack, way_protobuf, way_json, way_redis,
	way_fork, way_shm, way_fi_read;

#define FIELD_A 1u
#define FIELD_B 2u
#define FIELD_C 4u
#define FIELD_TEXT 8u
#define FIELD_VALUES 16u
#define FIELD_TARGETS 32u

struct record {
	uint64_t a, b;
	uint32_t c;
	const char *text;               /* get: valid until the next one */
	size_t length;
	double *values;                 /* get: where they go, and how many that may be */
	size_t value_count;
	uint32_t *targets;              /* the same */
	size_t target_count;
};

/* The receiver's part after receive(): walk, release, and the two times. */
struct verdict {
	double walked, freed;
	uint64_t sum;
};
struct verdict verdict_of(const struct way *way, struct handover *handover, void *root);

void msgpack_send(struct handover *handover, const void *root);
void *msgpack_receive(struct handover *handover);
void free_structure(struct handover *handover, void *root);

#endif
