/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_pager - page faults of this process, served by a worker in another one, whose other
 * host is fake_host.c's
 *
 * Each test is a process of its own: consumer and keeper. It maps what its worker hands
 * out, as the library does, and kills that worker, or has it lose its host.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../src/common/channel.h"
#include "../src/daemon/budget.h"
#include "../src/daemon/pager.h"
#include "../src/daemon/stream.h"
#include "fake_host.h"

#ifndef UFFD_FEATURE_MINOR_SHMEM
#define UFFD_FEATURE_MINOR_SHMEM (1 << 10)
#endif
#define FEATURE_POISON (1 << 14)        /* Linux 6.6 */

#define CHECK(condition) do { \
	if (!(condition)) { \
		fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, strerror(errno)); \
		_exit(1); \
	} } while (0)

enum command { SERVE, COMPLETE, LOSE, SLOW, LOOK };

struct message {                /* consumer to worker, and back */
	enum command command;
	uint32_t features;
	int error;
	bool served;                    /* the attachment still has a lazy */
	struct rm_counters counters;
	char told[512];
};

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
	case LOOK:
		message.counters = fake.counters;
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
		if (type == RECORD_REMOTE)
			remotes_restore(fake.remotes, &record);
		else
			lazy_restore(&fake.attachment[0], &record);
	}
}

static enum rm_prefetch_mode prefetch;

static void work(int keeper, const struct fake_record *saved, pid_t consumer)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fake_open();
	fake.keeper_socket = keeper;
	fake.attachment[0].prefetch = prefetch;
	fake.pidfd = (int)syscall(SYS_pidfd_open, consumer, 0);
	commands = (struct source){ .fd = control, .ready = obey };
	CHECK(!loop_add(fake.worker.loop, &commands, EPOLLIN));
	if (saved) {
		struct remote *remote;

		restore(saved, RECORD_REMOTE);
		remote = remotes_find(fake.remotes, fake.handle.id);
		CHECK(remote);
		remote_reattach(remote, &fake.attachment[0]);
		restore(saved, RECORD_LAZY);
	} else {
		remote_attach(fake.remotes, &fake.attachment[0], &fake.handle, 0, attached, NULL);
	}
	fake_run(60000);
	_exit(0);
}

/* ---- the consumer ---- */

static pid_t worker;
static int keeper;
static int line[2];                     /* the life line: ours, the worker's */
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
		work(k[1], saved, self);
	}
	close(c[1]);
	close(k[1]);
	control = c[0];
	keeper = k[0];
}

static struct message ask(struct message message, const int *fds, unsigned count)
{
	int none[RM_CHANNEL_FDS_MAX];
	unsigned got;

	reply(&message, fds, count);
	CHECK(rm_channel_recv(control, &message, sizeof message, none, &got,
	                      rm_now_ns() + 20000000000ull) > 0);
	return message;
}

static struct message look(void)
{
	struct message message = ask((struct message){ .command = LOOK }, NULL, 0);

	while (fake_keep(keeper, rm_now_ns() + 1000000))
		;
	return message;
}

static int open_uffd(bool poison)
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

static bool can_poison;

/* Attach as the library does; own_page: memory of our own stands there. */
static void attach(bool poison, uint64_t own_page)
{
	struct message message = { .command = SERVE, .features = poison ? RM_UFFD_POISON : 0 };
	int layers[RM_CHANNEL_FDS_MAX], fds[4];
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
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, line));
	CHECK(!fcntl(line[0], F_SETOWN, getpid()) && !fcntl(line[0], F_SETSIG, SIGBUS));
	CHECK(!fcntl(line[0], F_SETFL, O_ASYNC));
	fds[0] = uffd;
	fds[1] = line[0];
	fds[2] = line[1];
	fds[3] = STDERR_FILENO;
	message.command = SERVE;
	message.features = poison ? RM_UFFD_POISON : 0;
	CHECK(!ask(message, fds, 4).error);
	close(line[1]);
	look();
}

static uint64_t wanted(uint64_t addr)
{
	for (unsigned i = 0; i < 4; i++) {
		const struct rm_segment *s = &rm_table_segments(fake.table)[i];
		uint64_t page = (s->offset + (addr - s->addr)) / RM_PAGE;

		if (addr >= s->addr && addr < s->addr + s->length)
			return fake_hole(s->layer, page) ? 0 : fake_word(s->layer, page);
	}
	return 0;
}

static uint64_t word(uint64_t addr)
{
	return *(volatile uint64_t *)addr;
}

