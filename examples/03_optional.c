/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 03_optional - use rmmap if it is present, and do without it if not
 *
 * cc -o 03_optional 03_optional.c        (not linked with rmmap)
 * ./03_optional                          without: writes the numbers as text
 * RMMAP_HEAP=shared rmmap run ./03_optional       with: prints a handle
 *
 * The functions are found by dlsym(). A weak reference works only in a position-independent
 * program; in others it is always NULL. A program that imports no rmmap function gives the library
 * no hint that it will publish, so RMMAP_HEAP=shared says it.
 */
#include <dlfcn.h>
#include <rmmap.h>
#include <stdio.h>
#include <stdlib.h>

struct number {
	struct number *next;
	int value;
};

static struct number *numbers_new(int count)
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
	struct number *first = numbers_new(10);
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
