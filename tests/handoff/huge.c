/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * huge - the heap of a program that publishes is made of huge pages, before and after a publish,
 * here and for whoever attaches it, and so are copied layers; a publish copies what was written and
 * no more, also when all was freed and built again; and what was freed before is not published
 *
 * With RMMAP_HUGE=off there are none, and everything else is the same.
 */
#include <unistd.h>

#include "../../src/common/huge.h"
#include "../smaps.h"
#include "handoff.h"
#include "versions.h"

#define NODES 34000u
#define BUILT_KB (32ul << 10)           /* what they take, at least */
#define MOST_KB (BUILT_KB / 4 * 3)
#define ROUNDS 20
#define SECRETS 64                      /* blocks */
#define SMALL_SECRETS 20000
#define MARK_BYTES 32
#define WINDOW (4ul << 20)              /* what compact.c may write anew at once */

struct node {
	struct node *next;
	uint64_t value;
	char text[984];
};

/* ---- the structure ---- */

static struct node *build(uint64_t seed)
{
	struct node *list = NULL;

	for (unsigned i = 0; i < NODES; i++) {
		struct node *node = malloc(sizeof(*node));

		CHECK(node);
		node->next = list;
		node->value = seed + i;
		memset(node->text, (int)(seed + i) & 0x7f, sizeof(node->text));
		list = node;
	}
	return list;
}

static void drop(struct node *list)
{
	while (list) {
		struct node *next = list->next;

		free(list);
		list = next;
	}
}

static bool holds(const struct node *node, uint64_t seed)
{
	unsigned i = NODES;

	for (; node && i; node = node->next) {
		i--;
		if (node->value != seed + i || node->text[0] != (char)((seed + i) & 0x7f) ||
		    memcmp(node->text, node->text + 1, sizeof(node->text) - 1))
			return false;
	}
	return !node && !i;
}

/* ---- what the kernel says of this process ---- */

/* ---- what was freed ---- */

/* Two marks. Kept inverted, so that who looks for one does not find its own. */
static void mark_inverted(unsigned char mark[MARK_BYTES], bool small)
{
	for (unsigned i = 0; i < MARK_BYTES; i++)
		mark[i] = (unsigned char)~(i * 37 + 11 + small);
}

static void mark_write(unsigned char *to, size_t size, bool small)
{
	unsigned char mark[MARK_BYTES];

	mark_inverted(mark, small);
	for (size_t i = 0; i < size / MARK_BYTES * MARK_BYTES; i++)
		((volatile unsigned char *)to)[i] = (unsigned char)~mark[i % MARK_BYTES];
}

static unsigned marks_in(const unsigned char *p, const unsigned char *end, bool small)
{
	unsigned char mark[MARK_BYTES];
	unsigned found = 0, i;

	mark_inverted(mark, small);
	while (p + MARK_BYTES <= end && (p = memchr(p, (unsigned char)~mark[0], (size_t)(end - p)))) {
		for (i = 0; i < MARK_BYTES && p + i < end && p[i] == (unsigned char)~mark[i]; i++)
			;
		found += i == MARK_BYTES;
		p++;
	}
	return found;
}

/* Blocks of 32 KiB to 2 MiB, and small ones, filled with marks and freed. */
static void leave_secrets(void)
{
	static unsigned char *secrets[SECRETS], *small[SMALL_SECRETS];

	for (int i = 0; i < SECRETS; i++) {
		size_t size = (size_t)1 << (15 + i % 7);

		secrets[i] = malloc(size);
		CHECK(secrets[i]);
		mark_write(secrets[i], size, false);
	}
	for (int i = 0; i < SMALL_SECRETS; i++) {
		small[i] = malloc(MARK_BYTES);
		CHECK(small[i]);
		mark_write(small[i], MARK_BYTES, true);
	}
	for (int i = 0; i < SMALL_SECRETS; i++)
		free(small[i]);
	for (int i = 0; i < SECRETS; i++)
		free(secrets[i]);
}