static void walk(void)
{
	for (unsigned i = 0; i < 4; i++) {
		const struct rm_segment *s = &rm_table_segments(fake.table)[i];

		for (uint64_t at = s->addr; at < s->addr + s->length; at += RM_PAGE) {
			CHECK(word(at) == wanted(at));
			CHECK(word(at + RM_PAGE - 8) == wanted(at));
		}
	}
}

static bool still_served(void)
{
	/* the last batch's end comes after its pages */
	for (int i = 0; i < 100; i++) {
		if (!look().served)
			return false;
		usleep(10000);
	}
	return true;
}

static void test_in_order(void)
{
	struct message m;

	attach(can_poison, 0);
	walk();
	m = look();
	CHECK(m.counters.faults > 10);
	/* batches grow to 512 pages, and holes need no reads */
	CHECK(m.counters.faults < 300);
	CHECK(m.counters.fault_ns > 0);
	CHECK(m.counters.fetched_pages == (1 + 40) * 256 + 683);
	/* all data is here: nobody serves any more, and nobody needs to */
	CHECK(!still_served());
	CHECK(!(fcntl(line[0], F_GETFL) & O_ASYNC));
	kill(worker, SIGKILL);
	walk();
}

static void test_downwards(void)
{
	struct message m;

	attach(can_poison, 0);
	for (unsigned i = 4; i--;) {
		const struct rm_segment *s = &rm_table_segments(fake.table)[i];

		for (uint64_t at = s->addr + s->length; at > s->addr; at -= RM_PAGE)
			CHECK(word(at - RM_PAGE) == wanted(at - RM_PAGE));
	}
	m = look();
	CHECK(m.counters.faults < 400);
	CHECK(!still_served());
}

static void *random_walk(void *seed)
{
	uint64_t random = (uintptr_t)seed;

	for (int i = 0; i < 3000; i++) {
		const struct rm_segment *s;
		uint64_t addr;

		random = random * 6364136223846793005ull + 1442695040888963407ull;
		s = &rm_table_segments(fake.table)[random >> 62];
		addr = s->addr + (random >> 20) % (s->length / RM_PAGE) * RM_PAGE;
		CHECK(word(addr) == wanted(addr));
		if (i % 3)
			continue;
		/* each thread writes words of its own; they stay private to the process */
		((volatile uint64_t *)addr)[1 + (uintptr_t)seed] = random;
		CHECK(((volatile uint64_t *)addr)[1 + (uintptr_t)seed] == random);
	}
	return NULL;
}

static void test_random_in_four_threads(void)
{
	pthread_t threads[4];

	attach(can_poison, 0);
	for (uintptr_t i = 0; i < 4; i++)
		CHECK(!pthread_create(&threads[i], NULL, random_walk, (void *)(i + 1)));
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	walk();
}

static void test_writes_and_system_calls(void)
{
	uint64_t at = FAKE_BASE + 8 * 1048576;
	char buffer[64];
	int p[2];

	attach(can_poison, 0);
	*(volatile char *)(at + 100) = 5;       /* an absent page, then a hole */
	CHECK(word(at) == wanted(at) && *(volatile char *)(at + 100) == 5);
	*(volatile char *)(FAKE_BASE + 2 * 1048576 + 2 * RM_PAGE + 9) = 6;
	CHECK(word(FAKE_BASE + 2 * 1048576 + 2 * RM_PAGE) == 0);
	CHECK(*(volatile char *)(FAKE_BASE + 2 * 1048576 + 2 * RM_PAGE + 9) == 6);
	CHECK(!pipe(p));
	at += 4 * 1048576;
	CHECK(write(p[1], (void *)at, 8) == 8 && read(p[0], buffer, 64) == 8);
	CHECK(!memcmp(buffer, &(uint64_t){ wanted(at) }, 8));
	at += 4 * 1048576;
	CHECK(write(p[1], "read", 4) == 4 && read(p[0], (void *)(at + 50), 64) == 4);
	CHECK(word(at) == wanted(at) && !memcmp((void *)(at + 50), "read", 4));
}

static void test_own_memory_in_between(void)
{
	uint64_t own = FAKE_BASE + 10 * 1048576 + 5 * RM_PAGE;

	attach(can_poison, own);
	for (uint64_t at = own - 40 * RM_PAGE; at < own + 400 * RM_PAGE; at += RM_PAGE) {
		if (at == own)
			CHECK(word(at) == 0x7777777777777777ull);
		else if (at != own + RM_PAGE)   /* unmapped */
			CHECK(word(at) == wanted(at));
	}
	CHECK(!ask((struct message){ .command = COMPLETE }, NULL, 0).error);
	CHECK(word(own) == 0x7777777777777777ull);
	CHECK(!look().served);
}

