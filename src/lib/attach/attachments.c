/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * attachments.c - what is attached to this process, and the lock over it
 *
 * Any thread. One lock covers all lists of this room. It is held around fork, and taken before the
 * connection's. It is not held while rmmapd fetches for an attach, so that realloc() of attached
 * memory on another thread does not wait for a network. Allocates in struct array only.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "../../common/handle.h"
#include "../../common/say.h"
#include "internal.h"

struct attached {
	uint64_t serial;                /* ascending, from 1; the owner of its struct mapped */
	uint8_t id[RM_ID_BYTES];        /* of the publication: at most one entry with a count */
	uint64_t root;
	unsigned count;                 /* attaches less detaches; 0: see attached_drop() */
	uint64_t number;                /* rmmapd's number for it; 0: the parent's, not ours */
	unsigned era;                   /* which rmmapd gave the number */
	struct lazy_link lazy;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct array attachments = { .item = sizeof(struct attached) };
static uint64_t last_serial;            /* 0: nothing was attached yet. Never reused, since a
                                           publish compares serials with those of the last one */

static struct attached *attached_at(size_t i)
{
	return (struct attached *)attachments.data + i;
}

/* The attachment of this publication, unless its last detach has come. */
static struct attached *attached_find(const uint8_t id[RM_ID_BYTES])
{
	for (size_t i = 0; i < attachments.count; i++)
		if (attached_at(i)->count && memcmp(attached_at(i)->id, id, RM_ID_BYTES) == 0)
			return attached_at(i);
	return NULL;
}

static void conflict_tell(const struct offer *offer, const struct conflict *conflict, char *why)
{
	char there[9] = "another", new[9];

	for (size_t i = 0; i < attachments.count; i++)
		if (attached_at(i)->serial == conflict->owner)
			rm_short_id(attached_at(i)->id, there);
	rm_short_id(offer->id, new);
	rm_format(why, RM_TEXT_MAX, "publications %s (attached) and %s differ in what is at "
	          "0x%llx; detach the one, or publish from processes in different slots", there,
	          new, (unsigned long long)conflict->addr);
}

/* Have rmmapd serve absent pages of what was mapped. 0, or -errno with why. */
static int attached_make_lazy(struct attached *a, char *why)
{
	int error = lazy_register(&a->lazy, map_of(a->serial));

	if (error) {
		rm_format(why, RM_TEXT_MAX, "userfaultfd: %s", rm_errno_text(-error));
		return error;
	}
	error = lazy_hand_over(&a->lazy, a->number, a->era, why);
	if (error && !why[0])
		rm_format(why, RM_TEXT_MAX, "rmmapd: %s", rm_errno_text(-error));
	return error;
}

static int attached_map(struct attached *a, const struct offer *offer, uint64_t *own_left, char
                        *why)
{
	struct conflict conflict;
	int error = map_snapshot(offer, a->serial, own_left, &conflict, why);

	if (error && conflict.owner)
		conflict_tell(offer, &conflict, why);
	if (!error && offer->lazy) {
		error = attached_make_lazy(a, why);
		if (error) {
			/* Unmap first: without the userfaultfd absent pages would read as zeros. */
			map_drop(a->serial);
			lazy_close(&a->lazy);
		}
	}
	return error;
}

static int attached_new(const struct offer *offer, uint64_t *own_left, char *why)
{
	struct attached *a = array_add(&attachments);
	int error;

	if (!a)
		return -ENOMEM;
	a->serial = ++last_serial;
	memcpy(a->id, offer->id, RM_ID_BYTES);
	a->root = offer->table.root;
	a->count = 1;
	a->number = offer->number;
	a->era = offer->era;
	error = attached_map(a, offer, own_left, why);
	if (error)
		array_remove(&attachments, attachments.count - 1);
	return error;
}

bool attached_again(const uint8_t id[RM_ID_BYTES], uint64_t *root)
{
	struct attached *a;

	own_lock(&lock);
	a = attached_find(id);
	if (a) {
		a->count++;
		*root = a->root;
	}
	own_unlock(&lock);
	return a != NULL;
}

int attached_add(const struct offer *offer, uint64_t *own_left, char *why)
{
	struct attached *other;
	int error;

	*own_left = 0;
	own_lock(&lock);
	other = attached_find(offer->id);
	if (other)
		other->count++;
	error = other ? -EEXIST : attached_new(offer, own_left, why);
	own_unlock(&lock);
	return error;
}

/* All pages are here: make it ordinary memory, which needs no rmmapd. */
static void attached_settle(struct attached *a)
{
	lazy_release(&a->lazy, &map_of(a->serial)->runs);
	map_settled(a->serial);
}

/*
 * After the last detach. Memory that stays mapped for another attachment must not depend on this
 * one's pager, so all pages are fetched first. If that fails, everything stays as it is, with a
 * count of 0, since absent pages would become zeros.
 */
static void attached_drop(struct attached *a)
{
	if (a->lazy.active && map_lends(a->serial)) {
		if (lazy_complete(a->number, a->era))
			return;
		attached_settle(a);
	}
	map_drop(a->serial);
	attach_tell_detach(a->number, a->era);
	lazy_close(&a->lazy);
	array_remove(&attachments, (size_t)(a - attached_at(0)));
}

/* Drop all without a count, also those that could not be dropped earlier. */
static void attached_drop_unused(void)
{
	for (size_t i = attachments.count; i-- > 0;)
		if (!attached_at(i)->count)
			attached_drop(attached_at(i));
}

bool attached_remove(uint64_t root)
{
	size_t i;

	own_lock(&lock);
	for (i = attachments.count; i > 0; i--)
		if (attached_at(i - 1)->root == root && attached_at(i - 1)->count)
			break;
	if (i > 0 && --attached_at(i - 1)->count == 0)
		attached_drop_unused();
	own_unlock(&lock);
	return i > 0;
}

void attached_lock(void)
{
	own_lock(&lock);
}

void attached_unlock(void)
{
	own_unlock(&lock);
}

uint64_t attached_serial(void)
{
	return last_serial;
}

uint64_t attach_end(uint64_t addr)
{
	uint64_t end;

	if (!map_any())
		return 0;
	own_lock(&lock);
	end = map_end(addr);
	own_unlock(&lock);
	return end;
}

/*
 * A child would read zeros where a page is absent, so lazy attachments are completed first. If that
 * fails, the mapping is not inherited (MADV_DONTFORK).
 */
void attach_prefork(void)
{
	own_lock(&lock);
	for (size_t i = 0; i < attachments.count; i++)
		if (attached_at(i)->lazy.active &&
		    lazy_complete(attached_at(i)->number, attached_at(i)->era) == 0)
			attached_settle(attached_at(i));
}

void attach_parent(void)
{
	own_unlock(&lock);
}

/* rmmapd knows only the parent's attachment: a child's detach unmaps, and tells nobody. */
void attach_child(void)
{
	for (size_t i = 0; i < attachments.count; i++) {
		struct attached *a = attached_at(i);

		/*
		 * Still active: prefork could not complete it, so its memory was not inherited.
		 */
		if (a->lazy.active) {
			map_nothing(a->serial);
			lazy_close(&a->lazy);
		}
		a->number = 0;
	}
	own_unlock(&lock);
}
