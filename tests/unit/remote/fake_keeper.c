/* SPDX-License-Identifier: BSD-2-Clause */
/* fake_keeper.c - see fake_host.h: records in a list, or over a socket */
#include "fake_host.h"

#include <string.h>
#include <unistd.h>

#include "../../../src/common/channel.h"

struct kept {                   /* over the socket */
	int type;                       /* 0: deleted; -1: told */
	uint64_t number;
	uint64_t length;
	char data[RECORD_DATA_MAX];
};

uint64_t keeper_number(struct keeper *keeper)
{
	static uint64_t last;

	(void)keeper;
	/* as the keeper's, larger than all that an earlier worker has drawn */
	if (!last)
		last = rm_now_ns();
	return ++last;
}

static struct fake_record *find_record(uint64_t number)
{
	unsigned i;

	for (i = 0; i < FAKE_RECORDS; i++)
		if (fake.records[i].record.type && fake.records[i].record.number == number)
			return &fake.records[i];
	return NULL;
}

static void keep(const struct kept *kept, const int *fds, unsigned count)
{
	struct fake_record *r = find_record(kept->number);
	unsigned i;

	if (kept->type < 0) {
		strncat(fake.told, kept->data, sizeof fake.told - strlen(fake.told) - 1);
		return;
	}
	if (!kept->type) {
		for (i = 0; r && i < r->record.count; i++)
			close(r->fds[i]);
		if (r)
			memset(r, 0, sizeof *r);
		return;
	}
	for (i = 0; !r; i++)
		if (!fake.records[i].record.type)
			r = &fake.records[i];
	r->record.type = (enum record_type)kept->type;
	r->record.number = kept->number;
	r->record.length = kept->length;
	memcpy(r->data, kept->data, kept->length);
	r->record.data = r->data;
	r->record.fds = r->fds;
	for (i = 0; i < count; i++)
		r->fds[r->record.count++] = fds[i];
}

static void say(struct kept *kept, const int *fds, unsigned count)
{
	int copies[FAKE_FDS] = { 0 };
	unsigned i;

	if (fake.keeper_socket >= 0) {
		rm_channel_send(fake.keeper_socket, kept, sizeof *kept, fds, count,
		                rm_now_ns() + 5000000000ull);
		return;
	}
	for (i = 0; i < count; i++)
		copies[i] = dup(fds[i]);
	keep(kept, copies, count);
}

bool fake_keep(int socket, uint64_t deadline)
{
	int fds[RM_CHANNEL_FDS_MAX];
	struct kept kept;
	unsigned count;

	if (rm_channel_recv(socket, &kept, sizeof kept, fds, &count, deadline) <= 0)
		return false;
	keep(&kept, fds, count);
	return true;
}

void keeper_put(struct keeper *keeper, enum record_type type, uint64_t number,
                const void *data, size_t length, const int *fds, unsigned count)
{
	struct kept kept = { .type = (int)type, .number = number, .length = length };

	(void)keeper;
	memcpy(kept.data, data, length);
	say(&kept, fds, count);
}

void keeper_delete(struct keeper *keeper, uint64_t number)
{
	struct kept kept = { .number = number };

	(void)keeper;
	say(&kept, NULL, 0);
}

void keeper_tell(struct keeper *keeper, int fd, const char *text)
{
	struct kept kept = { .type = -1 };

	(void)keeper;
	(void)fd;
	strncpy(kept.data, text, sizeof kept.data - 1);
	say(&kept, NULL, 0);
}

bool keeper_alive(const struct keeper *keeper)
{
	(void)keeper;
	return fake.keeper_socket >= 0;
}

void fake_save(struct attachment *attachment)
{
	struct fake_attachment saved = { attachment->generation, attachment->served };

	keeper_put(NULL, RECORD_ATTACHMENT, attachment->number, &saved, sizeof saved, NULL, 0);
}
