/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * retained.c - large free extents whose pages stay, for the next block at their addresses
 *
 * jemalloc gives large free extents back at once. In a program that allocates and frees large
 * blocks again and again, all pages would be faulted in each time (stock jemalloc takes 5 to 8
 * times as long as glibc for that). So an extent that is given back for the second time within
 * a second keeps its pages. They are cleared when the extent is used again, which costs a sixth
 * of faulting them in.
 *
 * This never raises the heap's peak: when other memory comes into use, as many retained bytes are
 * released. Under the hooks' lock, except for retained_clear(). Allocates nothing.
 */
#include "backing.h"

#include <string.h>
#include <sys/mman.h>

#include "pages.h"
#include "retained.h"

#define PIECE_SHIFT 21          /* a piece is 2 MiB of addresses */
#define PIECES 4096             /* entries of the table of times */
#define SOON_MS 1000            /* an extent is retained for so long at most */
#define SAMPLE 64               /* pages that extent_used() reads */

static struct retained_range retained[RETAINED_MAX];    /* oldest first, without overlap */
static unsigned range_count;            /* entries in use; retained_bytes is the sum of lengths */

uint64_t retained_bytes;

static void retained_bytes_add(uint64_t n)
{
	__atomic_store_n(&retained_bytes, retained_bytes + n, __ATOMIC_RELAXED);
}

/* The pages read as zeros afterwards, also if the kernel does not take them (mlock(2)). */
static void pages_give_back(uint64_t addr, uint64_t length)
{
	if (policy_publishes() ? pages_free(addr, length, false) : backing_purge_forced(addr, length))
		memset((void *)addr, 0, length);
}

static void range_remove(unsigned i)
{
	retained_bytes_add(-retained[i].length);
	memmove(&retained[i], &retained[i + 1], (--range_count - i) * sizeof(retained[0]));
}

static void range_release_oldest(void)
{
	pages_give_back(retained[0].addr, retained[0].length);
	range_remove(0);
}

static void range_insert(unsigned i, uint64_t addr, uint64_t end, uint32_t ms)
{
	if (addr >= end)
		return;
	if (range_count == RETAINED_MAX) {
		pages_give_back(addr, end - addr);
		return;
	}
	memmove(&retained[i + 1], &retained[i], (range_count++ - i) * sizeof(retained[0]));
	retained[i] = (struct retained_range){ .addr = addr, .length = end - addr, .ms = ms };
	retained_bytes_add(end - addr);
}

/*
 * Was this extent given back a moment ago? A table has, for each piece of addresses, when it was
 * last given back; pieces that share an entry displace each other. The middle piece is asked.
 */
static bool extent_comes_back(uint64_t addr, uint64_t length, uint32_t now)
{
	static uint64_t given[PIECES];  /* the piece's number << 32 | milliseconds */
	uint64_t first = addr >> PIECE_SHIFT, last = (addr + length - 1) >> PIECE_SHIFT;
	uint64_t middle = (first + last) / 2, seen = given[middle % PIECES];

	for (uint64_t i = first; i <= last && i - first < PIECES; i++)
		given[i % PIECES] = i << 32 | now;
	return seen >> 32 == middle && now - (uint32_t)seen < SOON_MS;
}

void retained_expire(void)
{
	uint32_t now = range_count ? pages_now_ms() : 0;

	while (range_count && now - retained[0].ms >= SOON_MS)
		range_release_oldest();
}

static bool page_zeros(uint64_t page)
{
	const uint64_t *word = (const uint64_t *)page;

	/* The first word is zero, and each other word equals the one before it. */
	return !word[0] && memcmp(word, word + 1, RM_PAGE - sizeof(*word)) == 0;
}

/*
 * Do most pages of the extent have content? If a small part of a block was used, retaining and
 * clearing it would make all of it resident. mincore() would tell exactly which pages are there,
 * but a program under a seccomp filter may be killed for a system call that no other malloc
 * makes. So pages are read, one at an irregular place in each of SAMPLE equal parts. A page that
 * was never written reads as zeros, which takes no memory in an anonymous mapping. The program may
 * have made pages inaccessible: hence mprotect().
 */
static bool extent_used(uint64_t addr, uint64_t length)
{
	uint64_t part = length / SAMPLE / RM_PAGE;
	unsigned none = 0;

	if (mprotect((void *)addr, length, PROT_READ | PROT_WRITE))
		return false;
	for (uint64_t i = 0; i < SAMPLE && none <= SAMPLE / 8; i++)
		none += page_zeros(addr + (i * part + i * 0x9e3779b1u % part) * RM_PAGE);
	return none <= SAMPLE / 8;
}

bool retained_add(uint64_t addr, uint64_t length)
{
	uint32_t now;

	if (length < RETAINED_MIN)
		return false;
	now = pages_now_ms();
	if (!extent_comes_back(addr, length, now) || !extent_used(addr, length) ||
	    !backing_retain(addr, length))
		return false;
	if (range_count == RETAINED_MAX)
		range_release_oldest();
	range_insert(range_count, addr, addr + length, now);
	return true;
}

void retained_release(uint64_t length)
{
	while (range_count && length) {
		if (retained[0].length <= length) {
			length -= retained[0].length;
			range_release_oldest();
			continue;
		}
		retained[0].length -= length;
		retained_bytes_add(-length);
		pages_give_back(retained[0].addr + retained[0].length, length);
		return;
	}
}

unsigned retained_take(uint64_t addr, uint64_t length, struct retained_range *taken)
{
	uint64_t end = addr + length;
	unsigned n = 0;

	for (unsigned i = 0; i < range_count && n < RETAINED_MAX;) {
		struct retained_range k = retained[i];
		uint64_t k_end = k.addr + k.length;

		if (k.addr >= end || k_end <= addr) {
			i++;
			continue;
		}
		range_remove(i);
		range_insert(i, end, k_end, k.ms);
		range_insert(i, k.addr, addr, k.ms);
		taken[n].addr = k.addr > addr ? k.addr : addr;
		taken[n].length = (k_end < end ? k_end : end) - taken[n].addr;
		n++;
	}
	return n;
}

/* Writes only to pages with content: the kernel may have taken some, some were never written. */
void retained_clear(const struct retained_range *range)
{
	uint64_t end = range->addr + range->length;

	for (uint64_t at = range->addr; at < end; at += RM_PAGE)
		if (!page_zeros(at))
			memset((void *)at, 0, RM_PAGE);
}
