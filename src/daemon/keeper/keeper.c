/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keeper.c - the worker's end of the socket pair to the keeper
 *
 * Worker thread only. If the keeper dies the worker goes on with all that it holds. Nothing is
 * recorded from then on, and no other worker would replace this one.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "../base/log.h"
#include "../../common/say.h"
#include "keep.h"

#define SECOND UINT64_C(1000000000)

struct keeper {
	int fd;                         /* -1: the keeper is dead */
	uint64_t last;                  /* the highest number given out, or put by earlier workers */
};

struct keeper *keeper_new(int fd, uint64_t highest)
{
	struct keeper *keeper = calloc(1, sizeof(*keeper));
	uint32_t start = 0;

	if (!keeper)
		return NULL;
	keeper->fd = fd;
	keeper->last = highest;
	/*
	 * Clients name attachments by these numbers. A number that a client got from an earlier
	 * rmmapd must not name an attachment of this one. So each rmmapd starts at a random number.
	 */
	if (!highest && getrandom(&start, sizeof(start), GRND_NONBLOCK) == sizeof(start))
		keeper->last = (uint64_t)start << 28;
	return keeper;
}

int keeper_fd(const struct keeper *keeper)
{
	return keeper->fd;
}

bool keeper_alive(const struct keeper *keeper)
{
	return keeper->fd >= 0;
}

void keeper_dead(struct keeper *keeper)
{
	if (keeper->fd >= 0)
		close(keeper->fd);
	keeper->fd = -1;
}

uint64_t keeper_number(struct keeper *keeper)
{
	return ++keeper->last;
}

/* Send a message. The keeper does nothing but read, so it empties a full socket at once. */
static void keeper_send(struct keeper *keeper, const struct keep_message *head, const void *data,
                        const int *fds, unsigned count)
{
	uint8_t message[KEEP_MESSAGE_MAX];
	int error;

	assert(head->length <= RECORD_DATA_MAX && count <= KEEP_FDS_MAX);
	if (keeper->fd < 0)
		return;
	memcpy(message, head, sizeof(*head));
	if (head->length)
		memcpy(message + sizeof(*head), data, head->length);
	error = rm_channel_send(keeper->fd, message, sizeof(*head) + head->length, fds, count,
	                        rm_now_ns() + 5 * SECOND);
	if (error < 0 && error != -EPIPE)
		log_line("the keeper does not take a record: %s: what it holds would not survive "
		         "this worker", rm_errno_text(-error));
}

void keeper_put(struct keeper *keeper, enum record_type type, uint64_t number,
                const void *data, size_t length, const int *fds, unsigned count)
{
	struct keep_message head = { .type = KEEP_PUT, .record = type, .number = number,
	                             .length = length };

	/* Each message replaces the bytes by the same ones, and appends its descriptors. */
	do {
		unsigned n = count < KEEP_FDS_MAX ? count : KEEP_FDS_MAX;

		keeper_send(keeper, &head, data, fds, n);
		fds = n ? fds + n : fds;
		count -= n;
	} while (count);
}

void keeper_delete(struct keeper *keeper, uint64_t number)
{
	struct keep_message head = { .type = KEEP_DELETE, .number = number };

	keeper_send(keeper, &head, NULL, NULL, 0);
}

void keeper_tell(struct keeper *keeper, int fd, const char *text)
{
	struct keep_message head = { .type = KEEP_TELL, .length = strnlen(text, RECORD_DATA_MAX) };

	keeper_send(keeper, &head, text, &fd, 1);
}

void keeper_serving(struct keeper *keeper)
{
	struct keep_message head = { .type = KEEP_READY };

	keeper_send(keeper, &head, NULL, NULL, 0);
	log_starter_drop();
}

int keeper_leave(struct keeper *keeper, int fds[RM_CHANNEL_FDS_MAX], unsigned *count)
{
	struct keep_message head = { .type = KEEP_LEAVE };

	*count = 0;
	keeper_send(keeper, &head, NULL, NULL, 0);
	for (;;) {
		uint8_t message[KEEP_MESSAGE_MAX];
		ssize_t n = -EPIPE;

		if (keeper->fd >= 0)
			n = rm_channel_recv(keeper->fd, message, sizeof(message), fds, count,
			                    rm_now_ns() + 5 * SECOND);
		if (n < (ssize_t)sizeof(head))
			return KEEP_STOP;
		memcpy(&head, message, sizeof(head));
		if (head.type == KEEP_STAY || head.type == KEEP_STOP)
			return (int)head.type;
		/* KEEP_DRAIN or KEEP_LISTEN, sent before the keeper read KEEP_LEAVE: needless now */
		for (unsigned i = 0; i < *count; i++)
			close(fds[i]);
	}
}
