/* SPDX-License-Identifier: BSD-2-Clause */
/* link.c - see link.h */
#include "link.h"

#include "../bench.h"

static void *grown(void *memory, size_t bytes)
{
	memory = realloc(memory, bytes);
	if (!memory)
		bench_die("out of memory");
	return memory;
}

void link_open(struct link *link, int fd)
{
	*link = (struct link){ .fd = fd, .out_size = LINK_BUFFER, .in_size = LINK_BUFFER };
	link->out = grown(NULL, link->out_size);
	link->in = grown(NULL, link->in_size);
}

void link_close(struct link *link)
{
	free(link->out);
	if (link->in_size)
		free(link->in);
}

void link_read_from(struct link *link, char *data, size_t length)
{
	if (link->in_size)
		free(link->in);
	link->in = data;
	link->in_at = 0;
	link->in_end = length;
	link->in_size = 0;
}

void link_flush(struct link *link)
{
	if (link->fd >= 0) {
		bench_write(link->fd, link->out, link->out_used);
		link->out_used = 0;
	}
}

char *link_room(struct link *link, size_t length)
{
	if (link->out_used + length > link->out_size)
		link_flush(link);
	if (link->out_used + length > link->out_size) {
		while (link->out_used + length > link->out_size)
			link->out_size *= 2;
		link->out = grown(link->out, link->out_size);
	}
	return link->out + link->out_used;
}

void link_give(struct link *link, const void *data, size_t length)
{
	if (link->fd < 0 || length < LINK_BUFFER / 4) {
		link_put(link, data, length);
		return;
	}
	link_flush(link);
	bench_write(link->fd, data, length);
}

void link_more(struct link *link)
{
	ssize_t n;

	if (link->fd < 0 || !link->in_size)
		bench_die("what was sent ends too early");
	if (link->in_at) {
		memmove(link->in, link->in + link->in_at, link->in_end - link->in_at);
		link->in_end -= link->in_at;
		link->in_at = 0;
	}
	if (link->in_end == link->in_size) {
		link->in_size *= 2;
		link->in = grown(link->in, link->in_size);
	}
	n = read(link->fd, link->in + link->in_end, link->in_size - link->in_end);
	if (n <= 0)
		bench_die("the other side is gone");
	link->in_end += (size_t)n;
}

const char *link_need(struct link *link, size_t length)
{
	while (link->in_end - link->in_at < length)
		link_more(link);
	return link->in + link->in_at;
}

void link_take(struct link *link, void *to, size_t length)
{
	const size_t here = link->in_end - link->in_at;
	const size_t first = here < length ? here : length;

	memcpy(to, link->in + link->in_at, first);
	link->in_at += first;
	if (first < length && bench_read(link->fd, (char *)to + first, length - first) != length - first)
		bench_die("the other side is gone");
}
