/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shm.c - POSIX shared memory: built there from the start, with offsets in the place of
 * pointers and an allocator that only takes, and mapped by the receiver
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "ways.h"

static char name[64];

static void *shm_build(struct handover *handover, size_t bytes)
{
	const size_t size = bytes * 2 + (1u << 20);     /* what is not written takes no memory */
	void *root;
	int fd;

	snprintf(name, sizeof name, "/rmmap-bench-%d", (int)getpid());
	fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)size))
		bench_die("shm_open failed");
	offsets_map(fd, size);
	close(fd);
	root = offsets.build(handover->kind, bytes);
	return root;
}

static void shm_send(struct handover *handover, const void *root)
{
	(void)root;
	link_put(&handover->link, name, sizeof name);
	link_flush(&handover->link);
}

static void *shm_receive(struct handover *handover)
{
	struct stat status;
	int fd;

	memcpy(name, link_get(&handover->link, sizeof name), sizeof name);
	fd = shm_open(name, O_RDWR, 0);
	if (fd < 0 || fstat(fd, &status))
		bench_die("shm_open failed");
	offsets_map(fd, (size_t)status.st_size);
	close(fd);
	return NULL;
}

static void shm_release(struct handover *handover, void *root)
{
	(void)handover;
	(void)root;
	offsets_unmap();
}

static void shm_stop(struct handover *handover, int produces)
{
	(void)handover;
	if (produces)
		shm_unlink(name);
}

const struct way way_shm = {
	.name = "shm", .shape = &offsets, .build = shm_build,
	.send = shm_send, .receive = shm_receive, .release = shm_release, .stop = shm_stop,
};
