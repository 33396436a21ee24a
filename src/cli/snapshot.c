/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * snapshot.c - attaches a publication for reading; see snapshot.h
 *
 * Descriptors are closed as soon as they are mapped: a large publication has more layers than a
 * process may have open files.
 */
#include "snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/say.h"

#define ROOM 1024                       /* the arrays grow by so many items */

/* Make room for more layers. 0 or -ENOMEM. */
static int arrays_grow(struct snapshot *snapshot)
{
	size_t room = (size_t)snapshot->count + ROOM;
	void *more = realloc(snapshot->data, room * sizeof(*snapshot->data));

	if (!more)
		return -ENOMEM;
	snapshot->data = more;
	more = realloc(snapshot->lengths, room * sizeof(*snapshot->lengths));
	if (!more)
		return -ENOMEM;
	snapshot->lengths = more;
	return 0;
}

/* For ask_attach(): map a layer, close its descriptor. Layers come in order of their index. */
static int take_layer(void *arg, uint32_t index, int fd)
{
	struct snapshot *snapshot = arg;
	struct stat st;
	void *data = MAP_FAILED;
	/*
	 * Layers come without a gap, so count is index here, and each further ROOM of them grows
	 * the arrays.
	 */
	int error = index % ROOM == 0 ? arrays_grow(snapshot) : 0;

	/*
	 * All of the file, which may be longer than the table states. Private and read-only:
	 * nothing here can change what others have attached.
	 */
	if (!error && !fstat(fd, &st))
		data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
	if (!error && data == MAP_FAILED)
		error = -errno;
	close(fd);
	if (error)
		return error;
	snapshot->data[index] = data;
	snapshot->lengths[index] = (uint64_t)st.st_size;
	snapshot->count = index + 1;
	return 0;
}

static void snapshot_drop(struct snapshot *snapshot)
{
	if (snapshot->table.header)
		munmap((void *)(uintptr_t)snapshot->table.header, snapshot->table.size);
	for (uint32_t i = 0; i < snapshot->count; i++)
		munmap((void *)(uintptr_t)snapshot->data[i], snapshot->lengths[i]);
	free(snapshot->data);
	free(snapshot->lengths);
}

/* Map and check the table, and that each layer is as long as it states. */
static int snapshot_table(struct snapshot *snapshot, int fd)
{
	uint64_t size = snapshot->answer.table_size;
	struct rm_table *table = &snapshot->table;
	void *memory = MAP_FAILED;
	struct stat st;

	if (fd >= 0 && !fstat(fd, &st) && size && (uint64_t)st.st_size >= size)
		memory = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	/* rmmapd has checked it, but may be of another version. */
	if (memory != MAP_FAILED && rm_table_check(memory, size, table, NULL)) {
		munmap(memory, size);
		memory = MAP_FAILED;
	}
	if (memory == MAP_FAILED || table->layer_count != snapshot->count)
		return cli_fail("rmmapd sent a snapshot that cannot be right");
	for (uint32_t i = 0; i < snapshot->count; i++)
		if (snapshot->lengths[i] < table->layers[i].length)
			return cli_fail("rmmapd sent a layer that is too short");
	return 0;
}

/* rmmapd may have to be started: a publication of another host may be the first one here. */
int snapshot_open(struct snapshot *snapshot, const char *handle)
{
	struct ask *ask = &snapshot->ask;
	int fd = -1, error, status;

	memset(snapshot, 0, sizeof(*snapshot));
	if (ask_open_or_start(ask))
		return cli_fail("%s", ask->why);
	error = ask_attach(ask, handle, &snapshot->answer, &fd, take_layer, snapshot);
	if (error)
		status = cli_fail("%s", ask->why[0] ? ask->why : rm_errno_text(-error));
	else
		status = snapshot_table(snapshot, fd);
	if (fd >= 0)
		close(fd);
	if (status) {
		snapshot_drop(snapshot);
		ask_close(ask);
	}
	return status;
}

void snapshot_close(struct snapshot *snapshot)
{
	/* Closing the connection alone would not end the attachment while this process lives. */
	ask_detach(&snapshot->ask, snapshot->answer.attachment);
	ask_close(&snapshot->ask);
	snapshot_drop(snapshot);
}

const void *snapshot_data(void *arg, const struct rm_segment *segment)
{
	const struct snapshot *snapshot = arg;

	return snapshot->data[segment->layer] + segment->offset;
}
