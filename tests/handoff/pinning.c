/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pinning - a program that imports what pins memory for a device has its heap in anonymous
 * memory, since a frozen file's pages are not where the device writes; any other one that
 * publishes has it in memory files; and RMMAP_HEAP decides if it says so
 *
 * One program for each name (IMPORTED, see local.mk), which need not be there to be imported.
 */
#include <fcntl.h>
#include <unistd.h>

#include "handoff.h"

#ifdef IMPORTED
int IMPORTED(void) __attribute__((weak));
#define PINS true
#else
#define PINS false
#endif

static bool in_files(void)
{
	void *block = malloc(1 << 20);
	bool found = false;
	char line[512];
	FILE *f = fopen("/proc/self/maps", "r");

	CHECK(block && f);
	while (fgets(line, sizeof(line), f))
		found |= strstr(line, "memfd:rmmap-heap") != NULL;
	fclose(f);
	free(block);
	return found;
}

static int show(void)
{
	char handle[RMMAP_HANDLE_MAX];

	fputs(in_files() ? "files" : "anonymous", stdout);
	CHECK(rmmap_publish(malloc(100), handle, sizeof(handle)) == 0);
#ifdef IMPORTED
	return IMPORTED && getpid() == 0 ? IMPORTED() : 0;
#else
	return 0;
#endif
}

static void expect(const char *heap, bool files)
{
	char out[64];

	CHECK(heap ? setenv("RMMAP_HEAP", heap, 1) == 0 : unsetenv("RMMAP_HEAP") == 0);
	CHECK(run_self("show", "", out, sizeof(out)) == 0);
	if (strcmp(out, files ? "files" : "anonymous") != 0) {
		fprintf(stderr, "RMMAP_HEAP=%s: the heap is %s\n", heap ? heap : "", out);
		exit(1);
	}
}

/* Where the kernel promises no memory that it does not have, auto means anonymous. */
static bool strict_overcommit(void)
{
	char mode = '0';
	int fd = open("/proc/sys/vm/overcommit_memory", O_RDONLY);

	CHECK(fd < 0 || read(fd, &mode, 1) == 1);
	if (fd >= 0)
		close(fd);
	return mode == '2';
}

int main(int argc, char **argv)
{
	if (isolate(argc, argv))
		return show();
	if (PINS || !strict_overcommit()) {
		expect(NULL, !PINS);
		expect("auto", !PINS);
	}
	expect("anon", false);
	expect("shared", true);
	return 0;
}
