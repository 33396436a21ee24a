/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pager_consumer.c - test_pager's worker, and the process that it serves
 */
#include "pager_consumer.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../../../src/common/channel.h"
#include "../../../src/daemon/pager/internal.h"
#include "../../../src/daemon/base/reserve.h"

#ifndef UFFD_FEATURE_MINOR_SHMEM
#define UFFD_FEATURE_MINOR_SHMEM (1 << 10)
#endif
#define FEATURE_POISON (1 << 14)        /* Linux 6.6 */

/* ---- the worker ---- */

static int control;                     /* in both processes */
static struct source commands;

static void reply(struct message *message, const int *fds, unsigned count)
{
	CHECK(!rm_channel_send(control, message, sizeof *message, fds, count,
	                       rm_now_ns() + 5000000000ull));
}

static void completed(void *arg, int error)
{
	struct message message = { .command = COMPLETE, .error = error };

	(void)arg;
	reply(&message, NULL, 0);
}

/* From now on malloc has nothing. The stack cannot grow any more either. */
static void starve(void)
{
	struct rlimit none = { 0, 0 };
	volatile char stack[256 * 1024];
	void *volatile block;
	size_t size;

	memset((char *)stack, 1, sizeof stack);
	fake_spare(256);
	CHECK(!setrlimit(RLIMIT_AS, &none));
	for (size = 1 << 20; size > 2048; size /= 2)
		while ((block = malloc(size)))
			;
	for (; size; size -= 16)
		while ((block = malloc(size)))
			;
}

static void other_attached(void *arg, int error, const char *why, struct remote *remote)
{
	struct message message = { .command = OTHER, .error = error };

	(void)arg;
	(void)why;
	(void)remote;
	reply(&message, NULL, 0);
}

static void obey(struct source *source, uint32_t events)
{
	int fds[RM_CHANNEL_FDS_MAX];
	struct message message;
	unsigned count;

	(void)source;
	(void)events;
	if (rm_channel_recv(control, &message, sizeof message, fds, &count, 0) <= 0)
		_exit(0);
	switch (message.command) {
	case SERVE:
		message.error = lazy_start(&fake.attachment[0], fds, count, message.features);
		break;
	case COMPLETE:
		if (fake.attachment[0].lazy) {
			lazy_complete(fake.attachment[0].lazy, completed, NULL);
			return;
		}
		break;
	case LOSE:
		fake.fail_reads = 1000000;
		fake.attach_error = -EHOSTUNREACH;
		break;
	case SLOW:
		fake.delay_ns = 60000000000ull;
		break;
	case AHEAD:
		fake.delay_ns = 300000000;
		message.error = lazy_prefetch(fake.attachment[0].lazy, message.addr, RM_PAGE);
		break;
	case OTHER:                     /* another process attaches, and fetches all */
		remote_attach(fake.remotes, &fake.attachment[1], &fake.handle, UINT64_MAX,
		              other_attached, NULL);
		return;
	case TRUST:                     /* noted wrong: it maps what the next worker will have */
		fake.attachment[0].generation = UINT64_MAX;
		fake_save(&fake.attachment[0]);
		break;
	case FORGET:                    /* counted wrong: nothing is left */
		fake.attachment[0].lazy->left = fake.attachment[0].lazy->left_copies = 0;
		reply(&message, NULL, 0);
		lazy_progress(fake.attachment[0].lazy);
		return;
	case STARVE:
		starve();
		break;
	case LOOK:
		message.counters = fake.counters.sum;
		message.served = fake.attachment[0].lazy != NULL;
		break;
	}
	reply(&message, NULL, 0);
}

static void attached(void *arg, int error, const char *why, struct remote *remote)
{
	struct message message = { .error = error };
	int fds[FAKE_LAYERS];

	(void)arg;
	(void)why;
	for (uint32_t i = 0; !error && i < FAKE_LAYERS; i++)
		fds[i] = remote_layer_fd(remote, i);
	fake.attachment[0].generation = remote_generation(remote);
	fake_save(&fake.attachment[0]);
	reply(&message, fds, error ? 0 : FAKE_LAYERS);
}

