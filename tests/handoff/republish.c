/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * republish - each publication of a program that goes on changing its data keeps its own
 * version, bit for bit, and costs what changed: in shared memory, in anonymous memory, and
 * where the kernel has neither PAGEMAP_SCAN nor userfaultfd
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handoff.h"
#include "versions.h"

#define PAGES 4096              /* 16 MiB */
#define CHANGES 40
#define VERSIONS 30
#define KILLED 20                /* before this one rmmapd is gone, with all that it had */
#define SCAN_NUMBER 0xc0606610u /* PAGEMAP_SCAN */

/* As on Linux before 6.7: ENOTTY for the one, ENOSYS for the other. */
static void old_kernel(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_userfaultfd, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SCAN_NUMBER, 2, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOTTY),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static uint64_t copied(void)
{
	struct rmmap_stats stats = { .size = sizeof(stats) };

	CHECK(rmmap_stats(&stats) == 0);
	return stats.copied_bytes;
}

/* Blocks of other sizes come and go as well: whole pages travel. */
static void churn(void)
{
	static void *blocks[2000];
	static unsigned next;

	for (int i = 0; i < 300; i++, next++) {
		void **block = &blocks[next * 7919u % 2000];

		free(*block);
		*block = malloc(next % 50 ? next % 900 : 300000);
		CHECK(*block);
		memset(*block, (int)next, 100 % (next % 900 + 1));
	}
}

static void kill_daemon(void)
{
	pid_t pid = daemon_pid(), children[8];
	int count = daemon_children(pid, children, 8);

	CHECK(pid > 1 && kill(pid, SIGKILL) == 0);
	for (int i = 0; i < count; i++)
		kill(children[i], SIGKILL);
	while (!process_gone(pid))
		usleep(1000);
}

static int produce_versions(const char *how)
{
	struct versions *v;
	static char handles[VERSIONS][RMMAP_HANDLE_MAX];
	uint64_t before = 0;

	if (strcmp(how, "old-kernel") == 0)
		old_kernel();
	v = versions_build(PAGES, CHANGES);
	for (unsigned i = 0; i < VERSIONS; i++) {
		if (i)
			versions_change(v, i);
		if (i > VERSIONS / 2)
			churn();
		if (i == KILLED) {
			for (unsigned k = 0; k < KILLED; k += k ? 4 : 1)
				versions_verify(handles[k], k);
			kill_daemon();
		}
		if (rmmap_publish(v, handles[i], sizeof(handles[i]))) {
			fprintf(stderr, "%s\n", rmmap_error());
			return 1;
		}
		/* the second may find a page or two more than the next ones, of stdio and so on */
		if (i == 3 && strcmp(how, "old-kernel"))
			CHECK(copied() - before < (uint64_t)(CHANGES + 64) * VERSIONS_PAGE * 4);
		before = copied();
		puts(handles[i]);
	}
	return versions_are(v, VERSIONS - 1) ? 0 : 1;
}

static int verify_version(const char *argument)
{
	struct versions *v;
	unsigned version;

	v = versions_attach(argument, &version);
	if (!v)
		return 1;
	CHECK(versions_are(v, version));
	versions_change(v, version + 1);        /* what a consumer writes is its own */
	CHECK(rmmap_detach(v) == 0);
	return 0;
}

static void run(const char *how)
{
	static char text[VERSIONS * (RMMAP_HANDLE_MAX + 1) + 1];
	char *handles[VERSIONS];

	printf("%s\n", how);
	fflush(stdout);
	setenv("RMMAP_HEAP", strcmp(how, "anon") ? "shared" : "anon", 1);
	CHECK(run_self("produce", how, text, sizeof(text)) == 0);
	for (int i = 0; i < VERSIONS; i++) {
		handles[i] = strtok(i ? NULL : text, "\n");
		CHECK(handles[i]);
	}
	for (unsigned i = KILLED; i < VERSIONS; i += 3)
		versions_verify(handles[i], i);
	/* whatever shared a layer with these is as it was */
	for (unsigned i = KILLED; i < VERSIONS; i += 2)
		CHECK(rmmap_unpublish(handles[i]) == 0);
	for (unsigned i = KILLED + 1; i < VERSIONS; i += 2) {
		versions_verify(handles[i], i);
		CHECK(rmmap_unpublish(handles[i]) == 0);
	}
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);

	if (mode && strcmp(mode, "produce") == 0)
		return produce_versions(argv[2]);
	if (mode)
		return verify_version(argv[2]);
	run("shared");
	run("anon");
	run("old-kernel");
	return 0;
}
