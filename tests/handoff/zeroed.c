/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * zeroed - a page that the kernel has put its page of zeros in the place of, since it held zeros,
 * is zeros for whoever attaches the next publication, not what an earlier one had there; and
 * pages of zeros that were only read take no room in a publication
 *
 * The kernel does it when it takes a huge page apart, or with KSM. Here madvise() and a read
 * have the same page table entry made.
 */
#include <sys/mman.h>

#include "handoff.h"

#define PAGE 4096
#define PAGES 512
#define FILL 0x5a

struct root {
	unsigned char *pages, *sparse;
};

static bool zeroed(int page)
{
	return page % 16 == 1;
}

static int consume(const char *handle)
{
	const struct root *root = rmmap_attach(handle);

	if (!root)
		fprintf(stderr, "%s\n", rmmap_error());
	CHECK(root);
	for (int i = 0; i < PAGES; i++)
		for (int at = 0; at < PAGE; at += 64)
			CHECK(root->pages[i * PAGE + at] == (zeroed(i) ? 0 : FILL));
	return 0;
}

/* The kernel's page of zeros for what is read. */
static void read_all(const unsigned char *pages, int count)
{
	for (int i = 0; i < count; i++)
		CHECK(((const volatile unsigned char *)pages)[i * PAGE] == 0);
}

static int produce_zeroed(void)
{
	struct root *root = malloc(sizeof(*root));
	struct rmmap_stats stats = { .size = sizeof(stats) };
	char handle[RMMAP_HANDLE_MAX], out[16];
	uint64_t before;

	CHECK(root);
	root->pages = aligned_alloc(PAGE, (size_t)PAGES * PAGE);
	root->sparse = aligned_alloc(PAGE, (size_t)PAGES * PAGE);
	CHECK(root->pages && root->sparse);
	memset(root->pages, FILL, (size_t)PAGES * PAGE);
	CHECK(rmmap_publish(root, handle, sizeof(handle)) == 0);
	for (int i = 0; i < PAGES; i++)
		if (zeroed(i)) {
			CHECK(madvise(root->pages + i * PAGE, PAGE, MADV_DONTNEED) == 0);
			read_all(root->pages + i * PAGE, 1);
		}
	read_all(root->sparse, PAGES);
	CHECK(rmmap_stats(&stats) == 0);
	before = stats.copied_bytes;
	CHECK(rmmap_publish(root, handle, sizeof(handle)) == 0);
	CHECK(rmmap_stats(&stats) == 0);
	/* the pages that were zeroed, what malloc itself wrote, and not the sparse ones */
	CHECK(stats.copied_bytes - before < (uint64_t)(PAGES / 16 + PAGES / 8) * PAGE);
	CHECK(run_self("consume", handle, out, sizeof(out)) == 0);
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);
	char out[16];

	if (mode && strcmp(mode, "consume") == 0)
		return consume(argv[2]);
	if (mode && strcmp(mode, "produce") == 0)
		return produce_zeroed();
	setenv("RMMAP_HEAP", "anon", 1);
	CHECK(run_self("produce", "", out, sizeof(out)) == 0);
	return 0;
}
