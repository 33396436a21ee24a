/* SPDX-License-Identifier: BSD-2-Clause */
/* corners_limits - limits of address space, memory, descriptors; slots and a window that are full */
#include "corners.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

/* malloc() until it fails, with ENOMEM, or has given so many blocks: all of them are freed. */
static size_t exhaust(size_t size, size_t at_most)
{
	void **last = NULL;
	size_t count = 0;

	while (count < at_most) {
		void **p;

		errno = 0;
		p = malloc(size);
		if (!p) {
			CHECK(errno == ENOMEM);
			break;
		}
		*p = last;
		last = p;
		count++;
	}
	errno = 0;
	CHECK(!realloc(last, SIZE_MAX / 4) && errno == ENOMEM);
	while (last) {
		void **next = *last;

		free(last);
		last = next;
	}
	return count;
}

static void limit_to(int resource, size_t bytes)
{
	struct rlimit limit;

	CHECK(getrlimit(resource, &limit) == 0);
	limit.rlim_cur = bytes;
	CHECK(setrlimit(resource, &limit) == 0);
}

void corner_address_space(void)
{
	size_t now, count;

	use_heap();
	publish(WORKS);
	now = (size_t)status_kb("VmSize:") * 1024;
	limit_to(RLIMIT_AS, now + 100 * MIB);
	count = exhaust(5 * MIB, 40);
	CHECK(count >= 10 && count < 40);
	count = exhaust(3000, 80000);
	CHECK(count >= 3000 && count < 80000);
	CHECK(exhaust(3000, 80000) >= 1000);
	publish(TELLS);
}

struct taker {
	void *(*take)(size_t size);
	size_t size, at_most, count;
};

static void *by_calloc(size_t size)
{
	return calloc(size, 1);
}

static void *by_realloc(size_t size)
{
	char *p = malloc(24), *q;

	if (!p)
		return NULL;
	memset(p, 'k', 24);
	q = realloc(p, size);
	if (!q)
		free(p);
	CHECK(!q || (q[0] == 'k' && q[23] == 'k'));
	return q;
}

static void *by_memalign(size_t size)
{
	void *p = NULL;
	int error = posix_memalign(&p, 4096, size);

	CHECK(error == 0 ? p && (uintptr_t)p % 4096 == 0 : error == ENOMEM && !p);
	return p;
}

static void *take_all(void *arg)
{
	struct taker *t = arg;
	char *last = NULL, *p;

	for (t->count = 0; t->count < t->at_most && (p = t->take(t->size)); t->count++) {
		for (size_t i = 0; t->take == by_calloc && i < t->size; i++)
			CHECK(p[i] == 0);
		memset(p, 'x', t->size);
		memcpy(p, &last, sizeof(last));
		last = p;
	}
	while ((p = last)) {
		memcpy(&last, p, sizeof(last));
		CHECK(p[t->size - 1] == 'x');
		free(p);
	}
	return NULL;
}

/* What one thread has freed is there for the others, whose arenas may grow no more. */
void corner_other_threads(void)
{
	static void *(*const takes[])(size_t) = { malloc, by_calloc, by_realloc, by_memalign };
	static const size_t sizes[] = { 9 * MIB, 5 * MIB, 900000, 100000, 5000, 300 };

	limit_to(RLIMIT_AS, (size_t)status_kb("VmSize:") * 1024 + 150 * MIB);
	for (size_t i = 0; i < sizeof(takes) / sizeof(*takes) * sizeof(sizes) / sizeof(*sizes); i++) {
		size_t size = sizes[i % (sizeof(sizes) / sizeof(*sizes))];
		struct taker here = { .take = takes[i * sizeof(*sizes) / sizeof(sizes)], .size = size };
		struct taker there;
		pthread_t thread;

		/* memalign takes up to a page more */
		here.at_most = 60 * MIB / (here.take == by_memalign ? size + 4096 : size);
		there = here;
		take_all(&here);
		CHECK(pthread_create(&thread, NULL, take_all, &there) == 0);
		CHECK(pthread_join(thread, NULL) == 0);
		if (there.count < here.count - here.count / 8 || !here.count)
			printf("%zu bytes, way %zu: %zu blocks, in another thread %zu\n", size,
			       i * sizeof(*sizes) / sizeof(sizes), here.count, there.count);
		CHECK(here.count && there.count >= here.count - here.count / 8);
	}
	use_heap_here();
	publish(TELLS);
}

