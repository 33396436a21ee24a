/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * load.c - rmmap load: publishes a file that rmmap save wrote
 *
 * The whole file is checked before rmmapd is asked, and the checked bytes are the published ones:
 * content is copied into memory files while it is read. The file itself cannot be a layer. Whoever
 * may write to it could change or truncate it under the processes that have it attached, and no
 * seal prevents that.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/crc32c.h"
#include "../common/huge.h"
#include "../common/number.h"
#include "../common/options.h"
#include "../common/saved.h"
#include "../common/say.h"
#include "cli.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)
#define ATTEMPTS 5                      /* if rmmapd ends while it is asked */

/*
 * Everything is released by loading_end(), in whatever state it is. Until saved_publish() nothing
 * exists outside this process.
 */
struct loading {
	const char *path;
	int fd;                         /* the file; -1: not open */
	uint64_t size;                  /* of the file when it was opened */
	char *front;                    /* malloc'd; header, table and sums */
	uint64_t front_size;            /* bytes; the content begins here */
	struct rm_saved saved;          /* a view of front, valid after read_front() */
	int *layer_fds;                 /* malloc'd */
	uint32_t layers;                /* open descriptors in layer_fds */
	int table_fd;                   /* or -1 */
	bool huge;                      /* layers may have huge pages: RMMAP_HUGE */
};

