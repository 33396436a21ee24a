/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * side - one side of a handover, started by pair for each measurement, so that its memory
 * is as fresh in every way
 *
 *   side produce|consume WAY KIND BYTES TOUCH LINK REPORT SAME
 *
 * LINK and REPORT are descriptors: the connection, and a pipe to pair. Built twice: "mapped"
 * is linked with librmmap and has that way only; "plain" has libc's malloc and all others.
 */
#include "ways.h"

#define SMALL (1u << 20)        /* up to here a handover is made before the one that counts */
#define PINGS 32

static const struct way *const ways[] = {
#ifdef WITH_RMMAP
	&way_rmmap,
#else
	&way_fi_read,
	&way_binary,
	&way_fork,
	&way_shm,
#ifdef WITH_MSGPACK
	&way_msgpack,
#endif
#ifdef WITH_REDIS
	&way_redis,
#endif
#ifdef WITH_PROTOBUF
	&way_protobuf,
#endif
#ifdef WITH_JSON
	&way_json,
#endif
#endif
};

void free_structure(struct handover *handover, void *root)
{
	structures.release(handover->kind, root);
}

struct verdict verdict_of(const struct way *way, struct handover *handover, void *root)
{
	struct verdict verdict;

	verdict.sum = way->shape->walk(handover->kind, root, handover->touch);
	verdict.walked = bench_now();
	way->release(handover, root);
	verdict.freed = bench_now();
	return verdict;
}

/* What the connection itself takes; the median of some. */
static double ping(struct handover *handover, int produces)
{
	double taken[PINGS];
	char byte = 'p';

	for (int i = 0; i < PINGS; i++) {
		const double start = bench_now();

		if (produces)
			bench_write(handover->link.fd, &byte, 1);
		if (bench_read(handover->link.fd, &byte, 1) != 1)
			bench_die("the other side is gone");
		if (!produces)
			bench_write(handover->link.fd, &byte, 1);
		taken[i] = bench_now() - start;
	}
	return bench_median(taken, PINGS);
}

/* A small one first, as between two that have talked before. */
static void warm(const struct way *way, struct handover *handover, int produces)
{
	char byte = 'w';

	for (int i = 0; i < 3; i++) {
		if (produces) {
			void *root = way->build ? way->build(handover, 256) :
			                          way->shape->build(handover->kind, 256);

			way->send(handover, root);
			if (bench_read(handover->link.fd, &byte, 1) != 1)
				bench_die("the other side is gone");
			if (way->shape->release)
				way->shape->release(handover->kind, root);
		} else {
			verdict_of(way, handover, way->receive(handover));
			bench_write(handover->link.fd, &byte, 1);
		}
		if (way->stop)
			way->stop(handover, produces);
	}
}

static void produce(const struct way *way, struct handover *handover, size_t bytes, int report)
{
	double start, trip = 0;
	struct verdict verdict = {0};
	void *root;
	char line[256], byte;
	int length;

	if (way->start)
		way->start(handover, 1);
	if (!way->forks) {
		trip = ping(handover, 1);
		if (bytes <= SMALL && !way->starts_warm)
			warm(way, handover, 1);
	}
	root = way->build ? way->build(handover, bytes) : way->shape->build(handover->kind, bytes);
	if (!way->forks && bench_read(handover->link.fd, &byte, 1) != 1)
		bench_die("the other side is gone");
	start = bench_now();
	way->send(handover, root);
	if (way->forks)
		verdict = *(struct verdict *)way->receive(handover);
	else if (bench_read(handover->link.fd, &verdict, sizeof verdict) != sizeof verdict)
		bench_die("the other side failed");
	length = snprintf(line, sizeof line, "%.9f %.9f %.9f %llu %llu\n", verdict.walked - start,
	                  verdict.freed - start, trip, (unsigned long long)verdict.sum,
	                  (unsigned long long)way->shape->walk(handover->kind, root, handover->touch));
	bench_write(report, line, (size_t)length);
	if (way->stop)
		way->stop(handover, 1);
}

static void consume(const struct way *way, struct handover *handover, size_t bytes)
{
	struct verdict verdict;
	char byte = 'r';

	if (way->start)
		way->start(handover, 0);
	ping(handover, 0);
	if (bytes <= SMALL && !way->starts_warm)
		warm(way, handover, 0);
	bench_write(handover->link.fd, &byte, 1);
	verdict = verdict_of(way, handover, way->receive(handover));
	bench_write(handover->link.fd, &verdict, sizeof verdict);
	if (way->stop)
		way->stop(handover, 0);
}

int main(int argc, char **argv)
{
	struct handover handover = {0};
	const struct way *way = NULL;

	if (argc == 2 && strcmp(argv[1], "ways") == 0) {
		for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
			puts(ways[i]->name);
		return 0;
	}
	if (argc != 9)
		bench_die("usage: side ways | produce|consume WAY KIND BYTES TOUCH LINK REPORT SAME");
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
		if (strcmp(ways[i]->name, argv[2]) == 0)
			way = ways[i];
	if (!way)
		bench_die("this way is not built in");
	handover.kind = (enum kind)atoi(argv[3]);
	handover.touch = (enum touch)atoi(argv[5]);
	handover.same_host = atoi(argv[8]);
	link_open(&handover.link, atoi(argv[6]));
	if (strcmp(argv[1], "produce") == 0)
		produce(way, &handover, strtoull(argv[4], NULL, 10), atoi(argv[7]));
	else
		consume(way, &handover, strtoull(argv[4], NULL, 10));
	link_close(&handover.link);
	return 0;
}
