/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * field - pages whose every word is known, so that a wrong one never goes unseen
 *
 * field publish MIB SEED [READERS]                 prints the handle; 32k: so many KiB
 * field walk HOW ORDER HANDLE [PERCENT COMMAND]    HOW: eager, lazy, auto
 *     ORDER: up, down, random:SEED, part (2 %, at the beginning), none
 *     COMMAND is run by sh when PERCENT of the pages have been looked at
 * field leave WAY HANDLE [COMMAND]                 attached lazily, read in part, then
 *     WAY: detach, exit, exec, close (all descriptors; COMMAND; then the rest is read)
 * field many HOW HANDLE...                         all of them attached at once
 *
 * Exit status: 0 all is right, 3 a page has another content, 4 refused (errno's name on stdout)
 */
#include "../handoff/handoff.h"
#include "remote.h"

#include <inttypes.h>
#include <unistd.h>

#define PAGE 4096
#define WORDS (PAGE / sizeof(uint64_t))
#define FIELDS_MAX 32

struct field {
	uint64_t seed, pages;           /* then words, to the end of the last page */
};

static uint64_t word(uint64_t seed, uint64_t i)
{
	uint64_t x = (seed << 40) + i;

	x = (x ^ x >> 33) * UINT64_C(0xff51afd7ed558ccd);
	return (x ^ x >> 29) | 1;       /* never 0 */
}

static int publish(const char *size, uint64_t seed, unsigned readers)
{
	struct rmmap_publish_options options = RMMAP_PUBLISH_OPTIONS_INIT;
	char handle[RMMAP_HANDLE_MAX];
	uint64_t bytes = strtoull(size, NULL, 10) << (strchr(size, 'k') ? 10 : 20);
	struct field *field = aligned_alloc(PAGE, bytes);
	uint64_t *words = (uint64_t *)field;

	CHECK(field);
	for (uint64_t i = 0; i < bytes / sizeof(*words); i++)
		words[i] = word(seed, i);
	*field = (struct field){ seed, bytes / PAGE };
	options.readers = readers;
	if (rmmap_publish_with(field, &options, handle, sizeof(handle)))
		return remote_failed();
	puts(handle);
	return 0;
}

static void look(const struct field *field, uint64_t page)
{
	const uint64_t *words = (const uint64_t *)field + page * WORDS;

	for (uint64_t i = page ? 0 : 2; i < WORDS; i++)
		if (words[i] != word(field->seed, page * WORDS + i)) {
			printf("page %" PRIu64 ", word %" PRIu64 " is %" PRIx64 "\n", page, i,
			       words[i]);
			exit(3);
		}
}

/* pages is a power of two: an odd step meets each page once. */
static uint64_t page_of(const char *order, uint64_t i, uint64_t pages)
{
	uint64_t seed;

	if (strcmp(order, "down") == 0)
		return pages - 1 - i;
	if (sscanf(order, "random:%" SCNu64, &seed) == 1)
		return (i * (word(77, seed) | 1) + seed * 1000) & (pages - 1);
	return i;
}

static uint64_t how_many(const char *order, uint64_t pages)
{
	if (strcmp(order, "none") == 0)
		return 0;
	return strcmp(order, "part") == 0 ? pages / 50 : pages;
}

static int walk(int argc, char **argv)
{
	const struct field *field = remote_attach(argv[2], argv[4]);
	uint64_t count, at;

	if (!field)
		return remote_failed();
	count = how_many(argv[3], field->pages);
	at = argc > 6 ? count * (uint64_t)atoi(argv[5]) / 100 : UINT64_MAX;
	for (uint64_t i = 0; i < count; i++) {
		if (i == at)
			CHECK(remote_shell(argv[6]) == 0);
		look(field, page_of(argv[3], i, field->pages));
	}
	if (at == count)
		CHECK(remote_shell(argv[6]) == 0);
	remote_counters();
	CHECK(rmmap_detach(field) == 0);
	return 0;
}

static int leave(const char *way, const char *handle, const char *command)
{
	const struct field *field = remote_attach("lazy", handle);

	if (!field)
		return remote_failed();
	for (uint64_t i = 0; i < field->pages / 8; i++)
		look(field, i);
	if (strcmp(way, "detach") == 0)
		CHECK(rmmap_detach(field) == 0);
	else if (strcmp(way, "exec") == 0)
		execlp("true", "true", (char *)NULL);
	else if (strcmp(way, "close") == 0)
		CHECK(close_range(3, ~0u, 0) == 0 && (!command || remote_shell(command) == 0));
	else
		_exit(0);
	for (uint64_t i = 0; strcmp(way, "close") == 0 && i < field->pages; i++)
		look(field, i);
	return 0;
}

static int many(const char *how, int count, char **handles)
{
	const struct field *fields[FIELDS_MAX];

	CHECK(count <= FIELDS_MAX);
	for (int i = 0; i < count; i++) {
		fields[i] = remote_attach(how, handles[i]);
		if (!fields[i])
			return remote_failed();
	}
	for (uint64_t page = 0; page < fields[0]->pages; page++)
		for (int i = 0; i < count; i++)
			look(fields[i], page);
	remote_counters();
	for (int i = 0; i < count; i++)
		CHECK(rmmap_detach(fields[i]) == 0);
	return 0;
}

int main(int argc, char **argv)
{
	if ((argc == 4 || argc == 5) && strcmp(argv[1], "publish") == 0)
		return publish(argv[2], strtoull(argv[3], NULL, 10),
		               argc == 5 ? (unsigned)atoi(argv[4]) : 0);
	if ((argc == 5 || argc == 7) && strcmp(argv[1], "walk") == 0)
		return walk(argc, argv);
	if ((argc == 4 || argc == 5) && strcmp(argv[1], "leave") == 0)
		return leave(argv[2], argv[3], argv[4]);
	if (argc >= 4 && strcmp(argv[1], "many") == 0)
		return many(argv[2], argc - 3, argv + 3);
	fprintf(stderr, "field: wrong arguments\n");
	return 2;
}
