/* SPDX-License-Identifier: BSD-2-Clause */
/* served_helper.c: who helps whom; and the bodies of the messages between the two */
#include "../unit.h"

#include "../../../src/daemon/peer/served.h"

#define MANY 3000

static struct context context;
static struct publication publications[2];

static struct peer_served *come(struct peers *peers, unsigned n, unsigned publication, bool whole,
                                bool again)
{
	struct peer_served *served = calloc(1, sizeof(*served));

	ck_assert_ptr_nonnull(served);
	served->peers = peers;
	served->publication = &publications[publication];
	served->whole = whole;
	memcpy(served->host, &n, sizeof(n));
	served->next = peers->served;
	peers->served = served;
	helper_choose(served, again);
	return served;
}

static void leave(struct peer_served *served)
{
	struct peer_served **link = &served->peers->served;

	while (*link != served)
		link = &(*link)->next;
	*link = served->next;
	helper_forget(served);
	free(served);
}

static unsigned depth(const struct peer_served *served)
{
	return served->helper ? 1 + depth(served->helper) : 1;
}

static unsigned direct(const struct peers *peers)
{
	const struct peer_served *served;
	unsigned n = 0;

	for (served = peers->served; served; served = served->next)
		n += !served->helper;
	return n;
}

START_TEST(a_tree)
{
	struct peers peers = { .context = &context };
	struct peer_served *served;
	unsigned deepest = 0;

	context.options.fan_out = 4;
	for (unsigned i = 1; i <= MANY; i++)
		come(&peers, i, 0, true, false);
	ck_assert_uint_eq(direct(&peers), 4);
	for (served = peers.served; served; served = served->next) {
		ck_assert_uint_le(served->helped, 4);
		deepest = depth(served) > deepest ? depth(served) : deepest;
	}
	ck_assert_uint_eq(deepest, 6);          /* 4 + 16 + 64 + 256 + 1024 are 1364 */
	while (peers.served)
		leave(peers.served);
}
END_TEST

START_TEST(who_is_no_helper)
{
	struct peers peers = { .context = &context };
	struct peer_served *lazy, *whole, *served, *other;

	context.options.fan_out = 1;
	lazy = come(&peers, 1, 0, false, false);
	whole = come(&peers, 2, 0, true, false);
	ck_assert_ptr_null(whole->helper);              /* there was only a lazy one */
	served = come(&peers, 3, 0, false, false);
	ck_assert_ptr_eq(served->helper, whole);
	other = come(&peers, 4, 0, true, false);
	ck_assert_ptr_null(other->helper);              /* it helps one already */
	ck_assert_ptr_null(come(&peers, 5, 1, true, false)->helper);    /* another publication */
	ck_assert_ptr_null(come(&peers, 6, 0, true, true)->helper);     /* had a session before */
	leave(whole);
	ck_assert_ptr_null(served->helper);
	leave(served);
	lazy->whole = true;                             /* as a renewal tells */
	served = come(&peers, 7, 0, false, false);
	ck_assert_ptr_eq(served->helper, lazy);
	ck_assert_uint_eq(lazy->helped, 1);
	leave(served);
	ck_assert_uint_eq(lazy->helped, 0);
	served = come(&peers, 1, 0, false, false);      /* the same host, without its session */
	ck_assert_ptr_ne(served->helper, lazy);
	context.options.fan_out = 0;
	ck_assert_ptr_null(come(&peers, 8, 0, true, false)->helper);
	while (peers.served)
		leave(peers.served);
}
END_TEST

START_TEST(bodies)
{
	struct peer_pages_body pages = { .layer = 3, .count = PEER_PAGES_MAX, .page = 77,
	                                 .leave = true, .done_count = PEER_DONE_MAX }, pages2;
	struct peer_granted_body granted = { .here = true, .base = 1u << 31, .key = 99 }, granted2;
	uint8_t bytes[256];
	size_t size;

	for (unsigned i = 0; i < PEER_DONE_MAX; i++)
		pages.done[i] = UINT64_MAX - i;
	size = peer_put_pages(&pages, bytes);
	ck_assert_int_eq(peer_get_pages(bytes, size, &pages2), 0);
	ck_assert(pages2.layer == 3 && pages2.count == PEER_PAGES_MAX && pages2.page == 77 &&
	          pages2.leave && pages2.done_count == PEER_DONE_MAX);
	ck_assert(memcmp(pages.done, pages2.done, sizeof(pages.done)) == 0);
	ck_assert_int_eq(peer_get_pages(bytes, size - 8, &pages2), -EINVAL);
	bytes[9]++;                             /* 256 pages more */
	ck_assert_int_eq(peer_get_pages(bytes, size, &pages2), -EINVAL);
	size = peer_put_granted(&granted, bytes);
	ck_assert_int_eq(peer_get_granted(bytes, size, &granted2), 0);
	ck_assert(granted2.here && granted2.base == granted.base && granted2.key == 99);
	ck_assert_int_eq(peer_get_granted(bytes, size - 1, &granted2), -EINVAL);
}
END_TEST

int main(void)
{
	const struct unit_test tests[] = { { a_tree, 0 }, { who_is_no_helper, 0 }, { bodies, 0 } };

	return unit_run("fanout", tests, COUNT(tests));
}
