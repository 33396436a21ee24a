/* SPDX-License-Identifier: BSD-2-Clause */
/* host.c - see host.h */
#include "host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit/unit.h"
#include "rundir.h"
#include "segment.h"

#define HOSTS 3
#define PATIENCE (120 * NS)             /* of a busy machine nothing is soon */

static char directories[HOSTS][64];
static unsigned made;
static char *directory;
static pid_t owner;
static uint64_t seq;

/* ---- the run directory ---- */

const char *host_path(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

pid_t host_keeper(void)
{
	FILE *file = fopen(host_path(RM_LOCK_NAME), "r");
	int pid = 0;

	if (file && fscanf(file, "%d", &pid) != 1)
		pid = 0;
	if (file)
		fclose(file);
	return pid;
}

bool host_listens(void)
{
	int fd = rm_rundir_connect(directory);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool unlocked(void)
{
	int fd = open(host_path(RM_LOCK_NAME), O_RDWR | O_CLOEXEC);
	bool ret = fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0;

	if (fd >= 0)
		close(fd);
	return ret;
}

bool host_gone(void)
{
	return access(host_path(RM_SOCKET_NAME), F_OK) < 0 && unlocked();
}

bool host_dead(void)
{
	return !host_listens() && unlocked();
}

bool host_eventually(bool (*true_now)(void))
{
	uint64_t deadline = rm_now_ns() + PATIENCE;

	while (!true_now()) {
		if (rm_now_ns() > deadline)
			return false;
		usleep(5000);
	}
	return true;
}

/* Only who holds the lock of this directory is signalled: a pid alone may be anybody's. */
static void end_daemon(void)
{
	pid_t keeper = host_keeper();

	for (int i = 0; i < 6000 && keeper > 1 && !unlocked(); i++) {
		if (i % 50 == 0)
			kill(keeper, SIGTERM);
		usleep(10000);
	}
}

static void clean_up(void)
{
	const char *const names[] = { RM_SOCKET_NAME, RM_LOCK_NAME, RM_HOST_NAME, "log" };

	if (getpid() != owner)
		return;
	for (unsigned n = 0; n < made; n++) {
		directory = directories[n];
		end_daemon();
		for (size_t i = 0; i < COUNT(names); i++)
			unlink(host_path(names[i]));
		rmdir(directory);
	}
}

void host_use(unsigned n)
{
	directory = directories[n];
	setenv("RMMAP_RUNDIR", directory, 1);
	setenv("RMMAP_LOG", host_path("log"), 1);
}

void host_new(void)
{
	ck_assert_uint_lt(made, HOSTS);
	strcpy(directories[made], "/tmp/rmmapd-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directories[made]));
	if (!made)
		atexit(clean_up);
	owner = getpid();
	setenv("RMMAP_FABRIC", "off", 1);
	host_use(made++);
}

/* ---- rmmapd ---- */

pid_t host_spawn(const char *const *options)
{
	const char *argv[16] = { "rmmapd" };
	const char *build = getenv("abs_top_builddir");
	char path[512];
	pid_t pid;

	snprintf(path, sizeof(path), "%s/rmmapd", build ? build : ".");
	for (unsigned i = 0; options[i]; i++)
		argv[1 + i] = options[i];
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		execv(path, (char *const *)argv);
		_exit(127);
	}
	return pid;
}

int host_wait(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int host_start(const char *const *options)
{
	return host_wait(host_spawn(options));
}

unsigned host_fds(pid_t pid)
{
	char path[64];
	unsigned n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static char state(pid_t pid)
{
	char path[64], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	fclose(file);
	return state;
}

unsigned host_settled_fds(pid_t pid)
{
	uint64_t deadline = rm_now_ns() + PATIENCE;

	while (state(pid) != 'S') {
		ck_assert_uint_lt(rm_now_ns(), deadline);
		usleep(1000);
	}
	return host_fds(pid);
}

long host_rss(pid_t pid)
{
	char path[64], line[128];
	long rss = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "VmRSS: %ld", &rss) == 1)
			break;
	fclose(file);
	return rss;
}

/* ---- a client ---- */

void client_send(int fd, void *message, size_t size, unsigned type, uint64_t number,
                 const int *fds, unsigned count)
{
	struct rm_wire head = { RM_WIRE_MAGIC, RM_WIRE_VERSION, (uint16_t)type, number };

	memcpy(message, &head, sizeof(head));
	ck_assert_int_eq(rm_channel_send(fd, message, size, fds, count, rm_now_ns() + PATIENCE), 0);
}

int client_recv(int fd, void *message, int fds[RM_CHANNEL_FDS_MAX], unsigned *count)
{
	struct rm_wire head;
	ssize_t n;

	do {
		n = rm_channel_recv(fd, message, RM_WIRE_MAX, fds, count, rm_now_ns() + PATIENCE);
		if (n == 0)
			return 0;
		ck_assert_msg(n > 0, "receiving: error %zd", n);
		ck_assert_int_eq(rm_wire_check(message, (size_t)n), 0);
		memcpy(&head, message, sizeof(head));
	} while (head.type == RM_PROGRESS);
	return head.type;
}

int client_connect(void)
{
	int fd = rm_rundir_connect(directory);

	ck_assert_int_ge(fd, 0);
	return fd;
}

int client_greet(int fd)
{
	struct rm_wire_hello hello = { .pid = (uint32_t)getpid(), .layout = rm_layout_here() };
	union { struct rm_wire_hello_reply reply; uint8_t bytes[RM_WIRE_MAX]; } in;
	int fds[RM_CHANNEL_FDS_MAX];
	unsigned count;

	client_send(fd, &hello, sizeof(hello), RM_HELLO, 0, NULL, 0);
	ck_assert_int_eq(client_recv(fd, &in, fds, &count), RM_HELLO_REPLY);
	ck_assert_int_eq(in.reply.error, 0);
	ck_assert_uint_ne(in.reply.pid, 0);
	return fd;
}

int client_new(void)
{
	return client_greet(client_connect());
}

int client_of_idle(const char *const *options)
{
	int fd = -1;

	while (fd < 0) {
		ck_assert_int_eq(host_start(options), 0);
		fd = rm_rundir_connect(directory);
	}
	return client_greet(fd);
}

static int reply_error(int fd, char *text)
{
	union { struct rm_wire_reply reply; uint8_t bytes[RM_WIRE_MAX]; } in;
	int fds[RM_CHANNEL_FDS_MAX];
	unsigned count;

	ck_assert_int_eq(client_recv(fd, &in, fds, &count), RM_REPLY);
	ck_assert_uint_eq(in.reply.head.seq, seq);
	ck_assert_uint_eq(count, 0);
	if (in.reply.error)
		ck_assert_msg(strlen(in.reply.text) > 10, "an error says why");
	if (text)
		strcpy(text, in.reply.text);
	return in.reply.error;
}

/* ---- publish ---- */

static int sealed(const void *data, size_t size, bool seal)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
	if (seal)
		ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK |
		                       F_SEAL_SEAL), 0);
	return fd;
}

