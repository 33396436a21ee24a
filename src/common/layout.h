/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * layout.h - the window of addresses, and what two processes must agree on
 *
 * The window has slots of 64 GiB. A process has its heap in one slot, and publications are
 * attached at the addresses that they were built at. Constants and pure functions: any thread,
 * no allocation.
 */
#ifndef RM_LAYOUT_H
#define RM_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config-build.h"       /* RM_WINDOW_BASE, RM_WINDOW_SLOTS: --with-window */

#define RM_PAGE_SHIFT 12
#define RM_PAGE ((uint64_t)1 << RM_PAGE_SHIFT)
#define RM_SLOT_SHIFT 36
#define RM_SLOT_SIZE ((uint64_t)1 << RM_SLOT_SHIFT)     /* 64 GiB */
#define RM_WINDOW_END (RM_WINDOW_BASE + RM_WINDOW_SLOTS * RM_SLOT_SIZE)
#define RM_SLOTS_MAX 1024
#define RM_LAYER_MAX ((uint64_t)64 << 20)               /* bytes in one layer */

#define RM_ID_BYTES 16
#define RM_SECRET_BYTES 32

/*
 * The layout of a program's addresses. Handles, hellos and saved files state their maker's: if
 * it differs from this program's, pointers mean nothing here, and the error is EPROTO.
 */
struct rm_layout {
	uint64_t window_base;
	uint32_t window_slots;
	uint8_t page_shift;
	uint8_t slot_shift;
	uint8_t big_endian;
	uint8_t pointer_bytes;
};

static inline struct rm_layout rm_layout_here(void)
{
	const uint16_t probe = 1;
	struct rm_layout l = {
		.window_base = RM_WINDOW_BASE,
		.window_slots = RM_WINDOW_SLOTS,
		.page_shift = RM_PAGE_SHIFT,
		.slot_shift = RM_SLOT_SHIFT,
		.big_endian = *(const uint8_t *)&probe == 0,
		.pointer_bytes = sizeof(void *),
	};
	return l;
}

/* ---- layout.c ---- */
bool rm_layout_same(const struct rm_layout *a, const struct rm_layout *b);
/*
 * Describe the first difference and its remedy in one sentence: "the publisher's window of
 * addresses is 0x...:8, this program's is 0x...:1024: ...". whose and ours are the genitives in
 * it ("the publisher's", "this program's").
 */
void rm_layout_difference(const char *whose, const struct rm_layout *there, const char *ours,
                          char *text, size_t size);

static inline bool rm_in_window(uint64_t addr)
{
	return addr - RM_WINDOW_BASE < RM_WINDOW_SLOTS * RM_SLOT_SIZE;
}

static inline unsigned rm_slot_of(uint64_t addr)
{
	return (unsigned)((addr - RM_WINDOW_BASE) >> RM_SLOT_SHIFT);
}

static inline uint64_t rm_slot_base(unsigned slot)
{
	return RM_WINDOW_BASE + (uint64_t)slot * RM_SLOT_SIZE;
}

static inline uint64_t rm_page_down(uint64_t x)
{
	return x & ~(RM_PAGE - 1);
}

static inline uint64_t rm_page_up(uint64_t x)
{
	return (x + RM_PAGE - 1) & ~(RM_PAGE - 1);
}

#endif
