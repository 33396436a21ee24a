/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * run.c - rmmap run: executes a program with librmmap preloaded
 *
 * The dynamic linker silently ignores LD_PRELOAD for some programs, so the file is examined first.
 * For such a program there is only a warning: it may start other programs that can be preloaded
 * into.
 */
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../common/layout.h"
#include "../common/number.h"
#include "../common/say.h"
#include "cli.h"

#define CORE_FILE_PRIVATE 0x4UL /* of coredump_filter, see core(5) */
#define SCRIPTS_MAX 5           /* scripts whose interpreter is a script: the kernel's limit */

/* Find the file that execvp() would execute. False if there is none. */
static bool find_program(const char *name, char path[PATH_MAX])
{
	const char *dirs = getenv("PATH");
	struct stat st;

	if (strchr(name, '/'))
		return (size_t)snprintf(path, PATH_MAX, "%s", name) < PATH_MAX;
	if (!dirs)
		dirs = "/bin:/usr/bin";
	while (*name) {
		size_t length = strcspn(dirs, ":");

		if ((size_t)snprintf(path, PATH_MAX, "%.*s%s%s", (int)length, dirs,
		                     length ? "/" : "", name) < PATH_MAX &&
		    !access(path, X_OK) && !stat(path, &st) && S_ISREG(st.st_mode))
			return true;
		if (!dirs[length])
			return false;
		dirs += length + 1;
	}
	return false;
}

/* True if the kernel would execute this file with other rights than ours (AT_SECURE). */
static bool changes_rights(const char *path, const struct stat *st)
{
	if ((st->st_mode & S_ISUID) && st->st_uid != getuid())
		return true;
	/* Without the group's execute bit, setgid does not change the group. */
	if ((st->st_mode & S_ISGID) && (st->st_mode & S_IXGRP) && st->st_gid != getgid())
		return true;
	/* Root has all capabilities anyway. */
	return getuid() && getxattr(path, "security.capability", NULL, 0) > 0;
}

/* Read the path of the program's dynamic linker; "" if it has none. 0, or -ENOEXEC if damaged. */
static int find_interpreter(int fd, const Elf64_Ehdr *elf, char interpreter[256])
{
	interpreter[0] = 0;
	if (elf->e_phentsize != sizeof(Elf64_Phdr))
		return -ENOEXEC;
	for (unsigned i = 0; i < elf->e_phnum; i++) {
		Elf64_Phdr ph;
		ssize_t got;

		if (pread(fd, &ph, sizeof(ph), (off_t)(elf->e_phoff + i * sizeof(ph))) != sizeof(ph))
			return -ENOEXEC;
		if (ph.p_type != PT_INTERP)
			continue;
		got = pread(fd, interpreter, ph.p_filesz < 255 ? ph.p_filesz : 255,
		            (off_t)ph.p_offset);
		interpreter[got > 0 ? got : 0] = 0;
		return 0;
	}
	return 0;
}

/* Warn if the program is not a dynamic one of 64 bits for glibc. */
static void check_elf(const char *path, int fd, const Elf64_Ehdr *elf)
{
	char interpreter[256];
	const char *base;

	if (elf->e_ident[EI_CLASS] != ELFCLASS64) {
		cli_warn("warning: %s is a 32-bit program: it runs with its own malloc", path);
		return;
	}
	if (find_interpreter(fd, elf, interpreter))
		return;                 /* damaged: the error of exec tells it better */
	if (!interpreter[0]) {
		cli_warn("warning: %s is statically linked: nothing can be preloaded into it; "
		         "it runs with its own malloc", path);
		return;
	}
	base = strrchr(interpreter, '/');
	base = base ? base + 1 : interpreter;
	if (strncmp(base, "ld-linux", 8))
		cli_warn("warning: %s uses another libc (%s): librmmap is built for glibc and "
		         "cannot be preloaded into it", path, base);
}

static void check_program(const char *path, unsigned depth);

/* Check the interpreter of a script, or the program that env would start. line follows "#!". */
static void check_script(char *line, unsigned depth)
{
	char *interpreter = strtok(line, " \t");
	char *argument = strtok(NULL, " \t");
	char path[PATH_MAX];
	const char *base;

	if (!interpreter)
		return;
	base = strrchr(interpreter, '/');
	/*
	 * Only the simple form: with an option or an assignment, what env starts is not looked
	 * for, and nothing is said.
	 */
	if (base && !strcmp(base, "/env") && argument && *argument != '-' &&
	    !strchr(argument, '=')) {
		if (find_program(argument, path))
			check_program(path, depth + 1);
		return;
	}
	check_program(interpreter, depth + 1);
}

