/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Somebody cleans up in the run directory while rmmapd serves: the socket is bound anew, the
 * directory too where something is published, and who comes next finds the same rmmapd. A
 * program that cleans by age sees that the directory is in use, and does not.
 */
#include "handoff.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *name(const char *file)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", getenv("RMMAP_RUNDIR"), file);
	return path;
}

static void pause_10ms(void)
{
	nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
}

static int attach_mode(const char *handle)
{
	const char *text = rmmap_attach(handle);

	CHECK(text && strcmp(text, "something") == 0);
	return 0;
}

static void attach(const char *handle)
{
	char out[16];

	CHECK(run_self("attach", handle, out, sizeof(out)) == 0);
}

/* systemd-tmpfiles looks for the socket's path in this list, and tries to lock the directory. */
static void seen_by_cleaners(void)
{
	char line[512];
	bool listed = false;
	FILE *f = fopen("/proc/net/unix", "re");
	int fd;

	while (f && fgets(line, sizeof(line), f))
		listed |= strstr(line, name("rmmapd.sock")) != NULL;
	if (f)
		fclose(f);
	CHECK(listed);
	fd = open(getenv("RMMAP_RUNDIR"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK);
	close(fd);
}

static void remove_rundir(void)
{
	const char *const files[] = { "rmmapd.sock", "rmmapd.lock", "host", "slots" };

	/* once more, if rmmapd was so quick that it bound the socket in between */
	do
		for (unsigned i = 0; i < 4; i++)
			unlink(name(files[i]));
	while (rmdir(getenv("RMMAP_RUNDIR")) < 0 && errno == ENOTEMPTY);
	CHECK(access(getenv("RMMAP_RUNDIR"), F_OK) < 0);
}

static void wait_for_socket(void)
{
	for (int i = 0; access(name("rmmapd.sock"), F_OK) < 0; i++) {
		CHECK(i < 6000);
		pause_10ms();
	}
}

static void wait_gone(pid_t pid)
{
	for (int i = 0; !process_gone(pid); i++) {
		CHECK(i < 6000);
		pause_10ms();
	}
}

/* Another rmmapd has the directory by now: the old one goes on for who is connected. */
static void displaced(pid_t old, const char *handle)
{
	char more[RMMAP_HANDLE_MAX];
	pid_t pid;
	int fd;

	remove_rundir();
	CHECK(mkdir(getenv("RMMAP_RUNDIR"), 0700) == 0);
	fd = open(name("rmmapd.lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0);
	CHECK(rmmap_publish(strdup("more"), more, sizeof(more)) == 0);
	nanosleep(&(struct timespec){ 0, 500000000 }, NULL);
	close(fd);
	CHECK(run_self("start", "", more, sizeof(more)) == 0);
	pid = daemon_pid();
	CHECK(pid > 1 && pid != old && !process_gone(old));
	CHECK(rmmap_unpublish(handle) == 0);
	CHECK(stop_daemon(old));
	CHECK(!process_gone(pid) && access(name("rmmapd.sock"), F_OK) == 0);
}

static int start_mode(void)
{
	char handle[RMMAP_HANDLE_MAX];

	CHECK(rmmap_publish(strdup("other"), handle, sizeof(handle)) == 0);
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);
	char handle[RMMAP_HANDLE_MAX];
	pid_t keeper, worker;

	if (mode && strcmp(mode, "attach") == 0)
		return attach_mode(argv[2]);
	if (mode && strcmp(mode, "start") == 0)
		return start_mode();
	CHECK(rmmap_publish(strdup("something"), handle, sizeof(handle)) == 0);
	keeper = daemon_pid();
	CHECK(keeper > 1);
	seen_by_cleaners();
	for (int i = 0; i < 3; i++) {
		CHECK(unlink(name("rmmapd.sock")) == 0);
		attach(handle);
		CHECK(daemon_pid() == keeper);
	}
	remove_rundir();
	wait_for_socket();
	attach(handle);
	CHECK(daemon_pid() == keeper);
	seen_by_cleaners();
	/* what was bound last is what the next worker listens at */
	CHECK(daemon_children(keeper, &worker, 1) == 1 && kill(worker, SIGKILL) == 0);
	wait_gone(worker);
	attach(handle);
	CHECK(daemon_pid() == keeper);
	displaced(keeper, handle);
	return 0;
}
