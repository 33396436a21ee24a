/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ways.h - the three ways as tables of functions, and the counters of each
 *
 * For the files in this directory only; the functions of a workflow include way.h.
 */
#ifndef WAYS_H
#define WAYS_H

#include <sys/types.h>

#include "way.h"

#define PATIENCE_S 300                  /* how long to wait for the other side */
#define REFERENCE_MAX 1024              /* bytes, NUL included */

struct way {
	const char *name;
	void (*prepare)(void);          /* before the time is measured; may be NULL */
	void (*hand_over)(const struct kind *kind, const void *root);
	void *(*take)(const struct kind *kind, const char *reference);
	void (*finish)(void);           /* to complete the counters; may be NULL */
};
extern const struct way by_rmmap, by_messaging, by_storage;

/* CPU seconds of this thread spent on packing and unpacking, and bytes sent and received. */
struct spent {
	double packing, unpacking;
	uint64_t sent, received;
};
extern struct spent spent;
double thread_time(void);

void print_reference(const char *reference);
/* Pack into the buffer, and count the time. */
void pack_into(msgpack_sbuffer *buffer, const struct kind *kind, const void *root, size_t part);

/* A message to be read: all of it is at data; or data is NULL, and it is read from fd. */
struct message {
	const char *data;
	size_t size, at;
	int fd;
	double reading;                 /* CPU time of read(), which is not unpacking */
	msgpack_unpacker unpacker;
	msgpack_unpacked object;
};
void *unpack_from(struct message *from, const struct kind *kind);

#endif
