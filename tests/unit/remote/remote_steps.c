/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * remote_steps.c - attach, fetch and compare, for the tests of another host's publication
 */
#include "remote_steps.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

void attached(void *arg, int error, const char *why, struct remote *remote)
{
	struct answer *answer = arg;

	answer->called = true;
	answer->error = error;
	snprintf(answer->why, sizeof answer->why, "%s", why);
	answer->remote = remote;
	fake_wake();
}

struct answer attach(unsigned which, bool eager, uint64_t ms)
{
	struct answer answer = { 0 };

	remote_attach(fake.remotes, &fake.attachment[which], &fake.handle,
	              eager ? UINT64_MAX : 0, attached, &answer);
	ck_assert(!answer.called);
	fake_run(ms);
	return answer;
}

struct remote *attach_well(unsigned which, bool eager)
{
	struct answer answer = attach(which, eager, PATIENCE_MS);

	ck_assert(answer.called);
	ck_assert_int_eq(answer.error, 0);
	ck_assert_ptr_eq(answer.remote, fake.attachment[which].remote);
	return answer.remote;
}

static void fetched(struct page_wait *waiter, int error)
{
	struct wait *wait = (struct wait *)waiter;

	wait->called++;
	wait->error = error;
	fake_wake();
}

void fetch(struct remote *remote, struct wait *wait, uint32_t layer, uint64_t page,
           uint64_t count)
{
	*wait = (struct wait){ .waiter = { .layer = layer, .page = page, .count = count,
	                                   .done = fetched } };
	remote_fetch(remote, &fake.attachment[0], &wait->waiter);
}

void check_pages(struct remote *remote, uint32_t layer, uint64_t page, uint64_t end)
{
	const uint64_t *map = mmap(NULL, fake.lengths[layer], PROT_READ, MAP_PRIVATE,
	                           remote_layer_fd(remote, layer), 0);

	ck_assert_ptr_ne(map, MAP_FAILED);
	for (; page < end; page++) {
		ck_assert(remote_present(remote, layer, page));
		ck_assert_uint_eq(map[page * RM_PAGE / 8],
		                  fake_hole(layer, page) ? 0 : fake_word(layer, page));
	}
	munmap((void *)(uintptr_t)map, fake.lengths[layer]);
}

void check_all(struct remote *remote)
{
	uint32_t i;

	ck_assert(remote_complete(remote));
	for (i = 0; i < FAKE_LAYERS; i++)
		check_pages(remote, i, 0, fake.lengths[i] / RM_PAGE);
}

void restore_from(struct fake_record *saved)
{
	unsigned i;

	memset(fake.records, 0, sizeof fake.records);
	remotes_free(fake.remotes);
	fake.remotes = remotes_new(&fake.context, NULL);
	for (i = 0; i < FAKE_RECORDS; i++) {
		if (!saved[i].record.type)
			continue;
		saved[i].record.data = saved[i].data;
		saved[i].record.fds = saved[i].fds;
		remotes_restore(fake.remotes, &saved[i].record);
	}
}

void restore(void)
{
	struct fake_record saved[FAKE_RECORDS];

	memcpy(saved, fake.records, sizeof saved);
	restore_from(saved);
}

struct remote *restart_with(struct fake_record *saved)
{
	struct remote *remote;

	restore_from(saved);
	remote = remotes_find(fake.remotes, fake.handle.id);
	ck_assert_ptr_nonnull(remote);
	memset(&fake.attachment[0].remote, 0, sizeof(void *));
	remote_reattach(remote, &fake.attachment[0]);
	return remote;
}

struct remote *restart(void)
{
	struct fake_record saved[FAKE_RECORDS];

	memcpy(saved, fake.records, sizeof saved);
	return restart_with(saved);
}