static void restore(const struct fake_record *saved, enum record_type type)
{
	for (unsigned i = 0; i < FAKE_RECORDS; i++) {
		struct record record = saved[i].record;

		record.data = saved[i].data;
		record.fds = saved[i].fds;
		if (record.type != type)
			continue;
		if (type == RECORD_REMOTE) {
			remotes_restore(fake.remotes, &record);
		} else if (type == RECORD_ATTACHMENT) {
			const struct fake_attachment *attachment = record.data;

			fake.attachment[0].generation = attachment->generation;
			fake.attachment[0].served = attachment->served;
			fake_save(&fake.attachment[0]);
		} else {
			lazy_restore(&fake.attachment[0], &record);
		}
	}
}

enum rm_prefetch_mode prefetch;

static void work(int keeper, const struct fake_record *saved, pid_t consumer)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fake_open();
	reserve_open();
	fake.keeper_socket = keeper;
	fake.attachment[0].prefetch = prefetch;
	for (unsigned i = 0; i < 4; i++)
		fake.attachment[i].pidfd = (int)syscall(SYS_pidfd_open, consumer, 0);
	commands = (struct source){ .fd = control, .ready = obey };
	CHECK(!loop_add(fake.context.loop, &commands, EPOLLIN));
	if (saved) {
		struct remote *remote;

		restore(saved, RECORD_REMOTE);
		remote = remotes_find(fake.remotes, fake.handle.id);
		CHECK(remote);
		remote_reattach(remote, &fake.attachment[0]);
		restore(saved, RECORD_ATTACHMENT);
		restore(saved, RECORD_LAZY);
	} else {
		remote_attach(fake.remotes, &fake.attachment[0], &fake.handle, 0, attached, NULL);
	}
	fake_run(60000);
	_exit(0);
}

/* ---- the consumer ---- */

bool can_poison;
pid_t worker;
int line[2];                            /* the life line: ours, the worker's */
static int keeper;
static int uffd;

static void start_worker(const struct fake_record *saved)
{
	int c[2], k[2];
	pid_t self = getpid();

	CHECK(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, c));
	CHECK(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, k));
	worker = fork();
	CHECK(worker >= 0);
	if (!worker) {
		close(c[0]);
		close(k[0]);
		if (uffd)
			close(uffd);
		control = c[1];
		signal(SIGABRT, SIG_DFL);       /* libfabric's libraries catch it */
		work(k[1], saved, self);
	}
	close(c[1]);
	close(k[1]);
	control = c[0];
	keeper = k[0];
}

struct message ask(struct message message, const int *fds, unsigned count)
{
	int none[RM_CHANNEL_FDS_MAX];
	unsigned got;

	reply(&message, fds, count);
	CHECK(rm_channel_recv(control, &message, sizeof message, none, &got,
	                      rm_now_ns() + 20000000000ull) > 0);
	return message;
}

struct message look(void)
{
	struct message message = ask((struct message){ .command = LOOK }, NULL, 0);

	while (fake_keep(keeper, rm_now_ns() + 1000000))
		;
	return message;
}
struct message settled(void)
{
	struct message m = look(), last;

	do {
		last = m;
		usleep(50000);
		m = look();
	} while (memcmp(&m.counters, &last.counters, sizeof m.counters));
	return m;
}

void next_worker(void)
{
	struct fake_record saved[FAKE_RECORDS];

	kill(worker, SIGKILL);
	CHECK(waitpid(worker, NULL, 0) == worker);
	while (fake_keep(keeper, rm_now_ns() + 100000000))
		;
	close(control);
	close(keeper);
	memcpy(saved, fake.records, sizeof saved);      /* the worker makes a fake of its own */
	start_worker(saved);
}

int ended_by(void)
{
	siginfo_t info = { .si_pid = 0 };

	for (int i = 0; i < 500 && !info.si_pid; i++) {
		CHECK(!waitid(P_PID, (id_t)worker, &info, WEXITED | WNOHANG | WNOWAIT));
		usleep(10000);
	}
	return info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED ? info.si_status : 0;
}

