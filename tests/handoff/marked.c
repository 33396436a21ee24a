/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * marked - what a program asked of pages of its heap by mlock(), madvise() and pkey_mprotect() is
 * so after a fork and after a publish too, in the parent and, where the kernel hands it on, in
 * the child. Each case is a process of its own, whose heap nothing has frozen before.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handoff.h"
#include "marks.h"

/* ---- the cases ---- */

static void show(const void *root, const void *address)
{
	char handle[RMMAP_HANDLE_MAX], argument[RMMAP_HANDLE_MAX + 32], out[512];

	CHECK(rmmap_publish(root, handle, sizeof(handle)) == 0);
	snprintf(argument, sizeof(argument), "%p %s", address, handle);
	CHECK(run_self("attach", argument, out, sizeof(out)) == 0);
}

/* Another process finds the content; at this address it finds nothing of the publisher's parent. */
static void attach(const char *argument)
{
	char handle[RMMAP_HANDLE_MAX];
	const struct root *root;
	void *absent;

	CHECK(sscanf(argument, "%p %511s", &absent, handle) == 2);
	root = rmmap_attach(handle);
	CHECK(root);
	if (absent) {
		CHECK(page_state(absent) != 'r');
		return;
	}
	CHECK(filled(root->locked, 10, BLOCK) && filled(root->on_fault, 11, 4 * PAGE));
	CHECK(filled(root->plain, 9, BLOCK));
	for (size_t i = 0; i < MARKS_KINDS; i++)
		CHECK(!root->marked[i] ||
		      filled(root->marked[i] - PAGE, (unsigned char)(i + 1), BLOCK + 2 * PAGE));
}

static void child_publishes(const struct root *root)
{
	struct root *own = calloc(1, sizeof(*own));

	CHECK(own);
	show(own, root->marked[1]);
	show(own, root->marked[1] + BLOCK - PAGE);
}

static void case_fork(void)
{
	struct root *root = build();

	lower_limit((size_t)locked_kb() * 1024);
	for (int i = 0; i < 2; i++) {
		fork_checked(root, child_publishes);
		check_marks(root, false);
	}
	show(root, NULL);
	check_marks(root, false);
}

static void case_publish(void)
{
	struct root *root = build();

	lower_limit((size_t)locked_kb() * 1024);
	for (int i = 0; i < 2; i++) {
		show(root, NULL);
		check_marks(root, false);
	}
	fork_checked(root, child_publishes);
	check_marks(root, false);
}

/* What is locked is in no file that would keep it, not locked, when the program overwrites it. */
static void case_secret(void)
{
	struct root *root = build();

	fork_checked(root, NULL);
	memset(root->locked, 0, BLOCK);
	CHECK(munlock(root->locked, BLOCK) == 0);
	CHECK(madvise(root->locked, BLOCK, MADV_DONTNEED) == 0);
	CHECK(filled(root->locked, 0, BLOCK));
	memset(root->on_fault, 0, 4 * PAGE);
	CHECK(munlock(root->on_fault, BLOCK) == 0);
	CHECK(madvise(root->on_fault, BLOCK, MADV_DONTNEED) == 0);
	CHECK(filled(root->on_fault, 0, 4 * PAGE));
}

/* The next mapping of a heap's file at *at or above; false: there is none. */
static bool file_next(uintptr_t *at, uintptr_t *end)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long from, to;
	char line[512];
	bool found = false;

	CHECK(f);
	while (!found && fgets(line, sizeof(line), f))
		found = strstr(line, "memfd:rmmap-heap") &&
		        sscanf(line, "%lx-%lx", &from, &to) == 2 && from >= *at;
	fclose(f);
	*at = from;
	*end = to;
	return found;
}

/* Marks on all of a file cut no mapping in two. */
static void case_whole(const char *flag, int advice)
{
	unsigned char *root = block(1);
	uintptr_t at = 0, end;
	unsigned files = 0;
	int status;
	pid_t pid;

	for (; file_next(&at, &end); at = end, files++)
		CHECK(advice < 0 ? mlock((void *)at, end - at) == 0 :
		      madvise((void *)at, end - at, advice) == 0);
	CHECK(files && has_flag(root, "sh") && has_flag(root, flag));
	pid = fork();
	if (pid == 0)
		_exit(advice == MADV_DONTFORK ? page_state(root) != '-' :
		      page_state(root) != 'r' || has_flag(root, flag) != (advice >= 0));
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(has_flag(root, flag) && !has_flag(root, "sh") && filled(root, 1, BLOCK));
	for (at = 0; file_next(&at, &end); at = end)
		CHECK(has_flag((void *)at, flag));
}

static void case_dontdump(void)
{
	case_whole("dd", MADV_DONTDUMP);
}

static void case_dontfork(void)
{
	case_whole("dc", MADV_DONTFORK);
}

static void case_lock(void)
{
	struct rlimit limit;

	CHECK(getrlimit(RLIMIT_MEMLOCK, &limit) == 0);
	if (geteuid() && limit.rlim_cur < (8u << 20)) {
		printf("skipped: a heap cannot be locked: ulimit -l %zu\n",
		       (size_t)limit.rlim_cur / 1024);
		return;
	}
	case_whole("lo", -1);
}

/*
 * After mlockall(MCL_FUTURE) what the heap grows by is locked, and so is what maps it anew, for
 * which the limit leaves no room beside it (a file has 4 MiB). What is freed
 * and used again stays locked.
 */
