/* SPDX-License-Identifier: BSD-2-Clause */
/* corners_process - descriptors, libraries, threads, signals and forks, more than is usual */
#include "corners.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rmmap.h"

static bool open_at(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* As daemons do; each time the connection and the claim are gone. */
void corner_close_all(void)
{
	for (int round = 0; round < 3; round++) {
		use_heap();
		publish(WORKS);
		for (int fd = 3; fd < 4096; fd++)
			close(fd);
	}
	use_heap();
	publish(WORKS);
}

/* Files of the program's own stand where ours were: nobody writes into them or closes them. */
void corner_dup2_over(void)
{
	char name[] = "/tmp/rmmap-corner.XXXXXX";
	bool ours[4096] = { false };
	struct stat st;
	int file;

	use_heap();
	publish(WORKS);
	file = mkstemp(name);
	CHECK(file >= 0 && unlink(name) == 0);
	for (int fd = 3; fd < 4096; fd++)
		if (fd != file && open_at(fd)) {
			CHECK(dup2(file, fd) == fd);
			ours[fd] = true;
		}
	use_heap();
	publish(WORKS);
	use_heap();
	publish(WORKS);
	for (int fd = 3; fd < 4096; fd++) {
		struct stat now;

		if (!ours[fd])
			continue;
		CHECK(fstat(fd, &now) == 0 && fstat(file, &st) == 0);
		CHECK(now.st_ino == st.st_ino && now.st_dev == st.st_dev && st.st_size == 0);
	}
}

void corner_dlopen(void)
{
	const char *plug = getenv("PLUG");
	long before = 0;

	CHECK(plug);
	for (int i = 0; i < 3000; i++) {
		int (*work)(int);
		void *lib = dlopen(plug, i & 1 ? RTLD_NOW : RTLD_LAZY);

		CHECK(lib && (work = (int (*)(int))dlsym(lib, "plug_work")));
		CHECK(work(i) == i + 1);
		CHECK(dlclose(lib) == 0);
		if (i == 500)
			before = status_kb("VmRSS:");
	}
	CHECK(status_kb("VmRSS:") < before + 16 * 1024);
	use_heap();
	publish(WORKS);
}

/* Its own symbols first: what it allocates is still ours to free. */
void corner_deepbind(void)
{
	void *lib = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD), *plug;
	char *(*copy)(const char *);
	int (*work)(int);

	CHECK(lib && (copy = (char *(*)(const char *))dlsym(lib, "strdup")));
	free(copy("from libc"));
	CHECK(getenv("PLUG"));
	plug = dlopen(getenv("PLUG"), RTLD_NOW | RTLD_DEEPBIND | RTLD_LOCAL);
	CHECK(plug && (work = (int (*)(int))dlsym(plug, "plug_work")));
	for (int i = 0; i < 1000; i++)
		CHECK(work(i) == i + 1);
	CHECK(dlclose(plug) == 0);
	use_heap();
	publish(WORKS);
}

static sigjmp_buf back;

static void jump(int number)
{
	(void)number;
	siglongjmp(back, 1);
}

/* A handler's stack in the heap; it leaves by a jump, into a program that goes on. */
void corner_alternate_stack(void)
{
	stack_t stack = { .ss_sp = malloc(65536), .ss_size = 65536 }, none = { .ss_flags = SS_DISABLE };
	struct sigaction action = { .sa_handler = jump, .sa_flags = SA_ONSTACK | SA_NODEFER };

	CHECK(stack.ss_sp && sigaltstack(&stack, NULL) == 0);
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
	for (volatile int i = 0; i < 100; i++) {
		if (!sigsetjmp(back, 1))
			raise(SIGUSR1);
		use_heap_here();
	}
	publish(WORKS);
	use_heap();
	CHECK(sigaltstack(&none, NULL) == 0);
	free(stack.ss_sp);
}

static int cloned(void *arg)
{
	use_heap_here();
	return *(char *)arg == 'c' ? 0 : 1;
}

static void wait_for(pid_t pid)
{
	int status;

	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
}

/* vfork() and posix_spawn() share the memory until they exec; clone() copies it. */
void corner_exec_children(void)
{
	static char name[] = "true", *const args[] = { name, NULL }, stack[1 << 18];
	char *volatile c = malloc(5000);

	CHECK(c);
	memset(c, 'c', 5000);
	for (volatile int i = 0; i < 40; i++) {
		pid_t pid = vfork();

		if (!pid) {
			execvp("true", args);
			_exit(1);
		}
		wait_for(pid);
		CHECK(posix_spawnp(&pid, "true", NULL, NULL, args, environ) == 0);
		wait_for(pid);
		if (i % 8 == 0)
			wait_for(clone(cloned, stack + sizeof(stack), SIGCHLD, c));
		use_heap_here();
	}
	free(c);
	publish(WORKS);
}

/* Each starts the next and waits for it: so many arenas at once, thread after thread. */
static void *nested(void *arg)
{
	uintptr_t depth = (uintptr_t)arg;
	char *p = malloc(1000 + depth);
	pthread_attr_t small;
	pthread_t thread;

	CHECK(p);
	p[0] = (char)depth;
	CHECK(pthread_attr_init(&small) == 0 && pthread_attr_setstacksize(&small, 65536) == 0);
	if (depth) {
		CHECK(pthread_create(&thread, &small, nested, (void *)(depth - 1)) == 0);
		CHECK(pthread_join(thread, NULL) == 0);
	}
	CHECK(p[0] == (char)depth);
	free(p);
	return NULL;
}

