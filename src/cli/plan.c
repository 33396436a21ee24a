/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * plan.c - rmmap plan: assigns a slot of addresses to each instance of a workflow's functions
 *
 * workflow.c parses and assigns; here are the file and the output.
 */
#include <stdlib.h>
#include <string.h>

#include "../common/segment.h"
#include "cli.h"
#include "workflow.h"

#define TEXT_MAX (1u << 20)             /* bytes; a larger file is refused */

/* Read all of a file into *text, which the caller frees. 0, or 1 after the line on stderr. */
static int text_read(FILE *file, const char *name, char **text, size_t *size)
{
	*text = malloc(TEXT_MAX + 1);
	if (!*text)
		return cli_fail("no memory to read %s", name);
	/*
	 * One byte more than is taken tells that the file is too large. It may be a pipe, which
	 * has no size to ask for.
	 */
	*size = fread(*text, 1, TEXT_MAX + 1, file);
	if (ferror(file))
		return cli_fail("cannot read %s: %m", name);
	if (*size > TEXT_MAX)
		return cli_fail("%s is no workflow: it is larger than 1 MiB", name);
	return 0;
}

static int workflow_file_read(const char *operand, const char *name, char **text, size_t *size)
{
	FILE *file = strcmp(operand, "-") ? fopen(operand, "re") : stdin;
	int status;

	if (!file)
		return cli_fail("cannot open %s: %m", name);
	status = text_read(file, name, text, size);
	if (file != stdin)
		fclose(file);
	return status;
}

/* Print the slot of each instance, ascending. */
static void print_function(struct json *json, const struct workflow_function *function)
{
	uint32_t slot = 0;

	for (uint32_t i = 0; i < function->instances; i++, slot++) {
		while (!rm_bit(function->slots, slot))
			slot++;
		if (!json) {
			printf("%s[%u] RMMAP_SLOT=%u\n", function->name, i, slot);
			continue;
		}
		json_object(json, NULL);
		json_text(json, "name", function->name);
		json_number(json, "instance", i);
		json_number(json, "slot", slot);
		json_close(json, '}');
	}
}

static void print_plan(bool as_json, const struct workflow *workflow)
{
	struct json json;

	if (as_json) {
		json_start(&json, stdout);
		json_array(&json, "instances");
	}
	for (uint32_t i = 0; i < workflow->count; i++)
		print_function(as_json ? &json : NULL, &workflow->functions[i]);
	if (as_json) {
		json_close(&json, ']');
		json_finish(&json);
	}
}

int cli_plan(const struct args *args)
{
	const char *operand = args->operands[0];
	const char *name = strcmp(operand, "-") ? operand : "standard input";
	/* Half a megabyte: too much for the stack. */
	struct workflow *workflow = malloc(sizeof(*workflow));
	struct workflow_error error;
	char *text = NULL;
	size_t size = 0;
	int status;

	if (!workflow)
		return cli_fail("no memory for a workflow");
	status = workflow_file_read(operand, name, &text, &size);
	if (!status && workflow_plan(text, size, RM_WINDOW_SLOTS, workflow, &error))
		status = cli_fail("%s: line %u: %s", name, error.line, error.text);
	if (!status)
		print_plan(args->json, workflow);
	free(text);
	free(workflow);
	return status;
}
