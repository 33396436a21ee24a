/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench.h - clocks, medians and whole reads and writes for the programs here
 *
 * A figure is a ratio of two medians of one run: both sides take turns in it, so
 * that what disturbs the machine disturbs both.
 */
#ifndef RM_BENCH_H
#define RM_BENCH_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static inline double bench_now(void)    /* seconds; comparable between processes */
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline int bench_less(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static inline double bench_median(double *values, size_t count)
{
	qsort(values, count, sizeof *values, bench_less);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static inline void bench_die(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

static inline void bench_write(int fd, const void *data, size_t length)
{
	const char *p = data;

	while (length) {
		const ssize_t n = write(fd, p, length);

		if (n <= 0)
			bench_die("a write fell short");
		p += n;
		length -= (size_t)n;
	}
}

static inline size_t bench_read(int fd, void *data, size_t length)     /* until length or the end */
{
	size_t got = 0;

	while (got < length) {
		const ssize_t n = read(fd, (char *)data + got, length - got);

		if (n < 0)
			bench_die("a read failed");
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return got;
}

#endif
