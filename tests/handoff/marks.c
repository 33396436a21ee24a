/* SPDX-License-Identifier: BSD-2-Clause */
/* marks.c - blocks with marks on them, see marks.h */
#include "marks.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handoff.h"

/* ---- what the kernel says of a page, and of the process ---- */

struct shown page_shown(const void *page)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	struct shown shown = { .flags = " " };
	unsigned long from, to;
	bool in = false;
	char line[512];

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			in = (uintptr_t)page >= from && (uintptr_t)page < to;
		if (!in)
			continue;
		sscanf(line, "ProtectionKey: %d", &shown.key);
		sscanf(line, "Size: %zu", &shown.size);
		sscanf(line, "Rss: %zu", &shown.rss);
		sscanf(line, "Locked: %zu", &shown.locked);
		if (sscanf(line, "VmFlags:%255[^\n]", shown.flags) == 1)
			break;
	}
	fclose(f);
	return shown;
}

bool has_flag(const void *page, const char *flag)
{
	char word[8];
	struct shown shown = page_shown(page);

	snprintf(word, sizeof(word), " %s ", flag);
	return strstr(shown.flags, word) != NULL;
}

long locked_kb(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	long kb = -1;

	CHECK(f);
	while (fgets(line, sizeof(line), f) && sscanf(line, "VmLck: %ld", &kb) != 1)
		;
	fclose(f);
	CHECK(kb >= 0);
	return kb;
}

/* 'r': it can be read; '0': and is zero; '-': there is no such memory. */
char page_state(const void *page)
{
	int ends[2];
	char byte = 1;
	bool there;

	CHECK(pipe2(ends, O_CLOEXEC) == 0);
	there = write(ends[1], page, 1) == 1 && read(ends[0], &byte, 1) == 1;
	close(ends[0]);
	close(ends[1]);
	return !there ? '-' : byte ? 'r' : '0';
}

/* ---- blocks, a mark on each ---- */

static const struct kind {
	const char *name, *flag;
	int advice;
	bool inherited;
} kinds[] = {
	{ "dontdump", "dd", MADV_DONTDUMP, true },
	{ "dontfork", "dc", MADV_DONTFORK, false },
	{ "hugepage", "hg", MADV_HUGEPAGE, true },
	{ "nohugepage", "nh", MADV_NOHUGEPAGE, true },
	{ "sequential", "sr", MADV_SEQUENTIAL, true },
	{ "random", "rr", MADV_RANDOM, true },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))
_Static_assert(KINDS == MARKS_KINDS, "marks.h has a pointer for each");

/* One unmarked page stays on either side. */
unsigned char *block(unsigned char fill)
{
	unsigned char *p = aligned_alloc(PAGE, BLOCK + 2 * PAGE);

	CHECK(p);
	if (fill)
		memset(p, fill, BLOCK + 2 * PAGE);
	return p + PAGE;
}

struct root *build(void)
{
	struct root *root = calloc(1, sizeof(*root));

	CHECK(root);
	for (size_t i = 0; i < KINDS; i++) {
		root->marked[i] = block((unsigned char)(i + 1));
		if (madvise(root->marked[i], BLOCK, kinds[i].advice)) {
			CHECK(errno == EINVAL && i >= 2);
			printf("skipped: no %s: %s\n", kinds[i].name, strerror(errno));
			root->marked[i] = NULL;
		}
	}
	root->plain = block(9);
	root->locked = block(10);
	CHECK(mlock(root->locked, BLOCK) == 0);
	root->on_fault = block(0);
	CHECK(syscall(SYS_mlock2, root->on_fault, BLOCK, MLOCK_ONFAULT) == 0);
	memset(root->on_fault, 11, 4 * PAGE);
	root->guard = block(12);
	CHECK(mprotect(root->guard, BLOCK, PROT_NONE) == 0);
	CHECK(madvise(root->guard, BLOCK, MADV_DONTDUMP) == 0);
	CHECK(has_flag(root->plain, "sh") && has_flag(root->locked, "sh"));
	return root;
}

bool filled(const unsigned char *p, unsigned char fill, size_t size)
{
	return p[0] == fill && !memcmp(p, p + 1, size - 1);
}

void check_advice(const struct root *root, bool child)
{
	for (size_t i = 0; i < KINDS; i++) {
		const unsigned char *p = root->marked[i];

		if (!p)
			continue;
		CHECK(!has_flag(p - PAGE, kinds[i].flag) && !has_flag(p + BLOCK, kinds[i].flag));
		if (child && kinds[i].advice == MADV_DONTFORK) {
			CHECK(page_state(p) == '-' && page_state(p + BLOCK - 1) == '-');
			CHECK(filled(p - PAGE, (unsigned char)(i + 1), PAGE));
			CHECK(filled(p + BLOCK, (unsigned char)(i + 1), PAGE));
			continue;
		}
		if (!has_flag(p, kinds[i].flag)) {
			fprintf(stderr, "%s:%s\n", kinds[i].name, page_shown(p).flags);
			CHECK(!"the flag stays");
		}
		CHECK(filled(p - PAGE, (unsigned char)(i + 1), BLOCK + 2 * PAGE));
	}
	CHECK(!has_flag(root->plain, "dd") && !has_flag(root->plain, "lo"));
	CHECK(has_flag(root->guard, "dd") && page_state(root->guard) == '-');
	CHECK(!has_flag(root->guard, "rd"));
}

/* All of it is as in a program with another malloc. */
void check_marks(const struct root *root, bool child)
{
	struct shown locked = page_shown(root->locked), fault = page_shown(root->on_fault);

	check_advice(root, child);
	CHECK(!has_flag(root->locked, "sh") && !has_flag(root->plain, "sh"));
	CHECK(filled(root->locked, 10, BLOCK) && filled(root->on_fault, 11, 4 * PAGE));
	if (child) {
		CHECK(locked_kb() == 0);
		return;
	}
	CHECK(strstr(locked.flags, " lo ") && !strstr(locked.flags, " lf "));
	CHECK(locked.size == BLOCK / 1024 && locked.locked == BLOCK / 1024);
	CHECK(strstr(fault.flags, " lo ") && strstr(fault.flags, " lf "));
	CHECK(fault.rss == 4 * PAGE / 1024 && fault.locked == 4 * PAGE / 1024);
	CHECK(locked_kb() == 2 * BLOCK / 1024);
}

/* Every mark of the child, and that its parent's are as before. */
void fork_checked(const struct root *root, void (*also)(const struct root *root))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		check_marks(root, true);
		if (also)
			also(root);
		_exit(0);
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	CHECK(status == 0);
}

void lower_limit(size_t bytes)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];
	struct rlimit limit = { bytes, bytes };

	CHECK(syscall(SYS_capget, &header, data) == 0);
	data[0].effective &= ~(1u << CAP_IPC_LOCK);
	CHECK(syscall(SYS_capset, &header, data) == 0);
	CHECK(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
}
