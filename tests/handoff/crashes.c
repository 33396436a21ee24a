/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Publishers, consumers, their children and rmmapd's worker die at any moment: what rmmapd holds
 * returns to what it was. A consumer that has closed all descriptors keeps what it attached
 * and is counted; one keeps it too when all of rmmapd is dead.
 */
#include "handoff.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 40
#define WORDS ((size_t)1 << 17)         /* 1 MiB */

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

/* The number of this name that a command of rmmap prints as JSON; -1 if there is none. */
static long long ask(const char *command, const char *name)
{
	char line[1024], key[64];
	long long number = -1;
	FILE *f = popen(command, "r");

	CHECK(f);
	snprintf(key, sizeof(key), "\"%s\": ", name);
	while (fgets(line, sizeof(line), f)) {
		const char *at = strstr(line, key);

		if (at && number < 0)
			number = strtoll(at + strlen(key), NULL, 10);
	}
	CHECK(pclose(f) == 0);
	return number;
}

static long long listed(const char *name)
{
	return ask("rmmap list --json", name);
}

static long long held(void)
{
	return ask("rmmap info --json", "held_bytes");
}

static void wait_empty(void)
{
	for (int i = 0; i < 200 && (listed("age_ms") >= 0 || held()); i++)
		pause_ms(100);
	CHECK(listed("age_ms") < 0);
	CHECK(held() == 0);
}

/* ---- what dies ---- */

_Noreturn static void publish_mode(bool forking)
{
	struct rmmap_publish_options options = RMMAP_PUBLISH_OPTIONS_INIT;
	char handle[RMMAP_HANDLE_MAX];
	uint64_t *words = calloc(WORDS, sizeof(*words));

	options.ttl_ms = 1000;
	for (unsigned i = 0;; i++) {
		for (size_t at = i % 7; at < WORDS; at += 4096)
			words[at] = i;
		if (forking && fork() == 0) {
			rmmap_publish_with(strdup("a child's"), &options, handle, sizeof(handle));
			_exit(0);
		}
		/* the worker may be dead, or this one's limit of patience */
		rmmap_publish_with(words, &options, handle, sizeof(handle));
		if (i % 3 == 0 && handle[0])
			rmmap_unpublish(handle);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

_Noreturn static void attach_mode(const char *handle)
{
	for (;;) {
		uint64_t *root = rmmap_attach(handle);

		if (root) {
			root[5]++;
			rmmap_detach(root);
		}
	}
}

static int once_mode(void)
{
	char handle[RMMAP_HANDLE_MAX];

	CHECK(rmmap_publish(strdup("once"), handle, sizeof(handle)) == 0);
	CHECK(rmmap_unpublish(handle) == 0);
	return 0;
}

static void kill_worker(void)
{
	pid_t worker;

	CHECK(daemon_children(daemon_pid(), &worker, 1) == 1);
	CHECK(kill(worker, SIGKILL) == 0);
}

/* The keeper hears of what the worker opened and closed again later: the count may go up, too. */
static int wait_descriptors(int most)
{
	int open = daemon_descriptors(daemon_pid());

	for (int i = 0; i < 600 && open > most; i++) {
		pause_ms(100);
		open = daemon_descriptors(daemon_pid());
	}
	return open;
}

static void crashes(void)
{
	static const char *const modes[] = { "publish", "attach", "fork", "publish" };
	char handle[RMMAP_HANDLE_MAX], out[64];
	int descriptors;
	long rss;

	/* this process has a connection from here on */
	produce("array", handle);
	CHECK(rmmap_unpublish(handle) == 0);
	wait_empty();
	descriptors = daemon_descriptors(daemon_pid());
	rss = daemon_rss_kb(daemon_pid());
	produce("array", handle);
	srandom(4);
	for (int round = 0; round < ROUNDS; round++) {
		int out_fd;
		pid_t pid = start_self(modes[round % 4], handle, &out_fd);

		pause_ms(random() % 80);
		if (round % 20 == 3)            /* five in ten seconds are no bad luck */
			kill_worker();
		pause_ms(random() % 20);
		CHECK(kill(pid, SIGKILL) == 0);
		end_self(pid, out_fd, out, sizeof(out));
	}
	CHECK(rmmap_unpublish(handle) == 0);
	wait_empty();
	CHECK(wait_descriptors(descriptors) <= descriptors);
	printf("rmmapd: %ld KiB before, %ld KiB after\n", rss, daemon_rss_kb(daemon_pid()));
	CHECK(daemon_rss_kb(daemon_pid()) < rss + 8192);
}

/* ---- without descriptors ---- */

static uint64_t attached_sum;
static const void *attached;

static void verify(int signal)
{
	(void)signal;
	_exit(structure_sum("tree", attached) == attached_sum ? 0 : 1);
}

_Noreturn static void hold_mode(const char *handle)
{
	attached = rmmap_attach(handle);
	CHECK(attached);
	attached_sum = structure_sum("tree", attached);
	signal(SIGUSR1, verify);
	/* this end of the pipe is what says that all are closed */
	for (int fd = 0; fd < 1 << 16; fd++)
		close(fd);
	for (;;)
		pause();
}

static pid_t start_holder(const char *handle)
{
	char byte;
	int out;
	pid_t pid = start_self("hold", handle, &out);

	CHECK(read(out, &byte, 1) == 0);
	close(out);
	return pid;
}

static void end_holder(pid_t pid)
{
	int status;

	CHECK(kill(pid, SIGUSR1) == 0);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void closed(void)
{
	char handle[RMMAP_HANDLE_MAX];
	pid_t pid;

	produce("tree", handle);
	pid = start_holder(handle);
	pause_ms(300);
	CHECK(listed("attached") == 1);
	CHECK(rmmap_unpublish(handle) == 0);
	pause_ms(300);
	CHECK(listed("attached") == 1 && held() > 0);
	end_holder(pid);
	wait_empty();
}

static void all_killed(void)
{
	char handle[RMMAP_HANDLE_MAX], out[64];
	pid_t pid, keeper, worker;

	produce("tree", handle);
	pid = start_holder(handle);
	keeper = daemon_pid();
	CHECK(daemon_children(keeper, &worker, 1) == 1);
	CHECK(kill(keeper, SIGSTOP) == 0 && kill(worker, SIGKILL) == 0 &&
	      kill(keeper, SIGKILL) == 0);
	while (!process_gone(keeper) || !process_gone(worker))
		pause_ms(10);
	CHECK(rmmap_attach(handle) == NULL && errno == ENOENT);
	CHECK(daemon_pid() != keeper && daemon_pid() > 1);
	CHECK(run_self("once", "", out, sizeof(out)) == 0);
	end_holder(pid);
	wait_empty();
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);

	if (mode && strcmp(mode, "produce") == 0)
		return produce_mode(argv[2]);
	if (mode && strcmp(mode, "once") == 0)
		return once_mode();
	if (mode && strcmp(mode, "hold") == 0)
		hold_mode(argv[2]);
	if (mode && strcmp(mode, "attach") == 0)
		attach_mode(argv[2]);
	if (mode)
		publish_mode(strcmp(mode, "fork") == 0);
	crashes();
	closed();
	all_killed();
	return 0;
}