void corner_nested_threads(void)
{
	for (int i = 0; i < 5; i++)
		nested((void *)200);
	use_heap();
	publish(WORKS);
}

static pthread_key_t key;

static void at_thread_end(void *p)
{
	free(p);
	free(malloc(1000));
}

/* Frees what another thread left, and leaves something. */
static void *short_thread(void *arg)
{
	static void *left[64];
	char *p = malloc(5000);
	unsigned i = (unsigned)(uintptr_t)arg % 64;

	CHECK(p && in_window(p));
	memset(p, 1, 5000);
	free(__atomic_exchange_n(&left[i], p, __ATOMIC_ACQ_REL));
	CHECK(pthread_setspecific(key, malloc(333)) == 0);
	return NULL;
}

void corner_short_threads(void)
{
	pthread_t threads[50];
	long before = 0;

	CHECK(pthread_key_create(&key, at_thread_end) == 0);
	for (int round = 0; round < 200; round++) {
		for (int i = 0; i < 50; i++)
			CHECK(pthread_create(&threads[i], NULL, short_thread,
			                     (void *)(uintptr_t)(round * 50 + i)) == 0);
		for (int i = 0; i < 50; i++)
			CHECK(pthread_join(threads[i], NULL) == 0);
		if (round == 20)
			before = status_kb("VmRSS:");
	}
	printf("%ld kB more after 9,000 threads\n", status_kb("VmRSS:") - before);
	CHECK(status_kb("VmRSS:") < before + 16 * 1024);
	use_heap();
	publish(WORKS);
}

static volatile sig_atomic_t came;

/* Only what a handler may do: errno is changed and put back. */
static void on_alarm(int number)
{
	int saved = errno;

	(void)number;
	came++;
	close(-1);
	errno = saved;
}

static void signals(int flags)
{
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = flags };
	struct itimerval often = { { 0, 300 }, { 0, 300 } }, never = { { 0, 0 }, { 0, 0 } };

	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	came = 0;
	CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
	while (came < 300)
		use_heap_here();
	for (int i = 0; i < 10; i++)
		publish(WORKS);
	CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
}

void corner_signals(void)
{
	signals(SA_RESTART);
	signals(0);
}

/* Grows the heap, and publishes, until it is cancelled somewhere in there. */
static void *grows(void *arg)
{
	unsigned i = (unsigned)(uintptr_t)arg;

	for (;;) {
		char *p = malloc(((size_t)3 << 20) + (size_t)(i++ % 97) * 70000), handle[RMMAP_HANDLE_MAX];

		CHECK(p);
		p[0] = 1;
		if (i % 8 == 0 && !rmmap_publish(p, handle, sizeof(handle)))
			rmmap_unpublish(handle);
		free(p);
		use_heap_here();
		pthread_testcancel();
	}
}

/* pthread_cancel() of threads anywhere in here: no lock is lost. */
void corner_cancelled(void)
{
	pthread_t threads[4];

	for (int round = 0; round < 25; round++) {
		for (int i = 0; i < 4; i++)
			CHECK(pthread_create(&threads[i], NULL, grows, (void *)(uintptr_t)(round + i)) == 0);
		usleep(2000);
		for (int i = 0; i < 4; i++)
			CHECK(pthread_cancel(threads[i]) == 0);
		for (int i = 0; i < 4; i++)
			CHECK(pthread_join(threads[i], NULL) == 0);
		use_heap_here();
	}
	use_heap();
	publish(WORKS);
}

static volatile bool stop;

static void *churn(void *arg)
{
	while (!stop) {
		char *line = NULL;

		use_heap_here();
		CHECK(asprintf(&line, "%d a line", came) > 0);
		free(line);
	}
	return arg;
}

static void *forker(void *arg)
{
	for (int i = 0; i < 60; i++) {
		pid_t pid = fork();
		int status;

		CHECK(pid >= 0);
		if (!pid) {
			use_heap_here();
			_exit(7);
		}
		CHECK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7);
	}
	return arg;
}

void corner_fork_threads(void)
{
	pthread_t threads[3], forkers[2];

	for (int i = 0; i < 3; i++)
		CHECK(pthread_create(&threads[i], NULL, churn, NULL) == 0);
	for (int i = 0; i < 2; i++)
		CHECK(pthread_create(&forkers[i], NULL, forker, NULL) == 0);
	for (int i = 0; i < 10; i++) {
		CHECK(system("true") == 0);
		publish(WORKS);
	}
	for (int i = 0; i < 2; i++)
		CHECK(pthread_join(forkers[i], NULL) == 0);
	stop = true;
	for (int i = 0; i < 3; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

/* What the environment said was kept. */
void corner_cleared_environment(void)
{
	CHECK(clearenv() == 0);
	use_heap();
	publish(WORKS);
	CHECK(setenv("RMMAP_RUNDIR", "/nowhere", 1) == 0);
	publish(WORKS);
}
