/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * link.h - a stream with a buffer on each side: a connected socket, or, with fd -1, memory
 * that grows as it is written. Every failure ends the process with a word.
 */
#ifndef WAYS_LINK_H
#define WAYS_LINK_H

#include <stddef.h>
#include <stdint.h>

#define LINK_BUFFER (256u << 10)

struct link {
	int fd;                         /* -1: only the buffers */
	char *out;
	size_t out_used, out_size;
	char *in;                       /* in[in_at .. in_end) has not been taken yet */
	size_t in_at, in_end, in_size;
};

void link_open(struct link *link, int fd);
void link_close(struct link *link);

char *link_room(struct link *link, size_t length);     /* where so much may be written now */
void link_give(struct link *link, const void *data, size_t length);
void link_flush(struct link *link);

const char *link_need(struct link *link, size_t length);   /* so much is there to be read */
void link_more(struct link *link);                          /* at least one byte more than now */
void link_take(struct link *link, void *to, size_t length);

/* A buffer that is somebody else's to be read from. */
void link_read_from(struct link *link, char *data, size_t length);

static inline void link_put(struct link *link, const void *data, size_t length)
{
	__builtin_memcpy(link_room(link, length), data, length);
	link->out_used += length;
}

static inline const char *link_get(struct link *link, size_t length)
{
	const char *data = link_need(link, length);

	link->in_at += length;
	return data;
}

#endif