int open_uffd(bool poison)
{
	struct uffdio_api api = { .api = UFFD_API,
		.features = UFFD_FEATURE_MINOR_SHMEM | (poison ? FEATURE_POISON : 0) };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd >= 0 && ioctl(fd, UFFDIO_API, &api)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void register_segments(const struct rm_segment *segments, const int *layers)
{
	for (unsigned i = 0; i < 4; i++) {
		struct uffdio_register r = {
			.range = { segments[i].addr, segments[i].length },
			.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR };

		CHECK(mmap((void *)segments[i].addr, segments[i].length, PROT_READ | PROT_WRITE,
		           MAP_PRIVATE | MAP_FIXED_NOREPLACE | MAP_NORESERVE,
		           layers[segments[i].layer], (off_t)segments[i].offset) ==
		      (void *)segments[i].addr);
		CHECK(!ioctl(uffd, UFFDIO_REGISTER, &r));
	}
}

void attach_map(bool poison, uint64_t own_page)
{
	int layers[RM_CHANNEL_FDS_MAX];
	struct message message;
	unsigned count;

	fake_open();
	start_worker(NULL);
	CHECK(rm_channel_recv(control, &message, sizeof message, layers, &count,
	                      rm_now_ns() + 5000000000ull) > 0);
	CHECK(count == FAKE_LAYERS);
	uffd = open_uffd(poison);
	CHECK(uffd >= 0);
	register_segments(rm_table_segments(fake.table), layers);
	if (own_page) {
		CHECK(mmap((void *)own_page, RM_PAGE, PROT_READ | PROT_WRITE,
		           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == (void *)own_page);
		memset((void *)own_page, 0x77, RM_PAGE);
		CHECK(!munmap((void *)(own_page + RM_PAGE), RM_PAGE));
	}
}

void attach_serve(bool poison)
{
	struct message message = { .command = SERVE, .features = poison ? RM_UFFD_POISON : 0 };
	int fds[4];

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, line));
	CHECK(!fcntl(line[0], F_SETOWN, getpid()) && !fcntl(line[0], F_SETSIG, SIGBUS));
	CHECK(!fcntl(line[0], F_SETFL, O_ASYNC));
	fds[0] = uffd;
	fds[1] = line[0];
	fds[2] = line[1];
	fds[3] = STDERR_FILENO;
	CHECK(!ask(message, fds, 4).error);
	close(line[1]);
	look();
}

void attach(bool poison, uint64_t own_page)
{
	attach_map(poison, own_page);
	attach_serve(poison);
}

uint64_t wanted(uint64_t addr)
{
	for (unsigned i = 0; i < 4; i++) {
		const struct rm_segment *s = &rm_table_segments(fake.table)[i];
		uint64_t page = (s->offset + (addr - s->addr)) / RM_PAGE;

		if (addr >= s->addr && addr < s->addr + s->length)
			return fake_hole(s->layer, page) ? 0 : fake_word(s->layer, page);
	}
	return 0;
}

uint64_t word(uint64_t addr)
{
	return *(volatile uint64_t *)addr;
}

void walk(void)
{
	for (unsigned i = 0; i < 4; i++) {
		const struct rm_segment *s = &rm_table_segments(fake.table)[i];

		for (uint64_t at = s->addr; at < s->addr + s->length; at += RM_PAGE) {
			CHECK(word(at) == wanted(at));
			CHECK(word(at + RM_PAGE - 8) == wanted(at));
		}
	}
}

bool still_served(void)
{
	/* the last batch's end comes after its pages */
	for (int i = 0; i < 100; i++) {
		if (!look().served)
			return false;
		usleep(10000);
	}
	return true;
}

static sigjmp_buf touched;

static void bus(int number)
{
	(void)number;
	siglongjmp(touched, 1);
}

bool raises_sigbus(uint64_t addr)
{
	struct sigaction action = { .sa_handler = bus };

	CHECK(!sigaction(SIGBUS, &action, NULL));
	if (sigsetjmp(touched, 1))
		return true;
	word(addr);
	return false;
}
