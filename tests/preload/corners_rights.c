/* SPDX-License-Identifier: BSD-2-Clause */
/* corners_rights - programs that give up rights, or see less of the system */
#include "corners.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void only_root(void)
{
	if (geteuid()) {
		puts("this needs root");
		exit(77);
	}
}

static void root_is_empty(void)
{
	char dir[] = "/tmp/rmmap-corner.XXXXXX";

	CHECK(mkdtemp(dir));
	CHECK(chroot(dir) == 0 && chdir("/") == 0);
	use_heap();
}

/* What rmmapd needs is outside; a connection that stands goes on. */
void corner_chroot(void)
{
	char *cwd = getcwd(NULL, 0);

	only_root();
	free(cwd);
	publish(WORKS);
	root_is_empty();
	publish(TELLS);
	become_ordinary();
	use_heap();
	publish(TELLS);
}

/* The run directory is another user's from then on. */
void corner_setuid(void)
{
	only_root();
	use_heap();
	become_ordinary();
	use_heap();
	publish(TELLS);
}

/* Nothing below /proc/self can be opened by an ordinary user any more. */
void corner_dumpable(void)
{
	CHECK(prctl(PR_SET_DUMPABLE, 0) == 0);
	use_heap();
	publish(WORKS);
	use_heap();
	publish(WORKS);
}

static void refuse(unsigned number, int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(*code), code };

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
		printf("seccomp: %s\n", strerror(errno));
		exit(77);
	}
}

void corner_no_memfd(void)
{
	refuse(SYS_memfd_create, EPERM);
	use_heap();
	publish(TELLS);
	refuse(SYS_getrandom, ENOSYS);
	refuse(SYS_userfaultfd, EPERM);
	refuse(SYS_madvise, EINVAL);
	use_heap();
	publish(TELLS);
}

void corner_no_proc(void)
{
	only_root();
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/proc", "tmpfs", 0, NULL)) {
		printf("a namespace of its own without /proc: %s\n", strerror(errno));
		exit(77);
	}
	use_heap();
	publish(TELLS);
	use_heap();
}
