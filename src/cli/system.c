/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * system.c - facts of rmmap info about the kernel: userfaultfd, huge pages, memory limits
 *
 * Each function asks by trying, and changes nothing.
 */
#include "fact.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../common/huge.h"
#include "../common/memlock.h"

/* For kernel headers that are older than the running kernel. */
#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif
#ifndef UFFD_FEATURE_MINOR_SHMEM
#define UFFD_FEATURE_MINOR_SHMEM (1 << 10)
#endif

/* ---- userfaultfd ---- */

/*
 * Open a userfaultfd that also serves faults inside system calls. Returns it or -errno. *way says
 * which permission allowed it.
 */
static int uffd_open(const char **way)
{
	char allowed = 0;
	/*
	 * Without UFFD_USER_MODE_ONLY, which any process may use, but which leaves system calls
	 * that touch an absent page with EFAULT.
	 */
	int device, sysctl, uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (uffd >= 0) {
		sysctl = open("/proc/sys/vm/unprivileged_userfaultfd", O_RDONLY | O_CLOEXEC);
		if (sysctl >= 0) {
			if (read(sysctl, &allowed, 1) != 1)
				allowed = 0;
			close(sysctl);
		}
		*way = allowed == '1' ? "allowed to all by vm.unprivileged_userfaultfd" :
		       "by CAP_SYS_PTRACE";
		return uffd;
	}
	/* The error of the system call is the one to tell: most hosts have no such device. */
	uffd = -errno;
	device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	if (device < 0)
		return uffd;
	uffd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
	if (uffd < 0)
		uffd = -errno;
	close(device);
	*way = "by /dev/userfaultfd";
	return uffd;
}

void fact_userfaultfd(struct fact *fact)
{
	struct uffdio_api api = { .api = UFFD_API,
		.features = UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MINOR_SHMEM };
	const char *way = "";
	int uffd = uffd_open(&way);

	if (uffd == -ENOSYS) {
		fact_found(fact, "this kernel has none: remote publications are fetched whole "
		           "at attach");
		fact_remedy(fact, "boot a kernel with CONFIG_USERFAULTFD, 5.14 or newer");
	} else if (uffd < 0) {
		rm_format(fact->found, sizeof(fact->found), "not allowed (%s): remote publications "
		          "are fetched whole at attach", rm_errno_text(-uffd));
		fact_remedy(fact, "as root 'sysctl vm.unprivileged_userfaultfd=1', or 'setfacl -m "
		            "u:USER:rw /dev/userfaultfd' (Linux 6.1), or run with CAP_SYS_PTRACE; in "
		            "a container its seccomp profile has to allow userfaultfd too");
	} else if (ioctl(uffd, UFFDIO_API, &api)) {
		fact_found(fact, "this kernel's cannot serve minor faults of shared memory: remote "
		           "publications are fetched whole at attach");
		fact_remedy(fact, "boot Linux 5.14 or newer");
	} else {
		rm_format(fact->found, sizeof(fact->found), "%s: remote pages can be fetched when "
		          "they are touched", way);
	}
	if (uffd >= 0)
		close(uffd);
}

/* ---- huge pages ---- */

/* The word in brackets of transparent_hugepage/shmem_enabled; "" if it cannot be read. */
static void shmem_enabled(char word[16])
{
	int fd = open("/sys/kernel/mm/transparent_hugepage/shmem_enabled", O_RDONLY | O_CLOEXEC);
	char text[256], *start, *end;
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	word[0] = '\0';
	if (fd >= 0)
		close(fd);
	/* "always within_size advise [never] deny force" */
	text[n > 0 ? n : 0] = '\0';
	start = strchr(text, '[');
	end = start ? strchr(start, ']') : NULL;
	if (end) {
		*end = '\0';
		rm_format(word, 16, "%s", start + 1);
	}
}

/* Why the kernel refuses with EINVAL. */
static void fact_huge_refused(struct fact *fact)
{
	char word[16];

	shmem_enabled(word);
	if (!rm_huge_fits()) {
		fact_found(fact, "not used on a machine whose pages are not of 4 KiB");
		fact->verdict = FACT_NONE;
	} else if (!strcmp(word, "deny")) {
		fact_found(fact, "denied by transparent_hugepage/shmem_enabled: pages are of 4 KiB");
		fact_remedy(fact, "as root 'echo never >/sys/kernel/mm/transparent_hugepage/"
		            "shmem_enabled', which allows them to who asks");
	} else {
		fact_found(fact, "this kernel makes none in memory files: pages are of 4 KiB");
		fact_remedy(fact, "boot Linux 6.1 or newer with CONFIG_TRANSPARENT_HUGEPAGE; if it "
		            "is one, set transparent_hugepage/hugepages-2048kB/shmem_enabled to "
		            "inherit");
	}
}

void fact_huge_pages(struct fact *fact, const struct rm_options *options)
{
	int error = options->huge == RM_HUGE_OFF ? 0 : rm_huge_probe();

	if (options->huge == RM_HUGE_OFF) {
		fact->verdict = FACT_NONE;
		fact_found(fact, "off, by RMMAP_HUGE");
	} else if (!error) {
		fact_found(fact, "2 MiB pages of memory files can be had");
	} else if (error == -ENOMEM || error == -EAGAIN) {
		fact_found(fact, "no memory in one piece is left: pages are of 4 KiB");
		fact_remedy(fact, "free memory, or as root 'echo 1 >/proc/sys/vm/compact_memory'");
	} else if (error == -EINVAL) {
		fact_huge_refused(fact);
	} else {
		rm_format(fact->found, sizeof(fact->found), "refused (%s): pages are of 4 KiB",
		          rm_errno_text(-error));
		fact->verdict = FACT_NONE;
	}
}

/* ---- memlock ---- */

void fact_memlock(struct fact *fact)
{
	uint64_t limit = rm_memlock_limit();

	if (limit == UINT64_MAX) {
		fact_found(fact, "unlimited");
		return;
	}
	rm_format(fact->found, sizeof(fact->found), "%llu KiB: tcp needs none, RDMA devices need as "
	          "much as is published or fetched", (unsigned long long)(limit >> 10));
	if (limit < (uint64_t)1 << 30)
		fact_remedy(fact, "only for RDMA devices: 'ulimit -l unlimited', memlock in "
		            "/etc/security/limits.conf, LimitMEMLOCK=infinity in a unit");
}
