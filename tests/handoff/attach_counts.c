/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Attaches count; memory goes with the last detach; free() of attached memory does nothing
 * and realloc() of it moves the block here; threads may attach the same at once.
 */
#include "handoff.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static bool mapped(const void *p)
{
	unsigned char residency;

	return mincore((void *)((uintptr_t)p & ~UINT64_C(4095)), 4096, &residency) == 0;
}

static void counting(const char *handle)
{
	void *root = rmmap_attach(handle);

	CHECK(root);
	CHECK(rmmap_attach(handle) == root);
	CHECK(rmmap_attach(handle) == root);
	CHECK(rmmap_detach(root) == 0);
	CHECK(rmmap_detach(root) == 0);
	CHECK(mapped(root));
	CHECK(rmmap_detach(root) == 0);
	CHECK(!mapped(root));
	CHECK(rmmap_detach(root) == -1 && errno == EINVAL);
}

struct box {
	char *text;
	char *big;
};
#define BIG (3u << 20)

static int box_mode(void)
{
	struct box *box = malloc(sizeof(*box));
	char handle[RMMAP_HANDLE_MAX];

	box->text = strdup("attached text");
	box->big = malloc(BIG);
	memset(box->big, 'b', BIG);
	CHECK(rmmap_publish(box, handle, sizeof(handle)) == 0);
	printf("%s", handle);
	return 0;
}

static void memory(void)
{
	char handle[RMMAP_HANDLE_MAX], *text, *big;
	struct box *box;

	CHECK(run_self("box", "", handle, sizeof(handle)) == 0);
	box = rmmap_attach(handle);
	CHECK(box);
	free(box->text);
	CHECK(strcmp(box->text, "attached text") == 0);
	text = realloc(box->text, 1000);
	CHECK(text && text != box->text && strcmp(text, "attached text") == 0);
	CHECK(strcmp(box->text, "attached text") == 0);
	big = realloc(box->big, 2 * BIG);
	CHECK(big && big != box->big && big[0] == 'b' && big[BIG - 1] == 'b');
	free(big);
	free(text);
	CHECK(rmmap_detach(box) == 0);
	CHECK(rmmap_unpublish(handle) == 0);
}

static void *attach_thread(void *handle)
{
	void *root = rmmap_attach(handle);

	CHECK(root);
	CHECK(structure_sum("tree", root) == structure_sum("tree", root));
	return root;
}

static void threads(char *handle)
{
	pthread_t ids[8];
	void *first = NULL, *root;

	for (int i = 0; i < 8; i++)
		CHECK(pthread_create(&ids[i], NULL, attach_thread, handle) == 0);
	for (int i = 0; i < 8; i++) {
		CHECK(pthread_join(ids[i], &root) == 0);
		CHECK(!first || root == first);
		first = root;
	}
	for (int i = 0; i < 8; i++)
		CHECK(rmmap_detach(first) == 0);
	CHECK(!mapped(first));
}

/* What a parent has attached its child has too, and may detach for itself. */
static void forked(const char *handle)
{
	void *root = rmmap_attach(handle), *again;
	uint64_t sum;
	int status;
	pid_t pid;

	CHECK(root);
	sum = structure_sum("tree", root);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK(structure_sum("tree", root) == sum);
		CHECK(rmmap_attach(handle) == root);
		CHECK(rmmap_detach(root) == 0 && rmmap_detach(root) == 0);
		CHECK(!mapped(root));
		again = rmmap_attach(handle);
		CHECK(again == root && structure_sum("tree", root) == sum);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(structure_sum("tree", root) == sum);
	CHECK(rmmap_detach(root) == 0);
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);
	struct rmmap_stats stats = { .size = sizeof(stats) };
	char handle[RMMAP_HANDLE_MAX];
	int before;

	if (mode && strcmp(mode, "produce") == 0)
		return produce_mode(argv[2]);
	if (mode && strcmp(mode, "box") == 0)
		return box_mode();
	produce("tree", handle);
	counting(handle);
	before = own_descriptors();
	memory();
	threads(handle);
	forked(handle);
	CHECK(own_descriptors() <= before + 4);         /* the heap's next files, after forks */
	CHECK(rmmap_stats(&stats) == 0);
	CHECK(stats.attaches == 13 && stats.attached_bytes == 0 && stats.publishes == 0);
	CHECK(stats.heap_bytes > 0 && stats.attach_ns > 0);
	return 0;
}
