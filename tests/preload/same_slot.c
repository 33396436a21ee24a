/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * same_slot - publisher and consumer chose one slot: what is attached lies beside the
 * consumer's heap, is told from it, and is grown around. Publishes, or attaches the argument
 */
#include "preload.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>

#include "rmmap.h"

#define SIZE ((size_t)3 << 20)
#define GIB ((size_t)1 << 30)

/* The compiler knows that memory is gone after free(); here it is not. */
static void (*volatile give_back)(void *) = free;
static void *(*volatile resize)(void *, size_t) = realloc;

struct block {
	struct block *small;
	unsigned char bytes[SIZE];
};

static int publish(void)
{
	struct block *block = malloc(sizeof(*block));
	char handle[RMMAP_HANDLE_MAX];

	CHECK(block);
	block->small = malloc(40);
	CHECK(block->small);
	memset(block->small, 7, 40);
	memset(block->bytes, 9, SIZE);
	if (rmmap_publish(block, handle, sizeof(handle))) {
		fprintf(stderr, "same_slot: %s\n", rmmap_error());
		return 1;
	}
	puts(handle);
	return 0;
}

static void intact(const struct block *block)
{
	for (size_t i = 0; i < SIZE; i += 511)
		CHECK(block->bytes[i] == 9);
	CHECK(((unsigned char *)block->small)[39] == 7);
}

int main(int argc, char **argv)
{
	struct block *block;
	unsigned char *moved;
	void *large[3];

	if (argc < 2)
		return publish();
	block = rmmap_attach(argv[1]);
	if (!block) {
		fprintf(stderr, "same_slot: %s\n", rmmap_error());
		return 1;
	}
	CHECK(slot_of(block) == fresh_slot());
	intact(block);

	errno = 77;
	CHECK(malloc_usable_size(block) == 0);
	give_back(block->small);
	give_back(block);
	CHECK(errno == 77);
	intact(block);
	moved = resize(block->small, (size_t)64 << 20);        /* more than can be read there */
	CHECK(moved && moved[0] == 7 && moved[39] == 7);
	CHECK(malloc_usable_size(moved) >= (size_t)64 << 20);
	free(moved);
	errno = 0;
	CHECK(resize(block, (size_t)1 << 40) == NULL && errno == ENOMEM);
	intact(block);

	/* the heap grows through all of the slot, and beyond */
	for (int i = 0; i < 3; i++) {
		large[i] = malloc(24 * GIB);
		CHECK(large[i] && in_window(large[i]));
		memset(large[i], i, 4096);
	}
	intact(block);
	for (int i = 0; i < 3; i++) {
		CHECK(((char *)large[i])[4095] == i);
		free(large[i]);
	}
	CHECK(rmmap_detach(block) == 0);
	CHECK(fresh_slot() < RM_WINDOW_SLOTS);
	puts("ok");
	return 0;
}