/* New layers are of this publication; known ones were the first of another. */
static uint16_t publication_of(const struct snapshot *snapshot, unsigned *index)
{
	unsigned new = snapshot->layers - snapshot->known;

	if (*index < new)
		return snapshot->id;
	*index -= new;
	return snapshot->known_of;
}

static unsigned char fill_of(const struct snapshot *snapshot, unsigned index)
{
	unsigned of = publication_of(snapshot, &index);

	return (unsigned char)(snapshot->fill + index + 16 * of);
}

static int make_layer(const struct snapshot *snapshot, unsigned index)
{
	size_t size = snapshot->pages * RM_PAGE;
	char *data = malloc(size);
	int fd;

	ck_assert_ptr_nonnull(data);
	memset(data, fill_of(snapshot, index), size);
	fd = sealed(data, size, !snapshot->unsealed);
	free(data);
	return fd;
}

static void layer_id(const struct snapshot *snapshot, unsigned i, uint8_t id[RM_ID_BYTES])
{
	uint16_t of = publication_of(snapshot, &i);

	id[0] = (uint8_t)(i + 1);
	memcpy(id + 1, &of, sizeof(of));
}

static int make_table(const struct snapshot *snapshot, size_t *size)
{
	uint64_t *lengths = calloc(snapshot->layers, sizeof(uint64_t));
	void *memory;
	int fd;

	for (unsigned i = 0; i < snapshot->layers; i++)
		lengths[i] = snapshot->pages * RM_PAGE;
	*size = rm_table_size(lengths, snapshot->layers, snapshot->layers);
	memory = calloc(1, *size);
	ck_assert_ptr_nonnull(memory);
	rm_table_layout(memory, lengths, snapshot->layers, snapshot->layers, RM_WINDOW_BASE);
	for (unsigned i = 0; i < snapshot->layers; i++) {
		rm_table_segments(memory)[i] = (struct rm_segment){
			.addr = RM_WINDOW_BASE + i * lengths[i], .length = lengths[i], .layer = i,
		};
		layer_id(snapshot, i, rm_table_layers(memory)[i].id);
		for (uint64_t page = 0; page < snapshot->pages; page++)
			rm_bit_set(rm_table_bitmap(memory, i), page);
	}
	fd = sealed(memory, *size, !snapshot->unsealed);
	free(memory);
	free(lengths);
	return fd;
}

void client_ask_publish(int fd, const struct snapshot *snapshot)
{
	struct rm_wire_publish request = { .terms = { snapshot->readers, snapshot->ttl_ms },
	                                   .layer_count = snapshot->layers,
	                                   .known_layers = snapshot->known };
	size_t size;
	int table = make_table(snapshot, &size);

	memset(request.id, snapshot->id & 255, sizeof(request.id));
	memset(request.secret, snapshot->id & 255, sizeof(request.secret));
	memcpy(request.id, &snapshot->id, sizeof(snapshot->id));
	if (snapshot->fabric)
		strcpy(request.fabric, snapshot->fabric);
	request.table_size = size;
	client_send(fd, &request, sizeof(request), RM_PUBLISH, ++seq, &table, 1);
	close(table);
	for (unsigned i = 0; i < snapshot->layers - snapshot->known; i++) {
		struct rm_wire_layers layers = { .first = i, .count = 1 };
		int layer = make_layer(snapshot, i);

		client_send(fd, &layers, sizeof(layers), RM_LAYERS, seq, &layer, 1);
		close(layer);
	}
}