/* Those in all memory files that are mapped here: what is attached, and this process's heap. */
static unsigned marks_mapped(bool small)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long from, to;
	unsigned found = 0;
	char line[512], readable;

	CHECK(maps);
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx %c", &from, &to, &readable) == 3 && readable == 'r' &&
		    strstr(line, "/memfd:rmmap-"))
			found += marks_in((void *)from, (void *)to, small);
	fclose(maps);
	return found;
}

/* ---- other processes ---- */

static bool wants_huge(void)
{
	const char *huge = getenv("RMMAP_HUGE");

	return !huge || strcmp(huge, "off") != 0;
}

static int read_mode(const char *argument)
{
	char handle[RMMAP_HANDLE_MAX];
	unsigned long long seed;
	struct node *list;
	unsigned small;

	CHECK(sscanf(argument, "%llu %511s", &seed, handle) == 2);
	list = rmmap_attach(handle);
	CHECK(list && holds(list, seed));
	printf("%lu", smaps_huge_kb("", ""));
	CHECK(marks_mapped(false) == 0);
	/* What is freed of a page with other blocks stays there, and in the thread's cache. */
	small = marks_mapped(true);
	CHECK(small < SMALL_SECRETS / 10);
	return 0;
}

/* Another process attaches it and walks it. How much of it was huge there, in KiB. */
static unsigned long reader_huge_kb(const char *handle, uint64_t seed)
{
	char argument[RMMAP_HANDLE_MAX + 32], text[64];

	snprintf(argument, sizeof(argument), "%llu %s", (unsigned long long)seed, handle);
	CHECK(run_self("read", argument, text, sizeof(text)) == 0);
	return strtoul(text, NULL, 10);
}

/* Publish a copy of what another process has published. */
static int copy_mode(const char *handle)
{
	struct rmmap_publish_options options = RMMAP_PUBLISH_OPTIONS_INIT;
	char copy[RMMAP_HANDLE_MAX];
	void *root = rmmap_attach(handle);

	options.flags = RMMAP_SELF_CONTAINED;
	CHECK(root && rmmap_publish_with(root, &options, copy, sizeof(copy)) == 0);
	printf("%s", copy);
	return 0;
}

/* ---- the publisher ---- */

static uint64_t copied_bytes(void)
{
	struct rmmap_stats stats = { .size = sizeof(stats) };

	CHECK(rmmap_stats(&stats) == 0);
	return stats.copied_bytes;
}

static void check_huge(const char *where, unsigned long kb, bool wanted)
{
	if (wanted ? kb >= MOST_KB : kb == 0)
		return;
	fprintf(stderr, "%s: %lu KiB of %lu are huge pages, and %s\n", where, kb, BUILT_KB,
	        wanted ? "most should be" : "none should be");
	exit(1);
}

/* Publish the list, and have it read; the bytes that were copied for it. */
static uint64_t publish(struct node *list, uint64_t seed, char handle[RMMAP_HANDLE_MAX])
{
	uint64_t before = copied_bytes();

	CHECK(rmmap_publish(list, handle, RMMAP_HANDLE_MAX) == 0);
	before = copied_bytes() - before;
	check_huge("the reader", reader_huge_kb(handle, seed), wants_huge());
	return before;
}

static struct node *first_publish(bool shared, char handle[RMMAP_HANDLE_MAX])
{
	struct node *list;

	leave_secrets();
	list = build(1);
	check_huge("before the publish", smaps_huge_kb("/memfd:rmmap-heap", ""), wants_huge() && shared);
	publish(list, 1, handle);
	CHECK(holds(list, 1));
	check_huge("after the publish", smaps_huge_kb("/memfd:rmmap-heap", ""), wants_huge() && shared);
	return list;
}

