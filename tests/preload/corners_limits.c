/* SPDX-License-Identifier: BSD-2-Clause */
/* corners_limits - limits of address space, memory, descriptors; slots and a window that are full */
#include "corners.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
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
