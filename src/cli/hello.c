/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hello.c - rmmap hello: publishes a built-in structure, or attaches and verifies one
 *
 * Uses only the public interface of librmmap, as any program does: if this works, programs work
 * between these machines. The structure has a list, a tree, strings and a block of bytes; a
 * checksum over all of them is in its root.
 */
#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/channel.h"
#include "cli.h"
#include "rmmap.h"

#define LIST_NODES 100000u
#define TREE_NODES 65535u       /* a full tree of 16 levels */
#define DEPTH_MAX 64            /* levels of a tree that is summed up */
#define STRINGS 10000u
#define BLOCK_BYTES (16u << 20)
#define HELLO_MAGIC UINT64_C(0x6f6c6c6568206d72)        /* "rm hello" in memory */
#define HELLO_ALIGN 256         /* so that the root never crosses a page */

struct node {
	struct node *next;
	uint64_t value;
};

struct tree {
	struct tree *left, *right;
	uint64_t value;
};

/*
 * The pointers are what is tested: they are those of the publisher, and nothing translates them.
 */
struct hello {                          /* the root */
	uint64_t magic;                 /* HELLO_MAGIC, set when all the rest is complete */
	uint64_t seed, checksum;        /* of all values, which follow from the seed */
	uint32_t list_nodes, tree_nodes, strings, block_bytes;  /* as built; bounds of each walk */
	struct node *list;
	struct tree *tree;
	char **string;
	unsigned char *block;
};