int client_publish(int fd, const struct snapshot *snapshot, char handle[RM_HANDLE_TEXT_MAX])
{
	char text[RM_TEXT_MAX];
	int error;

	client_ask_publish(fd, snapshot);
	error = reply_error(fd, text);
	if (handle)
		strcpy(handle, error ? "" : text);
	return error;
}

/* ---- attach ---- */

static void check_layer(int fd, const struct snapshot *expected, unsigned index)
{
	size_t size = expected->lazy ? RM_PAGE : expected->pages * RM_PAGE;
	unsigned char *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	ck_assert_ptr_ne(data, MAP_FAILED);
	for (size_t i = 0; i < size && !expected->lazy; i += RM_PAGE)
		ck_assert_uint_eq(data[i], fill_of(expected, index));
	munmap(data, size);
	close(fd);
}

int client_attach(int fd, const char *handle, const struct snapshot *expected, uint64_t *number)
{
	struct rm_wire_attach request = { .want = expected->lazy ? RM_FETCH_LAZY : RM_FETCH_AUTO,
	                                  .can_lazy = expected->lazy };
	union {
		struct rm_wire_attach_reply reply;
		struct rm_wire_layers layers;
		uint8_t bytes[RM_WIRE_MAX];
	} in;
	int fds[RM_CHANNEL_FDS_MAX];
	unsigned count, have = 0, layers;

	strcpy(request.handle, handle);
	client_send(fd, &request, sizeof(request), RM_ATTACH, ++seq, NULL, 0);
	ck_assert_int_eq(client_recv(fd, &in, fds, &count), RM_ATTACH_REPLY);
	if (in.reply.error) {
		ck_assert_msg(strlen(in.reply.text) > 10, "an error says why");
		ck_assert_uint_eq(count, 0);
		return in.reply.error;
	}
	ck_assert_uint_eq(count, 1);
	close(fds[0]);
	layers = in.reply.layer_count;
	ck_assert_uint_eq(layers, expected->layers);
	if (number)
		*number = in.reply.attachment;
	while (have < layers) {
		ck_assert_int_eq(client_recv(fd, &in, fds, &count), RM_LAYERS);
		ck_assert_uint_eq(in.layers.first, have);
		ck_assert_uint_eq(in.layers.count, count);
		for (unsigned i = 0; i < count; i++)
			check_layer(fds[i], expected, have + i);
		have += count;
	}
	return 0;
}

int client_name(int fd, unsigned type, const char *name)
{
	struct rm_wire_name request = { .name = "" };

	strcpy(request.name, name);
	client_send(fd, &request, sizeof(request), type, ++seq, NULL, 0);
	return reply_error(fd, NULL);
}

int client_detach(int fd, uint64_t number)
{
	struct rm_wire_attachment request = { .attachment = number };

	client_send(fd, &request, sizeof(request), RM_DETACH, ++seq, NULL, 0);
	return reply_error(fd, NULL);
}

int client_complete(int fd, uint64_t number)
{
	struct rm_wire_attachment request = { .attachment = number };

	client_send(fd, &request, sizeof(request), RM_COMPLETE, ++seq, NULL, 0);
	return reply_error(fd, NULL);
}

/* ---- records ---- */

static unsigned records(unsigned type, void *out, size_t size, unsigned max)
{
	union { struct rm_wire head; struct rm_wire_info_reply reply; uint8_t bytes[RM_WIRE_MAX]; } m;
	int fds[RM_CHANNEL_FDS_MAX], fd = client_new();
	unsigned count, n;

	memset(&m, 0, sizeof(m));
	client_send(fd, &m, sizeof(m.head), type, ++seq, NULL, 0);
	ck_assert_int_eq(client_recv(fd, &m, fds, &count), RM_INFO_REPLY);
	ck_assert_int_eq(m.reply.error, 0);
	ck_assert_uint_eq(m.reply.record_size, size);
	ck_assert_uint_eq(count, 1);
	n = m.reply.count < max ? m.reply.count : max;
	ck_assert_int_eq(pread(fds[0], out, n * size, 0), (ssize_t)(n * size));
	close(fds[0]);
	close(fd);
	return m.reply.count;
}

void client_info(struct rm_daemon_info *info)
{
	ck_assert_uint_eq(records(RM_INFO, info, sizeof(*info), 1), 1);
}

unsigned client_list(struct rm_pub_info *infos, unsigned max)
{
	return records(RM_LIST, infos, sizeof(*infos), max);
}

pid_t host_worker(void)
{
	struct rm_daemon_info info;

	client_info(&info);
	return (pid_t)info.worker_pid;
}
