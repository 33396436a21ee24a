/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connection's descriptor is closed, or another file put in its place, behind the
 * library's back; rmmapd is replaced: the next call works, and touches nobody's file.
 */
#include "handoff.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void publish_once(void *root)
{
	char handle[RMMAP_HANDLE_MAX];

	CHECK(rmmap_publish(root, handle, sizeof(handle)) == 0);
	CHECK(rmmap_unpublish(handle) == 0);
}

static void close_all(void)
{
	for (int fd = 3; fd < 4096; fd++)
		close(fd);
}

/* Every descriptor that is free up to 2000 becomes this file. */
static void fill_with(const char *path)
{
	int fd = open(path, O_CREAT | O_RDWR, 0600);

	CHECK(fd >= 0);
	for (int to = 3; to < 1020; to++)
		if (fcntl(to, F_GETFD) < 0)
			CHECK(dup2(fd, to) == to);
}

static void replaced(void *root)
{
	pid_t pid = daemon_pid();

	CHECK(pid > 1 && stop_daemon(pid));
	publish_once(root);
	CHECK(daemon_pid() != pid);
}

/* A stopped rmmapd is told from a slow one by its silence. */
static void stopped(void *root)
{
	char handle[RMMAP_HANDLE_MAX];
	pid_t pid = daemon_pid(), children[4];
	int n = daemon_children(pid, children, 4);
	time_t begin = time(NULL);

	for (int i = 0; i < n; i++)
		CHECK(kill(children[i], SIGSTOP) == 0);
	CHECK(rmmap_publish(root, handle, sizeof(handle)) == -1);
	for (int i = 0; i < n; i++)
		CHECK(kill(children[i], SIGCONT) == 0);
	CHECK_ERROR(ETIMEDOUT, "did not answer");
	CHECK(time(NULL) - begin >= 9);
	publish_once(root);
}

static void forked(void *root)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		publish_once(strdup("of the child"));
		publish_once(root);
		_exit(0);
	}
	publish_once(root);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	publish_once(root);
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);
	char path[512], handle[RMMAP_HANDLE_MAX];
	struct stat st;
	void *root, *attached;

	if (mode && strcmp(mode, "produce") == 0)
		return produce_mode(argv[2]);
	snprintf(path, sizeof(path), "%s/filler", getenv("RMMAP_RUNDIR"));
	root = strdup("something");
	publish_once(root);
	forked(root);
	close_all();
	publish_once(root);
	produce("tree", handle);
	attached = rmmap_attach(handle);
	CHECK(attached);
	close_all();
	fill_with(path);
	CHECK(structure_sum("tree", attached));
	CHECK(rmmap_detach(attached) == 0);
	close(500);
	close(501);
	close(502);
	for (int fd = 3; fd < 400; fd++)
		close(fd);
	publish_once(root);
	CHECK(stat(path, &st) == 0 && st.st_size == 0);
	replaced(root);
	stopped(root);
	return 0;
}
