/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * private - a heap of shared memory files is private to parent and child, however the child
 * comes to be, and what only borrows the parent's memory until it execs leaves it as it was.
 * With an argument only: so many forks, which must not add up
 */
#include "preload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCKS 400
#define SIZE 20000

static unsigned char *blocks[BLOCKS];
static pid_t (*fork_bare)(void);        /* _Fork(), which older C libraries do not have */

static void fill(int value)
{
	for (int i = 0; i < BLOCKS; i++)
		memset(blocks[i], value + i % 7, SIZE);
}

static bool filled(int value)
{
	for (int i = 0; i < BLOCKS; i++)
		if (blocks[i][0] != (unsigned char)(value + i % 7) ||
		    memcmp(blocks[i], blocks[i] + 1, SIZE - 1))
			return false;
	return true;
}

static int lines(const char *words)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	int count = 0;

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		count += strstr(line, words) != NULL;
	fclose(f);
	return count;
}

static int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	CHECK(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* Growth since the last fork, so that there is something to freeze. */
static void *fresh_file(void)
{
	static unsigned char *grown[64];
	static int count;
	unsigned char *p = malloc((size_t)5 << 20);

	CHECK(p && count < 64);
	memset(p, 1, (size_t)5 << 20);
	grown[count++] = p;
	return grown;
}

/* ---- ways to fork ---- */

static int body(void *arg)
{
	int *pipes = arg;
	char go;

	alarm(30);
	/* the parent writes over it meanwhile */
	if (write(pipes[1], "c", 1) != 1 || read(pipes[2], &go, 1) != 1 || !filled(10))
		return 1;
	fill(30);
	for (int i = 0; i < BLOCKS; i++)
		blocks[i] = realloc(blocks[i], SIZE + 5000);
	if (!filled(30))
		return 2;
	for (int i = 0; i < BLOCKS; i++)
		free(blocks[i]);
	return malloc(100000) ? 0 : 3;
}

static char stack[256 << 10] __attribute__((aligned(16)));

static pid_t by_clone(int *pipes)
{
	return clone(body, stack + sizeof(stack), SIGCHLD, pipes);
}

static pid_t by_clone_files(int *pipes)
{
	return clone(body, stack + sizeof(stack), SIGCHLD | CLONE_FILES | CLONE_FS, pipes);
}

static pid_t by_fork(int *pipes)
{
	pid_t pid = fork();

	if (!pid)
		_exit(body(pipes));
	return pid;
}

static pid_t by_bare_fork(int *pipes)
{
	pid_t pid = fork_bare ? fork_bare() : fork();

	if (!pid)
		_exit(body(pipes));
	return pid;
}

static void private_by(pid_t (*way)(int *))
{
	int up[2], down[2], pipes[3], status, open;
	char go;
	pid_t pid;

	fresh_file();
	fill(10);
	CHECK(!pipe(up) && !pipe(down));
	pipes[0] = up[0];
	pipes[1] = up[1];
	pipes[2] = down[0];
	open = descriptors();
	pid = way(pipes);
	CHECK(pid > 0);
	CHECK(read(up[0], &go, 1) == 1);
	fill(20);
	CHECK(write(down[1], "p", 1) == 1);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status));
	if (WEXITSTATUS(status))
		fprintf(stderr, "the child failed: %d\n", WEXITSTATUS(status));
	CHECK(WEXITSTATUS(status) == 0);
	CHECK(filled(20) && descriptors() == open);
	for (int i = 0; i < 2; i++) {
		close(up[i]);
		close(down[i]);
	}
}

static void *in_thread(void *arg)
{
	pid_t (**way)(int *) = arg;

	private_by(*way);
	return NULL;
}

/* The child goes on as a daemon; its own child says how it is. */
static void daemonized(void)
{
	int report[2];
	char result = 'x';
	pid_t pid;

	fresh_file();
	fill(10);
	CHECK(!pipe(report));
	pid = fork();
	if (!pid) {
		fill(40);
		if (daemon(1, 1))
			_exit(1);
		result = filled(40) ? 'y' : 'n';
		fill(50);
		CHECK(write(report[1], &result, 1) == 1);
		_exit(0);
	}
	close(report[1]);
	CHECK(waitpid(pid, NULL, 0) == pid);
	CHECK(read(report[0], &result, 1) == 1 && result == 'y');
	close(report[0]);
	CHECK(filled(10));
}

/* ---- what shares memory with its parent until it execs ---- */

