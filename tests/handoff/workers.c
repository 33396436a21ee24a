/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Eight forked workers publish what they made, each in memory of its own and in blocks that
 * it inherited; the parent attaches all eight and merges them. What lies in the parent's own
 * heap stays the parent's.
 */
#include "handoff.h"

#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 8
#define ITEMS 20000

struct item {
	struct item *next;
	char *text;
};

struct result {
	struct item *items;
	const char *title;      /* allocated by the parent before the fork */
	uint64_t count;
};

static void work(int number, const char *title, int out)
{
	struct result *result = malloc(sizeof(*result));
	char handle[RMMAP_HANDLE_MAX] = "", text[64];

	CHECK(result);
	*result = (struct result){ NULL, title, 0 };
	for (int i = 0; i < ITEMS; i++) {
		struct item *item = malloc(sizeof(*item));

		CHECK(item);
		snprintf(text, sizeof(text), "item %d of worker %d", i, number);
		*item = (struct item){ result->items, strdup(text) };
		result->items = item;
		result->count++;
	}
	CHECK(rmmap_publish(result, handle, sizeof(handle)) == 0);
	CHECK(write(out, handle, sizeof(handle)) == (ssize_t)sizeof(handle));
	_exit(0);
}

static void merge(const struct result *result, const char *title, uint64_t *count, int *seen)
{
	int number, index;

	CHECK(result->title == title);
	CHECK(strcmp(title, "of the parent, later") == 0);
	for (const struct item *item = result->items; item; item = item->next) {
		CHECK(sscanf(item->text, "item %d of worker %d", &index, &number) == 2);
		CHECK(number >= 0 && number < WORKERS);
		seen[number]++;
		++*count;
	}
}

int main(int argc, char **argv)
{
	char handles[WORKERS][RMMAP_HANDLE_MAX], *title;
	struct result *results[WORKERS];
	struct rmmap_stats stats = { .size = sizeof(stats) };
	int ends[2], status, seen[WORKERS] = { 0 };
	uint64_t count = 0;

	isolate(argc, argv);
	title = strdup("of the parent, before fork");
	CHECK(pipe(ends) == 0);
	for (int i = 0; i < WORKERS; i++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (pid == 0)
			work(i, title, ends[1]);
	}
	for (int i = 0; i < WORKERS; i++)
		CHECK(read(ends[0], handles[i], sizeof(handles[i])) == sizeof(handles[i]));
	for (int i = 0; i < WORKERS; i++)
		CHECK(wait(&status) > 0 && status == 0);
	strcpy(title, "of the parent, later");
	for (int i = 0; i < WORKERS; i++) {
		results[i] = rmmap_attach(handles[i]);
		CHECK(results[i]);
	}
	for (int i = 0; i < WORKERS; i++)
		merge(results[i], title, &count, seen);
	CHECK(count == (uint64_t)WORKERS * ITEMS);
	for (int i = 0; i < WORKERS; i++)
		CHECK(seen[i] == ITEMS);
	CHECK(rmmap_stats(&stats) == 0 && stats.attaches == WORKERS && stats.own_pages > 0);
	for (int i = 0; i < WORKERS; i++)
		CHECK(rmmap_detach(results[i]) == 0);
	free(title);
	return 0;
}
