/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backing_file.c - the memory files that the heap grows in
 *
 * A file stays open until rmmapd has it, since its descriptor is needed to freeze it. So the
 * number of files is limited, and their size grows with the heap. Under backing_lock(), on any
 * thread. Does not allocate, except for the list of files in own pages.
 */
#include "../base/scan.h"
#include "backing_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MIN ((uint64_t)4 << 20)
#define PART 8                  /* a new file is an eighth of the heap */
#define FILES_MAX 256           /* open at a time */
#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

struct file {
	uint32_t number;
	struct fd_mark fd;
	uint64_t addr;                  /* where its first byte is mapped */
	uint64_t used;                  /* bytes mapped so far, from the first on; <= size */
	uint64_t size;                  /* of the file; once sealed, what was mapped of it */
	uint8_t id[RM_ID_BYTES];
	bool sealed;                    /* never grows any more; id and live are set */
	bool asked;                     /* a publish uses it, until file_left() or file_close() */
	uint64_t live;                  /* sealed: bytes that are still mapped */
	uint64_t *seen;                 /* bitmap: pages that were there at the freeze, or NULL */
};

static struct array files = { .item = sizeof(struct file) };
static uint32_t last_number;

static struct file *file_find(uint32_t number)
{
	struct file *file = files.data;

	for (size_t i = 0; i < files.count; i++)
		if (file[i].number == number)
			return &file[i];
	return NULL;
}

static uint64_t file_size_for(uint64_t heap_bytes)
{
	uint64_t size = (heap_bytes / PART + FILE_MIN - 1) / FILE_MIN * FILE_MIN;

	if (size < FILE_MIN)
		size = FILE_MIN;
	return size < RM_LAYER_MAX ? size : RM_LAYER_MAX;
}

static int file_new_fd(uint64_t size)
{
	struct rlimit limit;
	int fd, error;

	if (files.count >= FILES_MAX ||
	    (getrlimit(RLIMIT_NOFILE, &limit) == 0 && files.count >= limit.rlim_cur / 4))
		return -EMFILE;
	/* Beyond this limit the kernel would raise SIGXFSZ, and it counts for memfds too. */
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < size)
		return -EFBIG;
	/* Private mappings count, and at the limit a fork could not freeze a shared one. */
	if (getrlimit(RLIMIT_DATA, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		return -ENOMEM;
	fd = memfd_create("rmmap-heap", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) < 0) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd_raise(fd);
}

static struct file *file_new(uint64_t addr, uint64_t size)
{
	int fd = file_new_fd(size);
	struct file *file;

	if (fd < 0)
		return NULL;
	file = array_add(&files);
	if (!file) {
		close(fd);
		return NULL;
	}
	file->number = ++last_number;
	file->addr = addr;
	file->size = size;
	fd_mark(&file->fd, fd);
	return file;
}

int file_grow(uint64_t addr, uint64_t length, uint64_t heap_bytes, uint32_t *number,
              uint64_t *offset, uint64_t *part)
{
	struct file *file = (struct file *)files.data + files.count - 1;

	if (!files.count || file->sealed || file->addr + file->used != addr ||
	    file->used == file->size || !fd_still(&file->fd))
		file = file_new(addr, file_size_for(heap_bytes));
	if (!file)
		return -ENOMEM;
	*number = file->number;
	*offset = file->used;
	*part = length < file->size - file->used ? length : file->size - file->used;
	return file->fd.fd;
}

int file_whole(uint64_t addr, uint64_t length, uint32_t *number)
{
	struct file *file = file_new(addr, length);

	if (!file)
		return -ENOMEM;
	file->used = length;
	*number = file->number;
	return file->fd.fd;
}

void file_used(uint32_t number, uint64_t length)
{
	struct file *file = file_find(number);

	own_require(file && length <= file->size - file->used);
	file->used += length;
}

int file_fd(uint32_t number)
{
	const struct file *file = file_find(number);

	return file && fd_still(&file->fd) ? file->fd.fd : -1;
}

bool file_seal(uint32_t number, uint64_t length)
{
	struct file *file = file_find(number);

	file->sealed = true;
	if (!random_bytes(file->id, sizeof(file->id)) &&
	    (file->size == length || !ftruncate(file->fd.fd, (off_t)length)) &&
	    !fcntl(file->fd.fd, F_ADD_SEALS, SEALS)) {
		file->size = file->live = length;
		return true;
	}
	file_close(number);
	return false;
}

bool file_sealed(uint32_t number, uint8_t id[RM_ID_BYTES], uint64_t *length, int *fd)
{
	struct file *file = file_find(number);

	if (!file || !file->sealed || !fd_still(&file->fd))
		return false;
	file->asked = true;
	memcpy(id, file->id, RM_ID_BYTES);
	*length = file->size;
	*fd = file->fd.fd;
	return true;
}

void file_unmapped(uint32_t number, uint64_t length)
{
	struct file *file = file_find(number);

	if (!file)
		return;
	file->live -= length;
	if (!file->live && !file->asked)
		file_close(number);
}

void file_left(uint32_t number)
{
	struct file *file = file_find(number);

	if (!file)
		return;
	file->asked = false;
	if (!file->live)
		file_close(number);
}

#define SEEN_BYTES (RM_LAYER_MAX / RM_PAGE / 8)

static int page_note_seen(void *arg, uint64_t start, uint64_t end, bool zeros)
{
	const struct file *file = arg;

	(void)zeros;
	for (uint64_t at = start; at < end; at += RM_PAGE)
		rm_bit_set(file->seen, (at - file->addr) >> RM_PAGE_SHIFT);
	return 0;
}

/* Are all its pages there? Then its user finds that by itself, and need not be told. */
static bool file_is_full(const struct file *file, uint64_t length)
{
	struct stat st;

	return fstat(file->fd.fd, &st) == 0 && (uint64_t)st.st_blocks * 512 >= length;
}

/*
 * Pages that were swapped out, or that come before the freeze but after this, are missing in the
 * bitmap. Its user compares the number of pages with the file's blocks.
 */
void file_look(uint32_t number, uint64_t addr, uint64_t length)
{
	struct file *file = file_find(number);

	if (!file)
		return;
	/* An earlier freeze may have failed after it looked. */
	own_pages_free(file->seen, SEEN_BYTES);
	file->seen = own_pages(SEEN_BYTES);
	if (file->seen && !file_is_full(file, length))
		scan(SCAN_MAPPED, addr, length,
		     &(struct scan_to){ .run = page_note_seen, .arg = file });
}

void file_punch(uint32_t number, uint64_t from, uint64_t to)
{
	const struct file *file = file_find(number);

	if (!file || !fd_still(&file->fd) ||
	    fallocate(file->fd.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	              (off_t)(from - file->addr), (off_t)(to - from)))
		return;
	for (uint64_t at = from; file->seen && at < to; at += RM_PAGE)
		rm_bit_clear(file->seen, (at - file->addr) >> RM_PAGE_SHIFT);
}

const uint64_t *file_seen(uint32_t number)
{
	const struct file *file = file_find(number);

	return file ? file->seen : NULL;
}

void file_close(uint32_t number)
{
	struct file *file = file_find(number);

	if (!file)
		return;
	if (fd_still(&file->fd))
		close(file->fd.fd);
	own_pages_free(file->seen, SEEN_BYTES);
	array_remove(&files, (size_t)(file - (struct file *)files.data));
}