static void case_lockall(void)
{
	const size_t size = 3 << 20;
	unsigned char *p;
	long before;
	int status;
	pid_t pid;

	CHECK(mlockall(MCL_FUTURE) == 0);
	p = malloc(size);
	CHECK(p);
	memset(p, 2, size);
	before = locked_kb();
	CHECK(has_flag(p, "sh") && has_flag(p, "lo"));
	lower_limit((size_t)before * 1024 + size);
	pid = fork();
	if (pid == 0)
		_exit(locked_kb() != 0 || !filled(p, 2, size));
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(has_flag(p, "lo") && !has_flag(p, "sh") && filled(p, 2, size));
	CHECK(locked_kb() >= before);
	free(p);
	p = calloc(1, size);
	CHECK(p && filled(p, 0, size) && has_flag(p, "lo"));
}

/* Free memory that is locked is not given back, as by any malloc: it stays locked. */
static void case_given_back(void)
{
	const size_t size = 3 << 20;
	unsigned char *p = malloc(size);
	volatile uintptr_t first = (uintptr_t)p, last = first + size - PAGE;
	int status;
	pid_t pid;

	CHECK(p);
	memset(p, 1, size);
	CHECK(mlock(p, size) == 0);
	pid = fork();
	if (pid == 0)
		_exit(0);
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(has_flag(p, "lo") && !has_flag(p, "sh"));
	free(p);
	malloc_trim(0);
	CHECK(has_flag((void *)first, "lo") && has_flag((void *)last, "lo"));
	p = calloc(1, size);
	CHECK(p && (uintptr_t)p < last && filled(p, 0, size));
}

static void close_heap_files(void)
{
	char path[64], target[256];

	for (int fd = 3; fd < (int)sysconf(_SC_OPEN_MAX) && fd < 65536; fd++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		if (strstr(target, "memfd:rmmap-heap"))
			close(fd);
	}
}

/* The program has closed the heap's descriptors: nothing can be frozen, and the child copies. */
static void case_closed(void)
{
	struct root *root = build();
	int status;
	pid_t pid;

	close_heap_files();
	pid = fork();
	if (pid == 0) {
		check_marks(root, true);
		_exit(0);
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
	check_advice(root, false);
	CHECK(has_flag(root->locked, "lo") && locked_kb() == 2 * BLOCK / 1024);
}

static void case_key(void)
{
	int status, key = (int)syscall(SYS_pkey_alloc, 0, 0);
	unsigned char *p = block(1);
	pid_t pid;

	if (key < 0) {
		printf("skipped: no memory protection keys: %s\n", strerror(errno));
		return;
	}
	CHECK(syscall(SYS_pkey_mprotect, p, BLOCK, PROT_READ, key) == 0);
	CHECK(page_shown(p).key == key && has_flag(p, "sh"));
	pid = fork();
	if (pid == 0)
		_exit(page_shown(p).key != key || has_flag(p, "wr"));
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(page_shown(p).key == key && !has_flag(p, "wr") && !has_flag(p, "sh"));
	CHECK(page_shown(p + BLOCK).key == 0 && filled(p, 1, BLOCK));
}

/* ---- a thread that writes to locked memory all the time ---- */

static bool over;

static void *write_always(void *arg)
{
	volatile uint64_t *word = arg;
	uint64_t n = 0;

	while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
		n++;
		for (size_t i = 0; i < BLOCK / PAGE; i++)
			word[i * PAGE / sizeof(*word)] += 1;
	}
	for (size_t i = 0; i < BLOCK / PAGE; i++)
		CHECK(word[i * PAGE / sizeof(*word)] == n);
	return NULL;
}

static void case_writer(void)
{
	pthread_t thread;

	for (int i = 0; i < 6; i++) {
		unsigned char *p = aligned_alloc(PAGE, 2 << 20);
		int status;
		pid_t pid;

		CHECK(p);
		memset(p, 0, BLOCK);
		CHECK(mlock(p, BLOCK) == 0);
		__atomic_store_n(&over, false, __ATOMIC_RELAXED);
		CHECK(pthread_create(&thread, NULL, write_always, p) == 0);
		usleep(1000);
		pid = fork();
		if (pid == 0)
			_exit(0);
		CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
		usleep(1000);
		__atomic_store_n(&over, true, __ATOMIC_RELAXED);
		CHECK(pthread_join(thread, NULL) == 0);
		CHECK(has_flag(p, "lo") && !has_flag(p, "sh"));
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "fork", case_fork }, { "publish", case_publish }, { "secret", case_secret },
	{ "dontdump", case_dontdump }, { "dontfork", case_dontfork }, { "lock", case_lock },
	{ "lockall", case_lockall }, { "given_back", case_given_back },
	{ "closed", case_closed }, { "key", case_key },
	{ "writer", case_writer },
};

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);
	char out[4096];
	int failed = 0;

	if (mode && strcmp(mode, "attach") == 0) {
		attach(argv[2]);
		return 0;
	}
	setenv("RMMAP_HEAP", "shared", 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (mode && strcmp(mode, cases[i].name) == 0)
			cases[i].run();
		if (mode)
			continue;
		if (run_self(cases[i].name, "", out, sizeof(out))) {
			printf("%s: failed\n", cases[i].name);
			failed = 1;
		}
		fputs(out, stdout);
	}
	return failed;
}