/* Warn if nothing can be preloaded into this program. depth counts nested scripts. */
static void check_program(const char *path, unsigned depth)
{
	union {
		Elf64_Ehdr elf;
		char text[256];
	} head;
	struct stat st;
	ssize_t got;
	int fd;

	/* Scripts that name each other as interpreters would go round for ever. */
	if (depth > SCRIPTS_MAX)
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		if (fd >= 0)
			close(fd);
		return;                 /* a file may be executable and not readable */
	}
	/* One byte is left for a NUL behind a script's first line. */
	got = read(fd, &head, sizeof(head) - 1);
	head.text[got > 0 ? got : 0] = 0;
	if (got > (ssize_t)SELFMAG && !memcmp(head.elf.e_ident, ELFMAG, SELFMAG)) {
		if (changes_rights(path, &st))
			cli_warn("warning: %s changes the user, group or capabilities it runs with: "
			         "LD_PRELOAD is ignored, it runs with its own malloc", path);
		else if (got >= (ssize_t)sizeof(head.elf))
			check_elf(path, fd, &head.elf);
	} else if (!strncmp(head.text, "#!", 2)) {
		head.text[strcspn(head.text, "\n")] = 0;
		check_script(head.text + 2, depth);
	} else {
		check_program("/bin/sh", depth + 1);    /* execvp() does the same */
	}
	close(fd);
}

/* The path of the librmmap that this process uses: in a build tree, the one built there. */
static int find_library(char path[PATH_MAX])
{
	void *symbol = dlsym(RTLD_DEFAULT, "rmmap_version");
	Dl_info info;

	if (!symbol || !dladdr(symbol, &info) || !info.dli_fname)
		return cli_fail("cannot find the file of librmmap.so.0");
	if (info.dli_fname[0] == '/')   /* keep the soname: realpath() would resolve the link */
		snprintf(path, PATH_MAX, "%s", info.dli_fname);
	else if (!realpath(info.dli_fname, path))
		return cli_fail("cannot find the file of librmmap.so.0: %m");
	if (strpbrk(path, " :"))
		return cli_fail("%s cannot be named in LD_PRELOAD because of the space or colon in "
		                "its path: install librmmap elsewhere", path);
	return 0;
}

/* Is this word one of the list, whose words are separated by spaces and colons? */
static bool list_has(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (list += strspn(list, " :"); *list; list += strspn(list, " :")) {
		size_t one = strcspn(list, " :");

		if (one == length && !strncmp(list, word, length))
			return true;
		list += one;
	}
	return false;
}

/* Put librmmap before other preloaded libraries: malloc is taken from the first that has it. */
static int set_preload(const char *library)
{
	const char *others = getenv("LD_PRELOAD");
	size_t size = strlen(library) + (others ? strlen(others) : 0) + 2;
	char *value;
	int error;

	/* Such as rmmap run within rmmap run. */
	if (others && list_has(others, library))
		return 0;
	value = malloc(size);
	if (!value)
		return -ENOMEM;
	snprintf(value, size, "%s%s%s", library, others && *others ? ":" : "",
	         others ? others : "");
	error = setenv("LD_PRELOAD", value, 1) ? -errno : 0;
	free(value);
	return error;
}

/*
 * Make core dumps contain private file mappings. Attached memory and a published heap are private
 * mappings of memory files; by default the kernel dumps only their modified pages. The filter
 * survives exec() and is inherited by children.
 */
static int set_core_filter(void)
{
	char text[32] = "";
	int fd = open("/proc/self/coredump_filter", O_RDWR | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	int error = n < 0 ? -errno : 0;
	size_t length;

	if (!error) {
		length = rm_format(text, sizeof(text), "0x%lx\n",
		                   strtoul(text, NULL, 16) | CORE_FILE_PRIVATE);
		if (pwrite(fd, text, length, 0) != (ssize_t)length)
			error = -errno;
	}
	if (fd >= 0)
		close(fd);
	if (!error)
		return 0;
	return cli_fail("cannot have core dumps hold private mappings of files "
	                "(/proc/self/coredump_filter): %s", rm_errno_text(-error));
}

int cli_run(const struct args *args)
{
	char library[PATH_MAX], path[PATH_MAX];
	uint64_t slot;
	int error;

	if (args->slot && rm_parse_number(args->slot, 0, RM_WINDOW_SLOTS - 1, &slot)) {
		cli_warn("--slot wants a number from 0 to %u; try: rmmap run --help",
		         (unsigned)RM_WINDOW_SLOTS - 1);
		return 2;
	}
	if (find_library(library) || (args->core && set_core_filter()))
		return 1;
	/* Only for warnings: execvp() looks for itself, and its errors are what counts. */
	if (find_program(args->operands[0], path))
		check_program(path, 0);
	error = set_preload(library);
	if (!error && args->slot && setenv("RMMAP_SLOT", args->slot, 1))
		error = -errno;
	if (error)
		return cli_fail("cannot set the environment: %s", rm_errno_text(-error));
	execvp(args->operands[0], args->operands);
	return cli_fail("cannot run the program: %m");
}
