/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stages.c - reads a workflow's file, which has a line for each function:
 *
 *     NAME[*] near|far [INPUT...]: PROGRAM ARG...
 *
 * A function with * has as many instances as -n gives. Far functions are started by the command of
 * --far. The inputs are functions of earlier lines, in the order in which the program takes them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conduct.h"

static size_t stage_named(const struct stage *stages, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(stages[i].name, name))
			return i;
	fail("'%s' is no function of an earlier line", name);
}

static void add_word(struct stage *stage, const char *word)
{
	if (stage->words == WORDS_MAX - 1)
		fail("%s has too many arguments", stage->name);
	stage->word[stage->words] = strdup(word);
	if (!stage->word[stage->words++])
		fail("no memory");
}

static void add_argument(struct stage *stage, const char *word, char **arguments)
{
	size_t count = 0;

	while (arguments[count])
		count++;
	if (!strcmp(word, "%A")) {
		for (size_t i = 0; i < count; i++)
			add_word(stage, arguments[i]);
	} else if (word[0] == '%' && word[1] >= '1' && word[1] <= '9' && !word[2]) {
		if ((size_t)(word[1] - '0') > count)
			fail("argument %c is missing", word[1]);
		add_word(stage, arguments[word[1] - '1']);
	} else {
		add_word(stage, word);
	}
}

static void read_stage(char *line, char **arguments, struct stage *stages, size_t at)
{
	struct stage *stage = &stages[at];
	char *program = strchr(line, ':'), *word, *rest;

	if (!program)
		fail("a line of the workflow has no ':'");
	*program++ = 0;
	word = strtok_r(line, " \t", &rest);
	if (!word)
		fail("a line of the workflow has no name");
	stage->many = word[strlen(word) - 1] == '*';
	stage->name = strndup(word, strlen(word) - stage->many);
	word = strtok_r(NULL, " \t", &rest);
	if (!stage->name || !word || (strcmp(word, "near") && strcmp(word, "far")))
		fail("a line of the workflow does not say near or far");
	stage->far = !strcmp(word, "far");
	while ((word = strtok_r(NULL, " \t", &rest))) {
		if (stage->inputs == STAGES_MAX)
			fail("%s has more than %d inputs", stage->name, STAGES_MAX);
		stage->input[stage->inputs++] = stage_named(stages, at, word);
	}
	for (word = strtok_r(program, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest))
		add_argument(stage, word, arguments);
	if (!stage->words)
		fail("%s has no program", stage->name);
}

size_t read_workflow(const char *name, char **arguments, struct stage stages[STAGES_MAX])
{
	FILE *file = fopen(name, "re");
	char line[1024];
	size_t count = 0;

	if (!file)
		fail("%s: %m", name);
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "#\n")] = 0;
		if (!line[strspn(line, " \t")])
			continue;
		if (count == STAGES_MAX)
			fail("%s has more than %d functions", name, STAGES_MAX);
		read_stage(line, arguments, stages, count++);
	}
	fclose(file);
	if (!count)
		fail("%s has no function", name);
	return count;
}
