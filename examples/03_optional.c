/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 03_optional - use rmmap where it is present, do without it where it is not
 *
 * cc -o 03_optional 03_optional.c        (not linked with rmmap)
 * ./03_optional                          without: writes the numbers out as text
 * RMMAP_HEAP=shared rmmap run ./03_optional       with: prints a handle
 *
 * The calls are looked up by dlsym. A weak reference would do the same in a
 * position-independent program only: elsewhere it is NULL for good. Nothing
 * shows the library that this program publishes, hence RMMAP_HEAP=shared.
 */
#include <dlfcn.h>
#include <rmmap.h>
#include <stdio.h>
#include <stdlib.h>

struct number {
	struct number *next;
	int value;
};

static struct number *numbers(int count)
{
	struct number *first = NULL;

	for (int i = count; i > 0; i--) {
		struct number *n = malloc(sizeof(*n));

		if (!n)
			exit(1);
		n->value = i;
		n->next = first;
		first = n;
	}
	return first;
}

int main(void)
{
	int (*publish)(const void *, char *, size_t);
	const char *(*error)(void);
	struct number *first = numbers(10);
	char handle[RMMAP_HANDLE_MAX];

	*(void **)&publish = dlsym(RTLD_DEFAULT, "rmmap_publish");
	*(void **)&error = dlsym(RTLD_DEFAULT, "rmmap_error");
	if (!publish || !error) {
		for (; first; first = first->next)
			printf("%d%c", first->value, first->next ? ' ' : '\n');
		return 0;
	}
	if (publish(first, handle, sizeof(handle)) < 0) {
		fprintf(stderr, "03_optional: %s\n", error());
		return 1;
	}
	puts(handle);
	return 0;
}
