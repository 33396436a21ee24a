/* SPDX-License-Identifier: BSD-2-Clause */
/* ifunc - the first malloc of the process comes from a resolver, before libc is set up */
#include "preload.h"

static void *early;

static int one(void)
{
	return 1;
}

static int (*resolve(void))(void)
{
	early = malloc(100);
	return one;
}

int chosen(void) __attribute__((ifunc("resolve")));

int main(void)
{
	CHECK(chosen() == 1);
	CHECK(early && in_window(early));
	CHECK(slot_of(early) == fresh_slot());
	free(early);
	puts("ok");
	return 0;
}