static void borrowed(void)
{
	char program[] = "true", *argv[] = { program, NULL }, text[16] = "";
	extern char **environ;
	int shared, status;
	pid_t pid;
	FILE *f;

	fresh_file();
	fill(10);
	shared = lines("rw-s");
	CHECK(shared > 0);
	pid = vfork();
	if (!pid) {
		execvp(program, argv);
		_exit(127);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(!posix_spawnp(&pid, program, NULL, NULL, argv, environ));
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(system("exit 3") == 3 << 8);
	f = popen("echo said", "r");
	CHECK(f && fgets(text, sizeof(text), f) && !strcmp(text, "said\n"));
	CHECK(pclose(f) == 0);
	CHECK(lines("rw-s") == shared);
	CHECK(filled(10));
}

/* ---- others' handlers ---- */

static void *handlers_block;
static int prepared, in_parents;

static void others_prepare(void)
{
	prepared++;
	free(handlers_block);
	handlers_block = malloc(70000);
	CHECK(handlers_block);
	memset(handlers_block, prepared, 70000);
}

static void others_parent(void)
{
	in_parents++;
	free(malloc(3000));
}

static void others_child(void)
{
	CHECK(((char *)handlers_block)[69999] == (char)prepared);
	free(handlers_block);
	handlers_block = calloc(1, 70000);
	CHECK(handlers_block && !((char *)handlers_block)[5000]);
}

/* ---- without descriptors, with threads, often ---- */

static void close_all(void)
{
	for (int fd = 3; fd < 4096; fd++)
		close(fd);
}

static volatile bool stop;

static void *churn(void *arg)
{
	void *keep[64] = { 0 };

	for (unsigned i = 0; !stop; i++) {
		size_t size = (size_t)1 << i % 20;

		free(keep[i % 64]);
		keep[i % 64] = calloc(1, size);
		CHECK(keep[i % 64] && !((char *)keep[i % 64])[size - 1]);
		memset(keep[i % 64], (int)i, size);
	}
	for (int i = 0; i < 64; i++)
		free(keep[i]);
	return arg;
}

/* ---- in a signal handler, which may have interrupted the allocator ---- */

static volatile int handled;

static void fork_in_handler(int signal)
{
	int error = errno, status;
	pid_t pid = fork_bare();

	(void)signal;
	if (!pid)
		_exit(9);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 9 << 8)
		abort();
	handled++;
	errno = error;
}

static void in_handlers(void)
{
	struct itimerval soon = { .it_value.tv_usec = 50 }, never = { 0 };
	void *keep[16] = { 0 };
	int last = -1;

	signal(SIGALRM, fork_in_handler);
	for (unsigned i = 0; handled < 200; i++) {
		size_t size = (size_t)1 << i % 24;

		/* once each time: a timer of its own pace may be faster than fork() */
		if (handled != last) {
			last = handled;
			soon.it_value.tv_usec = 50 + handled * 7 % 300;
			setitimer(ITIMER_REAL, &soon, NULL);
		}

		free(keep[i % 16]);
		keep[i % 16] = malloc(size);
		CHECK(keep[i % 16]);
		*(char *)keep[i % 16] = 1;
	}
	setitimer(ITIMER_REAL, &never, NULL);
	signal(SIGALRM, SIG_DFL);
	for (int i = 0; i < 16; i++)
		free(keep[i]);
}

static void many(int forks)
{
	int mappings = 0, open = 0;
	void *last = NULL;

	for (int i = 0; i < forks; i++) {
		pid_t pid;
		int status;

		free(last);
		last = malloc((size_t)1 << i % 22);
		CHECK(last);
		*(char *)last = 1;
		pid = fork();
		if (!pid)
			_exit(!last || *(char *)last != 1);
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
		if (i == 40) {
			mappings = lines("");
			open = descriptors();
		}
	}
	free(last);
	if (forks > 40) {
		CHECK(lines("") <= mappings + 40);
		CHECK(descriptors() <= open);
		CHECK(open < 100);
	}
}

int main(int argc, char **argv)
{
	pid_t (*ways[])(int *) = { by_fork, by_bare_fork, by_clone, by_clone_files };
	extern pid_t _Fork(void) __attribute__((weak));
	pthread_t thread, threads[4];
	int children = 0;

	if (argc > 1) {
		many(atoi(argv[1]));
		puts("ok");
		return 0;
	}
	fork_bare = _Fork;
	for (int i = 0; i < BLOCKS; i++) {
		blocks[i] = malloc(SIZE);
		CHECK(blocks[i]);
	}
	CHECK(lines("rw-s") > 0);
	borrowed();
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		private_by(ways[i]);
		/* in a child it is as in a parent that never forked */
		if (!fork()) {
			close_all();
			fresh_file();
			CHECK(pthread_create(&thread, NULL, in_thread, &ways[i]) == 0);
			CHECK(pthread_join(thread, NULL) == 0);
			close_all();
			private_by(ways[i]);
			_exit(0);
		}
		children++;
	}
	CHECK(pthread_atfork(others_prepare, others_parent, others_child) == 0);
	private_by(by_fork);
	daemonized();
	CHECK(prepared == 2 && in_parents == 2);
	for (int i = 0; i < 4; i++)
		CHECK(pthread_create(&threads[i], NULL, churn, NULL) == 0);
	for (int i = 0; i < 10; i++)
		private_by(by_fork);
	stop = true;
	for (int i = 0; i < 4; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	for (int status; children--;) {
		CHECK(wait(&status) > 0);
		CHECK(status == 0);
	}
	if (fork_bare)
		in_handlers();
	many(100);
	puts("ok");
	return 0;
}
