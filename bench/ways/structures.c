/* SPDX-License-Identifier: BSD-2-Clause */
/* structures.c - with malloc and pointers; and what both sorts of structures are made from */
#include <sys/mman.h>

#include "../bench.h"

#define REF(type) type *
#define AT(type, ref) ((type *)(ref))
#define NEW(type, bytes) ((type *)allocate(bytes))

static void *allocate(size_t bytes)
{
	void *memory = malloc(bytes);

	if (!memory)
		bench_die("out of memory");
	return memory;
}

#include "shapes.h"
#include "shapes_code.h"

void *scratch(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		bench_die("out of memory");
	return memory;
}

void scratch_free(void *memory, size_t bytes)
{
	munmap(memory, bytes);
}

size_t make_text(char *to, uint64_t i)
{
	uint64_t digits = i * 0x9e3779b97f4a7c15u;      /* odd: no two i have the same */
	size_t length = 0;

	for (; length < 16; length++, digits >>= 4)
		to[length] = (char)('a' + (digits & 15));
	for (uint64_t more = i % 9; more; more--)
		to[length++] = 'x';
	to[length] = '\0';
	return length;
}

/* Date,Open,High,Low,Close,Volume,Dividends,... of one line */
static int parse_sample(char *line, struct sample *sample)
{
	char *at = strchr(line, ',');

	if (!at || at == line || (size_t)(at - line) >= sizeof sample->date)
		return 0;
	memcpy(sample->date, line, (size_t)(at - line));
	for (int i = 0; i < 4; i++)
		sample->price[i] = strtod(*at == ',' ? at + 1 : at, &at);
	sample->volume = strtoull(*at == ',' ? at + 1 : at, &at, 10);
	for (int i = 4; i < 6; i++)
		sample->price[i] = strtod(*at == ',' ? at + 1 : at, &at);
	return 1;
}

#define SAMPLES 65536

const struct sample *samples(size_t *count)
{
	static struct sample *all;
	static size_t known;
	const char *path = getenv("WAYS_TABLE");
	FILE *file = path && *path && !all ? fopen(path, "re") : NULL;
	char line[1024];

	if (!all)
		all = scratch(SAMPLES * sizeof *all);
	while (file && known < SAMPLES && fgets(line, sizeof line, file))
		if (line[0] >= '0' && line[0] <= '9')
			known += (size_t)parse_sample(line, &all[known]);
	if (file)
		fclose(file);
	for (; known == 0 || (known < SAMPLES && !file && !(path && *path)); known++) {
		struct sample *made = &all[known];

		snprintf(made->date, sizeof made->date, "%04u-%02u-%02u",
		         (unsigned)(2000 + known / 336 % 100), (unsigned)(known / 28 % 12 + 1),
		         (unsigned)(known % 28 + 1));
		for (int i = 0; i < 6; i++)
			made->price[i] = (double)(mix(known * 6 + (size_t)i) >> 40) * 0.000123;
		made->volume = mix(known) >> 34;
	}
	*count = known;
	return all;
}

static void free_knots(struct knot *knot)
{
	while (knot) {
		struct knot *right = knot->right;

		free_knots(knot->left);
		free(knot);
		knot = right;
	}
}

static void free_list(struct list *list)
{
	for (struct item *item = list->first, *next; item; item = next) {
		next = item->next;
		free(item->text);
		free(item);
	}
}

static void free_hash(struct hash *hash)
{
	for (uint64_t i = 0; i < hash->buckets; i++)
		for (struct entry *entry = hash->table[i], *next; entry; entry = next) {
			next = entry->next;
			free(entry);
		}
	free(hash->table);
}

static void free_graph(struct graph *graph)
{
	for (uint64_t i = 0; i < graph->count; i++) {
		free(graph->vertices[i]->out);
		free(graph->vertices[i]);
	}
	free(graph->vertices);
}

static void free_table(struct table *table)
{
	for (uint64_t i = 0; i < table->count; i++) {
		free(table->rows[i]->date);
		free(table->rows[i]);
	}
	free(table->rows);
}

static void free_chase(struct chase *chase)
{
	for (struct hop *hop = chase->first, *next; hop; hop = next) {
		next = hop->next;
		free(hop);
	}
}

static void release(enum kind kind, void *root)
{
	switch (kind) {
	case LIST:
	case LIST_RANDOM:
		free_list(root);
		break;
	case TREE:
		free_knots(((struct tree *)root)->top);
		break;
	case HASH:
		free_hash(root);
		break;
	case MATRIX:
		free(((struct matrix *)root)->data);
		break;
	case GRAPH:
		free_graph(root);
		break;
	case TABLE:
		free_table(root);
		break;
	case FLAT:
		free(((struct flat *)root)->data);
		break;
	case CHASE:
		free_chase(root);
		break;
	case KINDS:
		break;
	}
	free(root);
}

const struct shape_functions structures = { build, walk, release };
