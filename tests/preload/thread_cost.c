/* SPDX-License-Identifier: BSD-2-Clause */
/* thread_cost - so many threads, one after the other, that allocate once and free it */
#include "preload.h"

#include <pthread.h>

static void *once(void *arg)
{
	void *p = malloc(16);

	OPAQUE(p);
	CHECK(p);
	free(p);
	return arg;
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 1;

	for (int i = 0; i < count; i++) {
		pthread_t thread;

		CHECK(pthread_create(&thread, NULL, once, NULL) == 0);
		CHECK(pthread_join(thread, NULL) == 0);
	}
	return 0;
}