/* One step of the checksum: its result depends on the order of the values. */
static uint64_t sum_mix(uint64_t sum, uint64_t value)
{
	sum = (sum ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	return sum ^ sum >> 29;
}

/* The next value of a pseudorandom sequence. */
static uint64_t next_value(uint64_t *state)
{
	return sum_mix((*state)++, UINT64_C(0xd1342543de82ef95));
}

/* A balanced tree of so many nodes. After an allocation failure it has fewer. */
static struct tree *build_tree(uint32_t nodes, uint64_t *state)
{
	struct tree *tree;

	if (!nodes)
		return NULL;
	tree = malloc(sizeof(*tree));
	if (!tree)
		return NULL;
	/* Halved at each level, so the recursion is 16 levels deep. */
	tree->left = build_tree(nodes / 2, state);
	tree->value = next_value(state);
	tree->right = build_tree(nodes - 1 - nodes / 2, state);
	return tree;
}

/* The builders return false if there is not enough memory; then the program ends. */
static bool build_strings(struct hello *hello, uint64_t *state)
{
	char text[64];

	hello->string = calloc(STRINGS, sizeof(char *));
	for (uint32_t i = 0; hello->string && i < STRINGS; i++) {
		snprintf(text, sizeof(text), "hello %" PRIu32 " %" PRIx64, i, next_value(state));
		hello->string[i] = strdup(text);
		if (!hello->string[i])
			return false;
	}
	return hello->string;
}

static bool build_list(struct hello *hello, uint64_t *state)
{
	for (uint32_t i = 0; i < LIST_NODES; i++) {
		struct node *node = malloc(sizeof(*node));

		if (!node)
			return false;
		node->value = next_value(state);
		node->next = hello->list;
		hello->list = node;
	}
	return true;
}

static bool build_block(struct hello *hello, uint64_t *state)
{
	hello->block = malloc(BLOCK_BYTES);
	for (uint32_t i = 0; hello->block && i < BLOCK_BYTES; i += sizeof(uint64_t)) {
		uint64_t value = next_value(state);

		memcpy(hello->block + i, &value, sizeof(value));
	}
	return hello->block;
}

/*
 * ---- verifying ----
 *
 * Each function adds one part to the sum and counts its nodes. It stops at the number that the root
 * states, so that a damaged structure cannot make it run forever.
 */

static uint64_t sum_list(const struct hello *hello, uint64_t sum, uint32_t *nodes)
{
	for (const struct node *n = hello->list; n && *nodes < hello->list_nodes; n = n->next) {
		sum = sum_mix(sum, n->value);
		++*nodes;
	}
	return sum;
}

/*
 * In order of the search: left, node, right. What is below DEPTH_MAX is left out: the tree may be
 * anybody's, and this stack must hold it.
 */
static uint64_t sum_tree(const struct tree *tree, unsigned depth, uint32_t most, uint64_t sum,
                         uint32_t *nodes)
{
	if (!tree || depth == DEPTH_MAX || *nodes >= most)
		return sum;
	++*nodes;
	sum = sum_tree(tree->left, depth + 1, most, sum, nodes);
	sum = sum_mix(sum, tree->value);
	return sum_tree(tree->right, depth + 1, most, sum, nodes);
}

static uint64_t sum_strings(const struct hello *hello, uint64_t sum, uint64_t *bytes)
{
	for (uint32_t i = 0; i < hello->strings; i++) {
		const char *s = hello->string[i];

		for (; *s; s++, ++*bytes)
			sum = sum_mix(sum, (unsigned char)*s);
	}
	return sum;
}

static uint64_t sum_block(const struct hello *hello, uint64_t sum)
{
	for (uint32_t i = 0; i < hello->block_bytes; i += sizeof(uint64_t)) {
		uint64_t value;

		memcpy(&value, hello->block + i, sizeof(value));
		sum = sum_mix(sum, value);
	}
	return sum;
}

struct found {                          /* what a walk over the structure found */
	uint32_t list_nodes, tree_nodes;
	uint64_t bytes;                 /* of the whole structure */
	uint64_t checksum;
};

/* Touch every byte of the structure: sum, counts and size. */
static void hello_walk(const struct hello *hello, struct found *found)
{
	uint64_t strings = 0, sum = hello->seed;

	memset(found, 0, sizeof(*found));
	sum = sum_list(hello, sum, &found->list_nodes);
	sum = sum_tree(hello->tree, 0, hello->tree_nodes, sum, &found->tree_nodes);
	sum = sum_strings(hello, sum, &strings);
	found->checksum = sum_block(hello, sum);
	found->bytes = sizeof(*hello) + found->list_nodes * sizeof(struct node) +
	               found->tree_nodes * sizeof(struct tree) + strings +
	               hello->strings * (sizeof(char *) + 1) + hello->block_bytes;
}

/* Build the structure and its checksum; NULL if there is not enough memory. */
static struct hello *hello_build(struct found *found)
{
	struct hello *hello;
	uint64_t state;

	/* Nothing is freed after a failure: the program ends. */
	if (posix_memalign((void **)&hello, HELLO_ALIGN, sizeof(*hello)))
		return NULL;
	memset(hello, 0, sizeof(*hello));
	/* Different each time, so that an earlier structure cannot pass for this one. */
	hello->seed = state = rm_now_ns() ^ (uint64_t)getpid() << 32;
	if (!build_list(hello, &state) || !build_strings(hello, &state) ||
	    !build_block(hello, &state))
		return NULL;
	hello->tree = build_tree(TREE_NODES, &state);
	hello->list_nodes = LIST_NODES;
	hello->tree_nodes = TREE_NODES;
	hello->strings = STRINGS;
	hello->block_bytes = BLOCK_BYTES;
	/* The reader's own function makes the sum: the order of the walk is then the same. */
	hello_walk(hello, found);
	if (found->tree_nodes != TREE_NODES)
		return NULL;
	hello->checksum = found->checksum;
	hello->magic = HELLO_MAGIC;
	return hello;
}

/*
 * Call rmmap_publish() by dlsym(). The library claims a slot in the run directory at the start of
 * each program that imports that function; but commands such as rmmap list must leave no trace.
 */
static int publish_root(const void *root, char handle[RMMAP_HANDLE_MAX])
{
	int (*publish_call)(const void *, char *, size_t);

	*(void **)&publish_call = dlsym(RTLD_DEFAULT, "rmmap_publish");
	if (!publish_call)
		return cli_fail("librmmap.so.0 has no rmmap_publish: it is not this version's");
	return publish_call(root, handle, RMMAP_HANDLE_MAX) ? cli_fail("%s", rmmap_error()) : 0;
}

/* Build, publish, print the handle on stdout, and what to do with it on stderr. */
static int hello_publish(bool json)
{
	char handle[RMMAP_HANDLE_MAX];
	struct found found;
	struct hello *hello = hello_build(&found);
	uint64_t from = rm_now_ns(), ns;
	struct json out;

	if (!hello)
		return cli_fail("not enough memory for the structure");
	if (publish_root(hello, handle))
		return 1;
	ns = rm_now_ns() - from;
	if (json) {
		json_start(&out, stdout);
		json_text(&out, "handle", handle);
		json_number(&out, "nodes", found.list_nodes + found.tree_nodes + STRINGS);
		json_number(&out, "bytes", found.bytes);
		json_real(&out, "publish_ms", (double)ns / 1e6);
		json_finish(&out);
		return 0;
	}
	/*
	 * The handle alone on standard output, so that it can be piped; before the text, which
	 * refers to it.
	 */
	puts(handle);
	fflush(stdout);
	fprintf(stderr, "Published %u nodes, %" PRIu64 " bytes, in %.1f ms. On any host that reaches "
	        "this one, run\n  rmmap hello -\nand paste the handle above, which is a secret. To "
	        "end the publication, run\n  rmmap unpublish -\nhere; without readers it ends by "
	        "itself after RMMAP_TTL, an hour unless set.\n",
	        found.list_nodes + found.tree_nodes + STRINGS, found.bytes, (double)ns / 1e6);
	return 0;
}

/* A lost page ends the program with a message instead of a core dump. */
static void on_sigbus(int number)
{
	static const char text[] = "rmmap: a page of the publication can no longer be had: "
	                           "the other host, or rmmapd, is gone\n";

	(void)number;
	/* Only what a signal handler may call. */
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(1);
	_exit(1);
}

/*
 * Walk the structure and compare counts and checksum. The alignment is checked before the first
 * access: an aligned root lies in one page, so that it can be read if the page can.
 */
static int hello_verify(const struct hello *hello, struct found *found)
{
	if ((uintptr_t)hello % HELLO_ALIGN || hello->magic != HELLO_MAGIC)
		return cli_fail("the handle is good, but not of a structure that rmmap hello "
		                "publishes");
	hello_walk(hello, found);
	if (found->list_nodes != hello->list_nodes || found->tree_nodes != hello->tree_nodes)
		return cli_fail("the structure did not arrive whole: %" PRIu32 " of %" PRIu32
		                " list nodes, %" PRIu32 " of %" PRIu32 " tree nodes",
		                found->list_nodes, hello->list_nodes, found->tree_nodes,
		                hello->tree_nodes);
	if (found->checksum != hello->checksum)
		return cli_fail("the structure did not arrive whole: its checksum is wrong");
	return 0;
}

static void hello_report(bool json, uint32_t nodes, const struct found *found, uint64_t attach_ns,
                         uint64_t walk_ns, const struct rmmap_stats *stats)
{
	double mb_per_s = (double)found->bytes * 1e3 / (double)(attach_ns + walk_ns);
	struct json out;

	if (json) {
		json_start(&out, stdout);
		json_number(&out, "verified_nodes", nodes);
		json_number(&out, "bytes", found->bytes);
		json_real(&out, "attach_ms", (double)attach_ns / 1e6);
		json_real(&out, "walk_ms", (double)walk_ns / 1e6);
		json_real(&out, "mb_per_s", mb_per_s);
		json_text(&out, "provider", stats->provider[0] ? stats->provider : NULL);
		json_number(&out, "fi_reads", stats->reads);
		json_number(&out, "fetched_bytes", stats->fetched_bytes);
		json_number(&out, "faults", stats->faults);
		json_finish(&out);
		return;
	}
	printf("verified   %" PRIu32 " nodes, %" PRIu64 " bytes\n", nodes, found->bytes);
	printf("attach     %.3f ms\n", (double)attach_ns / 1e6);
	printf("walk       %.3f ms\n", (double)walk_ns / 1e6);
	printf("bandwidth  %.0f MB/s, attach and walk together\n", mb_per_s);
	if (stats->reads)
		printf("provider   %s: %" PRIu64 " fi_read calls, %" PRIu64 " bytes, %" PRIu64
		       " faults\n", stats->provider, stats->reads, stats->fetched_bytes,
		       stats->faults);
	else if (stats->provider[0])
		printf("provider   %s; all pages were on this host already\n", stats->provider);
	else
		printf("provider   none: published on this host, mapped without a copy\n");
}

/* Attach, verify and report. Measures until the last byte has been touched. */
static int hello_attach(const char *handle, bool json)
{
	struct rmmap_stats stats = { .size = sizeof(stats) };
	uint64_t from = rm_now_ns(), attached, walked;
	const struct hello *hello;
	struct found found;
	uint32_t nodes;

	/* Before the attach: from then on any access may find that a page is lost. */
	signal(SIGBUS, on_sigbus);
	hello = rmmap_attach(handle);
	if (!hello)
		return cli_fail("%s", rmmap_error());
	attached = rm_now_ns();
	if (hello_verify(hello, &found))
		return 1;
	walked = rm_now_ns();
	/* After the time was taken: these are accesses, too. */
	nodes = hello->list_nodes + hello->tree_nodes + hello->strings;
	if (rmmap_stats(&stats))
		return cli_fail("%s", rmmap_error());
	hello_report(json, nodes, &found, attached - from, walked - attached, &stats);
	rmmap_detach(hello);
	return 0;
}

int cli_hello(const struct args *args)
{
	char handle[RM_HANDLE_TEXT_MAX];
	int status;

	if (!args->count)
		return hello_publish(args->json);
	if (cli_handle(args->operands[0], false, handle))
		return 1;
	status = hello_attach(handle, args->json);
	explicit_bzero(handle, sizeof(handle));
	return status;
}
