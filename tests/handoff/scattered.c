/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Snapshots of many small runs: every page is right, locally, eagerly and lazily from another
 * host, in few mappings, after fork(), when two share, and when one of these has gone. With
 * arguments PAGES PERCENT the same for that size, with times.
 */
#include "crafted.h"

#include <malloc.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096u
#define FEW 4200                        /* mappings of one attach, and what else comes up */

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static unsigned mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned n = 0;
	int c;

	CHECK(f);
	while ((c = getc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

static void all_right(const struct crafted *crafted, uint64_t from, uint64_t to)
{
	for (uint64_t page = from; page < to; page++)
		if (!crafted_right(crafted, page)) {
			fprintf(stderr, "page %llu is wrong\n", (unsigned long long)page);
			CHECK(!"every page as it was published");
		}
}

static char *address(uint64_t page)
{
	return (char *)(uintptr_t)(CRAFTED_BASE + page * PAGE);
}

static void *attach_as(const char *handle, unsigned flags)
{
	struct rmmap_attach_options options = RMMAP_ATTACH_OPTIONS_INIT;

	options.flags = flags;
	return rmmap_attach_with(handle, &options);
}

static void in_a_child(const struct crafted *crafted)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		alarm(300);
		all_right(crafted, 0, crafted->pages);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

/* What is written stays private, and in front of what was copied in. */
static void write_all(uint64_t pages)
{
	for (uint64_t page = 0; page < pages; page += 7)
		memset(address(page) + 100, 1, 10);
	for (uint64_t page = 0; page < pages; page += 7)
		CHECK(address(page)[109] == 1);
}

/* A block goes on over mappings and what was copied into them. */
static void as_blocks(uint64_t pages)
{
	/* realloc() and free() of attached memory free nothing, which a compiler cannot know. */
	volatile uintptr_t first = (uintptr_t)address(3), last = (uintptr_t)address(pages - 1);
	size_t size = (size_t)(pages / 2) * PAGE;
	char *copy;

	CHECK(malloc_usable_size((void *)first) == 0);
	copy = realloc((void *)first, size);
	CHECK(copy && memcmp(copy, (void *)first, size) == 0);
	free(copy);
	copy = realloc((void *)last, 2 * PAGE);
	CHECK(copy && memcmp(copy, (void *)last, PAGE) == 0);
	free(copy);
	free((void *)first);
	CHECK(address(3)[0] == ((volatile char *)first)[0]);
}

/* "FLAGS PAGES PERCENT HANDLE" */
static int one_mode(const char *argument)
{
	struct rmmap_stats stats = { .size = sizeof(stats) };
	struct crafted crafted;
	unsigned flags, before = mappings(), now;
	char handle[RMMAP_HANDLE_MAX], *root;
	unsigned long long pages;
	double begin = seconds(), end;

	CHECK(sscanf(argument, "%u %llu %u %511s", &flags, &pages, &crafted.percent, handle) == 4);
	crafted.pages = pages;
	root = attach_as(handle, flags);
	end = seconds();
	CHECK(root == address(0));
	now = mappings();
	if (flags != RMMAP_LAZY)
		CHECK(now < before + FEW);
	else
		in_a_child(&crafted);
	all_right(&crafted, 0, pages);
	in_a_child(&crafted);
	write_all(pages);
	as_blocks(pages);
	CHECK(attach_as(handle, flags) == root && rmmap_detach(root) == 0);
	CHECK(rmmap_stats(&stats) == 0 && stats.attached_bytes == pages * PAGE);
	CHECK(rmmap_detach(root) == 0);
	CHECK(rmmap_stats(&stats) == 0 && stats.attached_bytes == 0);
	CHECK(mappings() < before + 20);
	printf("flags %u: attached in %.1f ms, %u mappings", flags, (end - begin) * 1e3, now - before);
	return 0;
}

/* "PAGES PERCENT HANDLE...": the first 3/4, the last 3/4, one with an odd page, the middle. */
static int two_mode(const char *argument)
{
	char first[RMMAP_HANDLE_MAX], last[RMMAP_HANDLE_MAX], odd[RMMAP_HANDLE_MAX];
	char middle[RMMAP_HANDLE_MAX], words[32];
	struct crafted crafted;
	unsigned long long pages;
	void *a, *b, *c;

	CHECK(sscanf(argument, "%llu %u %511s %511s %511s %511s", &pages, &crafted.percent, first,
	             last, odd, middle) == 6);
	crafted.pages = pages;
	a = rmmap_attach(first);
	b = rmmap_attach(last);
	c = rmmap_attach(middle);               /* all of it is mapped */
	CHECK(a == address(0) && b == address(pages / 4) && c == address(pages / 3));
	all_right(&crafted, 0, pages);
	in_a_child(&crafted);
	CHECK(!rmmap_attach(odd));
	snprintf(words, sizeof(words), "0x%llx",
	         (unsigned long long)(uintptr_t)address(pages / 2));
	CHECK_ERROR(EADDRINUSE, words);
	all_right(&crafted, 0, pages);
	CHECK(rmmap_detach(a) == 0);
	all_right(&crafted, pages / 4, pages);
	CHECK(rmmap_detach(c) == 0);
	a = rmmap_attach(first);
	CHECK(a == address(0));
	all_right(&crafted, 0, pages);
	CHECK(rmmap_detach(b) == 0);
	all_right(&crafted, 0, pages - pages / 4);
	CHECK(rmmap_detach(a) == 0);
	CHECK(rmmap_attach(odd) && !crafted_right(&crafted, pages / 2));
	return 0;
}

/* "HANDLE": hand it on, unchanged but for two pages. */
static int on_mode(const char *handle)
{
	struct rmmap_stats stats = { .size = sizeof(stats) };
	char mine[RMMAP_HANDLE_MAX], **root = malloc(sizeof(*root));

	*root = rmmap_attach(handle);
	CHECK(*root == address(0));
	address(0)[100] = 1;
	address(21)[100] = 2;
	CHECK(rmmap_publish(root, mine, sizeof(mine)) == 0 && rmmap_stats(&stats) == 0);
	printf("%llu %s", (unsigned long long)stats.copied_bytes, mine);
	return 0;
}

/* "PAGES PERCENT HANDLE": what was handed on. */
static int after_mode(const char *argument)
{
	struct crafted crafted;
	char handle[RMMAP_HANDLE_MAX], **root;
	unsigned long long pages;

	CHECK(sscanf(argument, "%llu %u %511s", &pages, &crafted.percent, handle) == 3);
	crafted.pages = pages;
	root = rmmap_attach(handle);
	CHECK(root && *root == address(0));
	CHECK(address(0)[100] == 1 && address(21)[100] == 2);
	address(0)[100] = address(21)[100] = 0;
	all_right(&crafted, 0, crafted.pages);
	return 0;
}

/* Through a process at dir; who comes after it sees the same. */
static void hand_on(const struct crafted *crafted, const char *handle, const char *dir)
{
	char mine[RMMAP_HANDLE_MAX], argument[RMMAP_HANDLE_MAX + 64], out[RMMAP_HANDLE_MAX + 64];
	char home[256];
	unsigned long long copied;

	snprintf(home, sizeof(home), "%s", getenv("RMMAP_RUNDIR"));
	setenv("RMMAP_RUNDIR", dir, 1);
	CHECK(run_self("on", handle, out, sizeof(out)) == 0);
	CHECK(sscanf(out, "%llu %511s", &copied, mine) == 2);
	printf("  handed on, %llu bytes copied\n", copied);
	/* Where the kernel cannot note writes, what was copied in is copied again. */
	CHECK(copied < crafted->pages * PAGE / 2 + (2 << 20));
	snprintf(argument, sizeof(argument), "%llu %u %s", (unsigned long long)crafted->pages,
	         crafted->percent, mine);
	setenv("RMMAP_SLOT", "5", 1);
	CHECK(run_self("after", argument, out, sizeof(out)) == 0);
	setenv("RMMAP_RUNDIR", home, 1);
	CHECK(run_self("after", argument, out, sizeof(out)) == 0);
	setenv("RMMAP_SLOT", "3", 1);
}

static void one(unsigned flags, const struct crafted *crafted, const char *handle, const char *dir)
{
	char argument[RMMAP_HANDLE_MAX + 64], out[256], home[256];

	snprintf(home, sizeof(home), "%s", getenv("RMMAP_RUNDIR"));
	snprintf(argument, sizeof(argument), "%u %llu %u %s", flags,
	         (unsigned long long)crafted->pages, crafted->percent, handle);
	setenv("RMMAP_RUNDIR", dir, 1);
	CHECK(run_self("one", argument, out, sizeof(out)) == 0);
	setenv("RMMAP_RUNDIR", home, 1);
	printf("  %s\n", out);
	fflush(stdout);
}

/* HANDLE: exit status 0 if its pages can be fetched when they are touched, 1 if not here. */
static int may_mode(const char *handle)
{
	void *root = attach_as(handle, RMMAP_LAZY);

	CHECK(root || errno == ENOTSUP);
	return root ? 0 : 1;
}

/* "PAGES PERCENT": the layers belong to this process and go with it. */
static int size_mode(const char *size)
{
	char handle[RMMAP_HANDLE_MAX], last[RMMAP_HANDLE_MAX], odd[RMMAP_HANDLE_MAX];
	char argument[4 * RMMAP_HANDLE_MAX + 64], out[64], home[256], middle[RMMAP_HANDLE_MAX];
	struct crafted crafted;
	unsigned long long pages;
	unsigned segments;
	int status;

	CHECK(sscanf(size, "%llu %u", &pages, &crafted.percent) == 2);
	crafted.pages = pages;
	snprintf(home, sizeof(home), "%s", getenv("RMMAP_RUNDIR"));
	crafted_make(&crafted);
	segments = crafted_publish(0, pages, NO_PAGE, handle);
	printf("%llu pages, %u %% scattered, %u segments\n", pages, crafted.percent, segments);
	one(0, &crafted, handle, home);
	hand_on(&crafted, handle, home);
	one(RMMAP_EAGER, &crafted, handle, other_rundir());
	hand_on(&crafted, handle, other_rundir());
	CHECK(rmmap_unpublish(handle) == 0);
	/* Others, since the cache of the first is full: it would need no userfaultfd. */
	crafted_publish(0, pages, NO_PAGE, handle);
	setenv("RMMAP_RUNDIR", other_rundir(), 1);
	status = run_self("may", handle, out, sizeof(out));
	setenv("RMMAP_RUNDIR", home, 1);
	CHECK(status == 0 || status == 1);
	if (status)
		printf("userfaultfd is not allowed here: lazy attaches were not tested\n");
	CHECK(rmmap_unpublish(handle) == 0);
	if (!status) {
		crafted_publish(0, pages, NO_PAGE, handle);
		one(RMMAP_LAZY, &crafted, handle, other_rundir());
		CHECK(rmmap_unpublish(handle) == 0);
	}
	crafted_publish(0, pages - pages / 4, NO_PAGE, handle);
	crafted_publish(pages / 4, pages, NO_PAGE, last);
	crafted_publish(pages / 4, pages, pages / 2, odd);
	crafted_publish(pages / 3, pages / 2, NO_PAGE, middle);
	snprintf(argument, sizeof(argument), "%llu %u %s %s %s %s", pages, crafted.percent, handle,
	         last, odd, middle);
	CHECK(run_self("two", argument, out, sizeof(out)) == 0);
	setenv("RMMAP_RUNDIR", other_rundir(), 1);
	CHECK(run_self("two", argument, out, sizeof(out)) == 0);
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);
	static const char *const sizes[] = { "4096 0", "32768 1", "32768 25" };
	char handle[RMMAP_HANDLE_MAX], size[64], out[1024];
	void *block;

	if (mode && strcmp(mode, "one") == 0)
		return one_mode(argv[2]);
	if (mode && strcmp(mode, "two") == 0)
		return two_mode(argv[2]);
	if (mode && strcmp(mode, "may") == 0)
		return may_mode(argv[2]);
	if (mode && strcmp(mode, "on") == 0)
		return on_mode(argv[2]);
	if (mode && strcmp(mode, "after") == 0)
		return after_mode(argv[2]);
	if (mode && strcmp(mode, "size") == 0)
		return size_mode(argv[2]);
	setenv("RMMAP_SLOT", "3", 1);           /* not where the crafted ones are */
	block = malloc(100);
	CHECK(rmmap_publish(block, handle, sizeof(handle)) == 0);       /* starts rmmapd */
	if (argc == 3)
		snprintf(size, sizeof(size), "%s %s", argv[1], argv[2]);
	for (int i = 0; i < (argc == 3 ? 1 : 3); i++) {
		int status = run_self("size", argc == 3 ? size : sizes[i], out, sizeof(out));

		printf("%s", out);
		fflush(stdout);
		CHECK(status == 0);
	}
	return 0;
}