static void test_complete(void)
{
	attach(can_poison, 0);
	CHECK(word(FAKE_BASE) == wanted(FAKE_BASE));
	CHECK(look().served);
	CHECK(!ask((struct message){ .command = COMPLETE }, NULL, 0).error);
	CHECK(!look().served);
	kill(worker, SIGKILL);
	walk();
}

/* ---- pages that point to others ---- */

#define CHAIN 7000                      /* pages of the last layer, one after the other */

static uint64_t link_of(uint64_t i)
{
	return FAKE_BASE + 6 * 1048576 + (i * 617 + 5) % 7680 * RM_PAGE;
}

static uint64_t *source_at(uint64_t addr)
{
	return (uint64_t *)(void *)(fake.source[2] + (addr - FAKE_BASE - 6 * 1048576));
}

static void fill_chain(void)
{
	for (uint64_t i = 0; i < CHAIN; i++)
		source_at(link_of(i))[2] = link_of(i + 1);
}

static struct message settled(void)
{
	struct message m = look(), last;

	do {
		last = m;
		usleep(50000);
		m = look();
	} while (memcmp(&m.counters, &last.counters, sizeof m.counters));
	return m;
}

static void chase(enum rm_prefetch_mode mode, uint64_t from, uint64_t to)
{
	uint64_t addr;

	prefetch = mode;
	fake_fill = fill_chain;
	if (!worker)
		attach(can_poison, 0);
	for (addr = link_of(from); from < to; from++) {
		CHECK(word(addr) == wanted(addr));
		addr = word(addr + 16);
		CHECK(addr == link_of(from + 1));
	}
}

static void test_chain(void)
{
	const struct rm_ahead_counters *pointer;
	uint64_t fetched;
	struct message m;

	chase(RM_PREFETCH_POINTER, 0, 1);
	m = settled();
	pointer = &m.counters.ahead[RM_AHEAD_POINTER];
	/* one page brought the next ones, as far as trust goes without a sign of use */
	CHECK(pointer->pages >= BUDGET_TRIPS * BUDGET_WINDOW_MIN || !m.served);
	CHECK(pointer->pages + STREAM_LONE >= m.counters.fetched_pages);
	CHECK(pointer->used == 0 && m.counters.faults == 1);
	fetched = m.counters.fetched_pages;
	chase(RM_PREFETCH_POINTER, 1, CHAIN);
	m = settled();
	CHECK(pointer->pages >= CHAIN / 2);
	CHECK(pointer->used > pointer->pages / 4 && pointer->used <= pointer->pages);
	CHECK(m.counters.fetched_pages > fetched);
	CHECK(m.counters.faults < CHAIN / 4);
}

static void test_chain_without_pointers(void)
{
	struct message m;

	chase(RM_PREFETCH_SEQUENTIAL, 0, 300);
	m = settled();
	CHECK(m.counters.ahead[RM_AHEAD_POINTER].pages == 0);
	CHECK(m.counters.ahead[RM_AHEAD_SCAN].pages > 0);
	CHECK(m.counters.ahead[RM_AHEAD_SCAN].used <= m.counters.ahead[RM_AHEAD_SCAN].pages);
}

static void test_nothing_ahead(void)
{
	struct message m;

	chase(RM_PREFETCH_OFF, 0, 300);
	m = settled();
	CHECK(!m.counters.ahead[RM_AHEAD_POINTER].pages && !m.counters.ahead[RM_AHEAD_SCAN].pages);
	CHECK(m.counters.faults == 300 && m.counters.fetched_pages == 300);
}

/* Every word an address: of everything, of itself, of what is just outside. */
static void fill_hostile(void)
{
	uint64_t random = 4711, low = FAKE_BASE - 4 * RM_PAGE, span = 80 * 1048576;

	for (uint64_t page = 0; page < fake.lengths[2] / RM_PAGE; page++) {
		uint64_t *words = (uint64_t *)(void *)(fake.source[2] + page * RM_PAGE);

		for (unsigned i = 1; i < RM_PAGE / 8 - 1; i++) {
			random = random * 6364136223846793005ull + 1442695040888963407ull;
			words[i] = low + (random >> 20) % span;
		}
		words[1] = FAKE_BASE + 6 * 1048576 + page * RM_PAGE;
		words[2] = FAKE_BASE - 1;
		words[3] = FAKE_BASE + 74 * 1048576;
		words[4] = UINT64_MAX;
	}
}

static void test_hostile_pages(void)
{
	uint64_t at = FAKE_BASE + 20 * 1048576, window;
	struct message m;

	fake_fill = fill_hostile;
	attach(can_poison, 0);
	CHECK(word(at) == wanted(at));
	m = settled();
	/* the round trip was shorter than the fault */
	window = m.counters.fault_ns / BUDGET_PAGE_NS;
	window = window < BUDGET_WINDOW_MIN ? BUDGET_WINDOW_MIN : window;
	window = window > BUDGET_WINDOW_MAX ? BUDGET_WINDOW_MAX : window;
	CHECK(m.counters.fetched_pages <= STREAM_LONE + BUDGET_TRIPS * window);
	CHECK(m.counters.ahead[RM_AHEAD_POINTER].pages > 0);
	walk();
}