/* It counts what strict overcommit would, private memory that can be written; no memfd. */
void corner_data_limit(void)
{
	size_t now;

	use_heap();
	now = (size_t)status_kb("VmData:") * 1024;
	limit_to(RLIMIT_DATA, now + 100 * MIB);
	CHECK(exhaust(5 * MIB, 40) >= 10);
	use_heap_here();
	publish(TELLS);
	limit_to(RLIMIT_DATA, now / 2);
	CHECK(exhaust(3000, 40) >= 1);
	exhaust(MIB, 100);
	publish(TELLS);
}

/* A fork makes private memory of the whole heap, which has to have room below the limit. */
void corner_data_fork(void)
{
	int status;
	pid_t pid;
	char *p;

	limit_to(RLIMIT_DATA, (size_t)status_kb("VmData:") * 1024 + 60 * MIB);
	use_heap_here();
	exhaust(MIB, 200);
	p = malloc(MIB);
	CHECK(p);
	memset(p, 'p', MIB);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		p[0] = 'c';
		_exit(p[MIB - 1] == 'p' ? 0 : 1);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0 && p[0] == 'p');
	use_heap_here();
	publish(TELLS);
}

/* vm.overcommit_memory=2 charges for address space: none is taken in advance. */
void corner_committed(void)
{
	use_heap_here();
	printf("%ld kB of private memory that can be written\n", status_kb("VmData:"));
	CHECK(status_kb("VmData:") < 48 * 1024);
	CHECK(status_kb("VmSize:") < 96 * 1024);
	publish(WORKS);
}

void corner_mlockall(void)
{
	if (mlockall(MCL_CURRENT | MCL_FUTURE)) {
		printf("mlockall: %s\n", strerror(errno));
		exit(77);
	}
	use_heap();
	publish(WORKS);
	use_heap();
	publish(WORKS);
}

void corner_mlockall_ordinary(void)
{
	limit_to(RLIMIT_MEMLOCK, 0);
	CHECK(mlockall(MCL_CURRENT | MCL_FUTURE) != 0);
	use_heap_here();
	publish(TELLS);
}

/* 40 GiB from somewhere in the first half of a slot, twice: the second is in another slot. */
void corner_full_slot(void)
{
	char *first = malloc(40 * GIB), *second = malloc(40 * GIB), *small;

	if (!first || !second) {
		puts("80 GiB of address space cannot be had");
		exit(77);
	}
	CHECK(in_window(first) && in_window(second + 40 * GIB - 1));
	CHECK(slot_of(first) != slot_of(second));
	first[0] = first[40 * GIB - 1] = second[0] = second[40 * GIB - 1] = 1;
	small = malloc(100);
	CHECK(small && in_window(small));
	use_heap();
	publish(WORKS);
	free(first);
	free(second);
	errno = 0;
	CHECK(!malloc(65 * GIB) && errno == ENOMEM);
	use_heap();
	publish(WORKS);
}

/* The end of the window is ENOMEM. */
void corner_full_window(void)
{
	printf("%zu blocks of 30 GiB\n", exhaust(30 * GIB, 4096));
	use_heap_here();
	publish(TELLS);
}

/* Memory files count for it, and what is beyond is SIGXFSZ. */
void corner_file_size(void)
{
	char *p;

	limit_to(RLIMIT_FSIZE, MIB);
	use_heap();
	p = malloc(50 * MIB);
	CHECK(p);
	memset(p, 'f', 50 * MIB);
	free(p);
	publish(TELLS);
	use_heap();
}

void corner_descriptors(void)
{
	int fd, count = 0;

	use_heap_here();
	while ((fd = open("/dev/null", O_RDONLY)) >= 0)
		count++;
	CHECK(errno == EMFILE && count > 0);
	use_heap();
	publish(TELLS);
	for (fd = 3; fd < count; fd++)
		close(fd);
	publish(WORKS);
}