/* Read size bytes. The file was long enough when it was opened, so an end of file is an error. */
static int file_read(const struct loading *loading, char *data, uint64_t size, uint64_t at)
{
	while (size) {
		ssize_t n = pread(loading->fd, data, size, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cli_fail("cannot read %s: %m", loading->path);
		if (n == 0)
			return cli_fail("%s became shorter while it was read", loading->path);
		data += n;
		at += (uint64_t)n;
		size -= (uint64_t)n;
	}
	return 0;
}

/* ---- header and table ---- */

/* Open the file. O_NONBLOCK: opening a FIFO must not wait for a writer. */
static int saved_open(struct loading *loading)
{
	struct stat st;

	loading->fd = open(loading->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (loading->fd < 0 || fstat(loading->fd, &st))
		return cli_fail("cannot open %s: %m", loading->path);
	if (!S_ISREG(st.st_mode))
		return cli_fail("%s is not a file", loading->path);
	loading->size = (uint64_t)st.st_size;
	return 0;
}

/* Read and check the front: first the header, which states how long the front is. */
static int read_front(struct loading *loading)
{
	/*
	 * Read twice: the front is read as a whole once its length is known, and checked as a
	 * whole. A file that changes in between is found out by that.
	 */
	static struct rm_saved_header header;
	uint64_t there = loading->size < sizeof(header) ? loading->size : sizeof(header);
	const char *why;

	if (file_read(loading, (char *)&header, there, 0))
		return 1;
	if (rm_saved_check_header(&header, loading->size, &why))
		return cli_fail("%s %s; nothing is published", loading->path, why);
	loading->front_size = header.data_offset;
	loading->front = malloc(loading->front_size);
	if (!loading->front)
		return cli_fail("there is no memory for the table of %s", loading->path);
	if (file_read(loading, loading->front, loading->front_size, 0))
		return 1;
	if (rm_saved_check(loading->front, loading->front_size, loading->size, &loading->saved, &why))
		return cli_fail("%s %s; nothing is published", loading->path, why);
	return 0;
}

/* ---- content ---- */

/*
 * Explain errno after a failure to make or fill a memory file. To be called before anything that
 * may change errno. Returns 1.
 */
static int no_memory_file(void)
{
	if (errno == EMFILE || errno == ENFILE)
		return cli_fail("too many open files: loading needs one for each layer, of up to "
		                "64 MiB; raise the limit (ulimit -n)");
	if (errno == EFBIG)
		return cli_fail("the limit for the size of files (ulimit -f) is too small for 64 MiB "
		                "of memory; raise it");
	return cli_fail("there is no memory for what is in the file: %m");
}

/* Make a memory file of this size. A descriptor, or -1 after the line on stderr. */
static int memory_file(const char *name, uint64_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && ftruncate(fd, (off_t)size) == 0)
		return fd;
	no_memory_file();
	if (fd >= 0)
		close(fd);
	return -1;
}

static int fd_write(int fd, const char *data, uint64_t size, uint64_t at)
{
	while (size) {
		ssize_t n = pwrite(fd, data, size, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return no_memory_file();
		data += n;
		at += (uint64_t)n;
		size -= (uint64_t)n;
	}
	return 0;
}

/* Compares the bytes with themselves, shifted by one. */
static bool is_zero(const char *data, uint64_t size)
{
	return !data[0] && !memcmp(data, data + 1, size - 1);
}

static int content_damaged(const struct loading *loading, uint64_t at)
{
	return cli_fail("%s is damaged: the checksum of its content at byte %llu is wrong; nothing "
	                "is published", loading->path, (unsigned long long)at);
}

/*
 * Load one chunk: pages [page, end) of a layer whose content begins at base in the file. Pages
 * without data are holes in the file, or zeros if a program copied it that does not keep holes. A
 * chunk without data has the sum 0; if the file has a hole there, it is not read.
 */
static int load_chunk(const struct loading *loading, uint32_t layer, uint64_t page, uint64_t end,
                      uint64_t base, uint32_t sum, int fd)
{
	static char buffer[RM_SAVED_CHUNK];
	const uint64_t *bitmap = rm_table_view_bitmap(&loading->saved.table, layer);
	uint64_t first = page * RM_PAGE, size = (end - page) * RM_PAGE, at = page, start, count;
	bool data = rm_bit_run(bitmap, page, end, true, &start, &count);
	off_t there = data ? 0 : lseek(loading->fd, (off_t)(base + first), SEEK_DATA);

	/*
	 * No data from there on to the end of the file (ENXIO), or none before the end of the
	 * chunk. A file system that knows no holes reports everything as data.
	 */
	if (!data && (there < 0 ? errno == ENXIO : (uint64_t)there >= base + first + size))
		return sum ? content_damaged(loading, base + first) : 0;
	if (file_read(loading, buffer, size, base + first))
		return 1;
	/*
	 * The sum covers all pages of the chunk, holes as zeros; so a page without data that is
	 * not zero is damage as well.
	 */
	if (data ? rm_crc32c(0, buffer, size) != sum : sum || !is_zero(buffer, size))
		return content_damaged(loading, base + first);
	while (rm_bit_run(bitmap, at, end, true, &start, &count)) {
		if (fd_write(fd, buffer + (start - page) * RM_PAGE, count * RM_PAGE,
		             start * RM_PAGE))
			return 1;
		at = start + count;
	}
	return 0;
}

/* Make a memory file of each layer, with the content from the file, and seal it. */
static int load_layers(struct loading *loading)
{
	const uint64_t pages = RM_SAVED_CHUNK / RM_PAGE;
	const struct rm_table *table = &loading->saved.table;
	const uint32_t *sum = loading->saved.sums;
	uint64_t base = loading->front_size;

	loading->layer_fds = calloc(table->layer_count, sizeof(int));
	if (!loading->layer_fds)
		return no_memory_file();
	for (uint32_t i = 0; i < table->layer_count; i++) {
		uint64_t length = table->layers[i].length, end = length / RM_PAGE;
		int fd = memory_file("rmmap-layer", length);

		if (fd < 0)
			return 1;
		/* Counted at once, so that it is closed whatever fails next. */
		loading->layer_fds[loading->layers++] = fd;
		if (loading->huge)
			rm_huge_file(fd, length, rm_table_view_bitmap(table, i));
		for (uint64_t page = 0; page < end; page += pages)
			if (load_chunk(loading, i, page, page + pages < end ? page + pages : end,
			               base, *sum++, fd))
				return 1;
		/* rmmapd takes no file as a layer that somebody could still change. */
		if (fcntl(fd, F_ADD_SEALS, SEALS))
			return no_memory_file();
		base += length;
	}
	return 0;
}

/*
 * Make the memory file of the table. The layers get new random ids: an id stands for a content on
 * all hosts, and a file's claim to an id proves nothing.
 */
static int table_fd_make(struct loading *loading)
{
	const struct rm_table *table = &loading->saved.table;
	char *memory = loading->front + RM_SAVED_TABLE_OFFSET;

	/* Into the front, whose sum was checked before and is not looked at again. */
	for (uint32_t i = 0; i < table->layer_count; i++)
		if (getrandom(rm_table_layers(memory)[i].id, RM_ID_BYTES, 0) != RM_ID_BYTES)
			return cli_fail("getrandom: %m");
	loading->table_fd = memory_file("rmmap-table", table->size);
	if (loading->table_fd < 0 || fd_write(loading->table_fd, memory, table->size, 0))
		return 1;
	return fcntl(loading->table_fd, F_ADD_SEALS, SEALS) ? no_memory_file() : 0;
}

/* ---- the whole ---- */

/* Publish and print the handle. 0, or 1 after the line on stderr. */
static int saved_publish(const struct loading *loading, struct rm_terms terms)
{
	struct ask_publication publication = {
		.root = loading->saved.table.root,
		.table_fd = loading->table_fd, .table_size = loading->saved.table.size,
		.layer_fds = loading->layer_fds, .layer_count = loading->layers,
		.terms = terms,
	};
	char handle[RM_HANDLE_TEXT_MAX];
	struct ask ask;
	int error = -ECONNRESET;

	/* an rmmapd that was ending may have closed the connection: ask the next one */
	for (int i = 0; i < ATTEMPTS && (error == -ECONNRESET || error == -EPIPE); i++) {
		usleep(i * 100000);
		error = ask_open_or_start(&ask);
		if (!error) {
			error = ask_publish(&ask, &publication, handle);
			ask_close(&ask);
		}
	}
	if (error)
		return cli_fail("%s", ask.why[0] ? ask.why : rm_errno_text(-error));
	printf("%s\n", handle);
	explicit_bzero(handle, sizeof(handle));
	return 0;
}

/* --readers and --ttl. 0, or 2 after the line on stderr. */
static int read_terms(const struct args *args, struct rm_terms *terms)
{
	uint64_t number = 0;

	if (args->readers && rm_parse_number(args->readers, 1, UINT32_MAX, &number)) {
		/* Wrong usage, so 2 and not what cli_fail() returns. */
		cli_fail("--readers wants a number of attaches, 1 or more");
		return 2;
	}
	*terms = (struct rm_terms) { .readers = (uint32_t)number };
	if (args->ttl && rm_terms_parse_ttl(args->ttl, &terms->ttl_ms)) {
		cli_fail("--ttl wants a number of seconds from 1 to %u, or none", RM_TTL_MAX_S);
		return 2;
	}
	return 0;
}

/*
 * Allow as many descriptors as possible: each layer takes one. A file beyond the limit for sizes
 * shall be an error instead of SIGXFSZ.
 */
static void set_limits(void)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Close and free everything that was opened and allocated so far. */
static void loading_end(struct loading *loading)
{
	for (uint32_t i = 0; i < loading->layers; i++)
		close(loading->layer_fds[i]);
	if (loading->table_fd >= 0)
		close(loading->table_fd);
	if (loading->fd >= 0)
		close(loading->fd);
	free(loading->layer_fds);
	free(loading->front);
}

int cli_load(const struct args *args)
{
	struct loading loading = { .path = args->operands[0], .fd = -1, .table_fd = -1 };
	struct rm_options options;
	struct rm_terms terms;
	int status = read_terms(args, &terms);

	if (status)
		return status;
	rm_options_read(&options, environ, getauxval(AT_SECURE) != 0, NULL, NULL);
	loading.huge = rm_huge_fits() && options.huge != RM_HUGE_OFF;
	set_limits();
	status = saved_open(&loading);
	if (!status)
		status = read_front(&loading);
	if (!status)
		status = load_layers(&loading);
	if (!status)
		status = table_fd_make(&loading);
	if (!status)
		status = saved_publish(&loading, terms);
	loading_end(&loading);
	return status;
}