static void publish_copy(const char *handle)
{
	char copy[RMMAP_HANDLE_MAX];

	CHECK(run_self("copy", handle, copy, sizeof(copy)) == 0);
	check_huge("the reader of a copy", reader_huge_kb(copy, 1), wants_huge());
	CHECK(rmmap_unpublish(copy) == 0);
}

static void publish_page_again(struct node *list, const char *before)
{
	char handle[RMMAP_HANDLE_MAX];
	uint64_t copied;

	list->value--;
	list->value++;
	copied = publish(list, 1, handle);
	if (copied > 256 << 10) {
		fprintf(stderr, "one page was written, and %llu bytes were copied\n",
		        (unsigned long long)copied);
		exit(1);
	}
	CHECK(rmmap_unpublish(before) == 0 && rmmap_unpublish(handle) == 0);
}

/*
 * Free all and build it anew, again and again. shared: little of it is copied. rmmapd's memory is
 * at its end no more than after the first rounds. Each reader is forked, which freezes the heap too.
 */
static void rounds(struct node *list, bool shared)
{
	char handle[RMMAP_HANDLE_MAX], before[RMMAP_HANDLE_MAX] = "";
	uint64_t held = UINT64_MAX, copied, end = 0;

	for (unsigned i = 1; i <= ROUNDS; i++) {
		drop(list);
		leave_secrets();
		list = build(i * 7919);
		copied = publish(list, i * 7919, handle);
		if (shared && copied > (BUILT_KB << 10) / 10 + WINDOW) {
			fprintf(stderr, "round %u: %llu bytes were copied\n", i,
			        (unsigned long long)copied);
			exit(1);
		}
		CHECK(!before[0] || rmmap_unpublish(before) == 0);
		strcpy(before, handle);
		end = layers_bytes(daemon_pid());
		if (i <= ROUNDS / 4 && end < held)
			held = end;
	}
	/* A reader that has ended holds what it had attached until rmmapd hears of its end. */
	for (int i = 0; i < 1000 && end >= held + (BUILT_KB << 10) / 4; i++) {
		usleep(10000);
		end = layers_bytes(daemon_pid());
	}
	printf("rmmapd held %llu KiB at least in the first %d rounds, %llu after round %d\n",
	       (unsigned long long)held >> 10, ROUNDS / 4, (unsigned long long)end >> 10, ROUNDS);
	fflush(stdout);
	CHECK(end < held + (BUILT_KB << 10) / 4);
	CHECK(rmmap_unpublish(handle) == 0);
}

static int publisher_mode(const char *heap)
{
	bool shared = strcmp(heap, "shared") == 0;
	char handle[RMMAP_HANDLE_MAX];
	struct node *list = first_publish(shared, handle);

	publish_copy(handle);
	if (shared)
		publish_page_again(list, handle);
	else
		CHECK(rmmap_unpublish(handle) == 0);
	rounds(list, shared);
	return 0;
}

static void publisher(const char *heap, const char *huge)
{
	char text[256];

	setenv("RMMAP_HEAP", heap, 1);
	setenv("RMMAP_HUGE", huge, 1);
	if (run_self("publisher", heap, text, sizeof(text))) {
		fprintf(stderr, "with RMMAP_HEAP=%s RMMAP_HUGE=%s\n", heap, huge);
		exit(1);
	}
	printf("RMMAP_HEAP=%s RMMAP_HUGE=%s: %s", heap, huge, text);
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);
	int error;

	if (mode && strcmp(mode, "read") == 0)
		return read_mode(argv[2]);
	if (mode && strcmp(mode, "copy") == 0)
		return copy_mode(argv[2]);
	if (mode)
		return publisher_mode(argv[2]);
	error = rm_huge_probe();
	publisher("shared", "off");
	publisher("anon", "off");
	if (error) {
		printf("skipped: this kernel makes no huge page of memory files now (%s)\n",
		       strerror(-error));
		return 77;
	}
	publisher("shared", "auto");
	publisher("shared", "on");
	publisher("anon", "auto");
	return 0;
}