static volatile uint64_t seen;

static void *wait_for_page(void *addr)
{
	seen = word((uintptr_t)addr);
	return NULL;
}

static void next_worker(void)
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

static void test_new_worker(void)
{
	uint64_t here = FAKE_BASE + 7 * 1048576, waiting = FAKE_BASE + 20 * 1048576;
	pthread_t thread;

	attach(can_poison, 0);
	CHECK(word(here) == wanted(here));
	*(volatile uint64_t *)(here + 8) = 4711;
	ask((struct message){ .command = SLOW }, NULL, 0);
	CHECK(!pthread_create(&thread, NULL, wait_for_page, (void *)waiting));
	usleep(100000);
	CHECK(!seen);
	next_worker();
	pthread_join(thread, NULL);
	CHECK(seen == wanted(waiting));
	next_worker();                          /* and once more, with copies in place */
	CHECK(word(waiting + 3 * 1048576) == wanted(waiting + 3 * 1048576));
	CHECK(!ask((struct message){ .command = COMPLETE }, NULL, 0).error);
	CHECK(!look().served);
	kill(worker, SIGKILL);
	walk();
	CHECK(word(here + 8) == 4711);
}

static sigjmp_buf touched;

static void bus(int number)
{
	(void)number;
	siglongjmp(touched, 1);
}

static bool raises_sigbus(uint64_t addr)
{
	struct sigaction action = { .sa_handler = bus };

	CHECK(!sigaction(SIGBUS, &action, NULL));
	if (sigsetjmp(touched, 1))
		return true;
	word(addr);
	return false;
}

static void lose_host(bool poison)
{
	uint64_t here = FAKE_BASE + 7 * 1048576, gone = FAKE_BASE + 20 * 1048576;

	attach(poison, 0);
	CHECK(word(here) == wanted(here));
	CHECK(!*fake.told);
	ask((struct message){ .command = LOSE }, NULL, 0);
	CHECK(raises_sigbus(gone));
	CHECK(raises_sigbus(gone + 96));       /* and stays so */
	CHECK(raises_sigbus(gone + 5 * 1048576));
	CHECK(word(here + 8) == 0 && word(here) == wanted(here));
	look();
	/* once, with the short id */
	CHECK(strstr(fake.told, "publication abababab: ") && strstr(fake.told, "fake host"));
	CHECK(strchr(fake.told, '\n') == fake.told + strlen(fake.told) - 1);
	CHECK(ask((struct message){ .command = COMPLETE }, NULL, 0).error == -EHOSTUNREACH);
	/* marked as lost, nobody is needed; else it is served as before */
	CHECK(look().served == !poison);
	CHECK(word(here) == wanted(here) && raises_sigbus(gone + 6 * 1048576));
}

static void test_lost_host(void)
{
	if (can_poison)
		lose_host(true);
}

static void test_lost_host_without_poison(void)
{
	lose_host(false);
}

static int run(const char *name, void (*test)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		alarm(60);
		test();
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status) {
		printf("FAIL %s (status %x)\n", name, status);
		return 1;
	}
	printf("ok   %s\n", name);
	return 0;
}

int main(void)
{
	int failed = 0, fd = open_uffd(true);

	setvbuf(stdout, NULL, _IOLBF, 0);
	can_poison = fd >= 0;
	if (fd < 0)
		fd = open_uffd(false);
	if (fd < 0) {
		printf("SKIP: userfaultfd is not allowed here (%s)\n", strerror(errno));
		return 77;
	}
	close(fd);
	printf("UFFDIO_POISON: %s\n", can_poison ? "yes" : "no, its test is left out");
	failed += run("in order", test_in_order);
	failed += run("downwards", test_downwards);
	failed += run("random, 4 threads", test_random_in_four_threads);
	failed += run("writes and system calls", test_writes_and_system_calls);
	failed += run("own memory in between", test_own_memory_in_between);
	failed += run("complete", test_complete);
	failed += run("chain", test_chain);
	failed += run("chain, without pointers", test_chain_without_pointers);
	failed += run("nothing ahead", test_nothing_ahead);
	failed += run("hostile pages", test_hostile_pages);
	failed += run("new worker", test_new_worker);
	failed += run("lost host", test_lost_host);
	failed += run("lost host, no poison", test_lost_host_without_poison);
	return failed != 0;
}
