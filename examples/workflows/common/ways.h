/* SPDX-License-Identifier: BSD-2-Clause */
/* ways.h - the three ways, and what way.c counts for each */
#ifndef WAYS_H
#define WAYS_H

#include <sys/types.h>

#include "way.h"

#define PATIENCE_S 300                  /* for the other side of a connection */
#define REFERENCE_MAX 1024

struct way {
	const char *name;
	void (*prepare)(void);          /* before the function's turn comes; may be NULL */
	void (*hand_over)(const struct kind *kind, const void *root);
	void *(*take)(const struct kind *kind, const char *reference);
	void (*finish)(void);           /* the last word on what was spent; may be NULL */
};
extern const struct way by_rmmap, by_messaging, by_storage;

/* CPU time of this thread in seconds, and bytes that were moved. */
struct spent {
	double packing, unpacking;
	uint64_t sent, received;
};
extern struct spent spent;
double thread_time(void);

void print_reference(const char *reference);
/* Pack into the buffer, on the clock. */
void pack_into(msgpack_sbuffer *buffer, const struct kind *kind, const void *root, size_t part);

/* A message: all of it is at data, or (data is NULL) more of it is read from fd. */
struct message {
	const char *data;
	size_t size, at;
	int fd;
	double reading;                 /* CPU time that was no unpacking */
	msgpack_unpacker unpacker;
	msgpack_unpacked object;
};
void *unpack_from(struct message *from, const struct kind *kind);

#endif
