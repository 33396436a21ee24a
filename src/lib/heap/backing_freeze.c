/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backing_freeze.c - freezing the heap's files, for a publish and for a fork
 *
 * A freeze maps a shared file again at the same addresses, privately, and seals it: from then on
 * the file is a layer that never changes, and the kernel copies a page when the program writes
 * to it. Called by publish/ on any thread, and by hooks.c around fork() inside jemalloc's locks.
 * Allocates in struct array only.
 */
#include "backing_spans.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backing_file.h"

/* ---- freezing ---- */

/* Map all that is mapped of a file, which is one piece, privately. False: it stays shared. */
static bool file_map_private(uint32_t file, uint64_t addr, uint64_t length)
{
	const int flags = MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE;
	int fd = file_fd(file);

	if (fd < 0)
		return false;
	if (mmap((void *)addr, length, PROT_READ | PROT_WRITE, flags, fd, 0) != MAP_FAILED)
		return true;
	/* After mlockall(MCL_FUTURE) it counts as locked, while what it replaces does so too. */
	return errno == EAGAIN && !munlock((void *)addr, length) &&
	       mmap((void *)addr, length, PROT_READ | PROT_WRITE, flags, fd, 0) != MAP_FAILED;
}

/*
 * look: note which pages of each file have data, which is cheaper before the freeze than after.
 * A file that cannot be frozen, since the program closed its descriptor, stays shared.
 */
static void spans_freeze(bool look)
{
	struct array marks;

	if (!spans_any_shared())
		return;
	marks_note(&marks);
	for (size_t i = 0; i < backing.spans.count; i++) {
		struct span *s = span_at(i);

		if (s->kind != SPAN_SHARED)
			continue;
		own_require(s->offset == 0);    /* it is the whole file: see struct backing */
		if (look)
			file_look(s->file, s->addr, s->length);
		if (file_map_private(s->file, s->addr, s->length)) {
			s->kind = SPAN_FROZEN;
			s->fresh = true;
		}
		marks_set(&marks, s);
		/* A device has pinned pages, and writes to them past the seal: no layer. */
		if (s->kind == SPAN_FROZEN && !file_seal(s->file, s->length))
			s->file = 0;
	}
	array_free(&marks);
}

/* A copy of the list; in the heap itself no span is fresh afterwards. */
static int spans_list(struct array *out)
{
	*out = (struct array){ .item = sizeof(struct span) };
	spans_join();
	for (size_t i = 0; i < backing.spans.count; i++) {
		struct span *copy = array_add(out);

		if (!copy)
			return -ENOMEM;
		*copy = *span_at(i);
	}
	for (size_t i = 0; i < backing.spans.count; i++)
		span_at(i)->fresh = false;
	return 0;
}

int backing_freeze(struct array *out)
{
	int error;

	backing_lock();
	spans_freeze(true);
	backing.forks = 0;
	error = spans_list(out);
	backing_unlock();
	return error;
}

bool backing_file(uint32_t number, uint8_t id[RM_ID_BYTES], uint64_t *length, int *fd)
{
	bool found;

	backing_lock();
	found = file_sealed(number, id, length, fd);
	backing_unlock();
	return found;
}

const uint64_t *backing_seen(uint32_t number)
{
	const uint64_t *seen;

	backing_lock();
	seen = file_seen(number);
	backing_unlock();
	return seen;
}

void backing_file_close(uint32_t number)
{
	backing_lock();
	file_close(number);
	backing_unlock();
}

void backing_file_left(uint32_t number)
{
	backing_lock();
	file_left(number);
	backing_unlock();
}

/* ---- fork ---- */

/* A pipe that the child of a fork closes; -1: none is needed. Under the lock, around fork. */
static int copied[2] = { -1, -1 };

/*
 * After the fork a writable shared mapping would be one memory of two processes, so all of them
 * are frozen. What cannot be frozen is copied by the child before it goes on; without a pipe the
 * parent does not wait for that.
 */
void backing_prefork(void)
{
	backing_lock();
	copied[0] = copied[1] = -1;
	if (!backing.shared)
		return;
	spans_freeze(false);
	if (spans_any_shared() && pipe2(copied, O_CLOEXEC))
		copied[0] = copied[1] = -1;
}

/* Waits for the child to close the pipe: when it has copied, or when it dies. */
void backing_parent(void)
{
	char none;

	if (copied[0] >= 0) {
		close(copied[1]);
		while (read(copied[0], &none, 1) < 0 && errno == EINTR)
			;
		close(copied[0]);
	}
	backing.forks++;
	backing_unlock();
}

void backing_child(void)
{
	spans_copy(spans_drop_absent());
	if (copied[0] >= 0) {
		close(copied[0]);
		close(copied[1]);
	}
	backing.forks = 0;
	backing_unlock();
}

/*
 * Forks of this thread that are under way and skipped the freeze. Forks may interrupt each other;
 * once one has found the lock held, so do all that interrupt it. So they end first.
 */
static __thread unsigned skipped __attribute__((tls_model("initial-exec")));

void backing_inner_prefork(void)
{
	if (backing_busy() || !backing.shared)
		skipped++;
	else
		backing_prefork();
}

void backing_inner_parent(void)
{
	if (skipped)
		skipped--;
	else
		backing_parent();
}

void backing_inner_child(void)
{
	if (skipped)
		skipped--;
	else
		backing_child();
}
