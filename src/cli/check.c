/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check.c - rmmap check: lists words of a publication that look like pointers out of it
 *
 * The search itself is in src/common/scan.c. The exit status is 1 if there are such words.
 */
#include <inttypes.h>
#include <string.h>

#include "../common/scan.h"
#include "cli.h"
#include "snapshot.h"

/* ---- printing ---- */

/*
 * files: the names of sections may be read from the files. Only for a publisher on this host, since
 * a file of another host may differ from the one of the same name here.
 */
static void strays_print(const struct rm_scan *scan, bool files)
{
	char text[RM_STRAY_TEXT_MAX];

	rm_scan_summary(scan, text, sizeof(text));
	printf("%s\n", text);
	for (unsigned i = 0; i < scan->firsts; i++) {
		rm_stray_describe(scan, &scan->first[i], files, text, sizeof(text));
		printf("%s\n", text);
	}
}

/* An address as text in hexadecimal, since JSON numbers lose bits above 2^53; null for 0. */
static void json_address(struct json *json, const char *key, uint64_t address)
{
	char text[32];

	snprintf(text, sizeof(text), "0x%" PRIx64, address);
	json_text(json, key, address ? text : NULL);
}

static void strays_print_json(const struct rm_scan *scan, bool files)
{
	char text[RM_STRAY_TEXT_MAX];
	struct json json;

	json_start(&json, stdout);
	json_number(&json, "words", scan->total);
	for (int i = 0; i < RM_STRAY_KINDS; i++)
		json_number(&json, rm_stray_keys[i], scan->found[i]);
	json_number(&json, "checked_bytes", scan->bytes);
	json_bool(&json, "places_known", scan->table->places.count && !scan->table->places.cut);
	json_array(&json, "first");
	for (unsigned i = 0; i < scan->firsts; i++) {
		const struct rm_stray *stray = &scan->first[i];

		json_object(&json, NULL);
		json_address(&json, "address", stray->addr);
		json_address(&json, "block", stray->block);
		json_number(&json, "offset", stray->block ? stray->addr - stray->block : 0);
		json_address(&json, "word", stray->word);
		rm_stray_target(scan, stray, files, text, sizeof(text));
		json_text(&json, "into", text);
		json_close(&json, '}');
	}
	json_close(&json, ']');
	json_finish(&json);
}

/* Search and print. Returns the exit status: 1 if there are strays. */
static int snapshot_check(const struct snapshot *snapshot, bool as_json)
{
	/*
	 * Published on this host: so the files are those that the publisher had mapped, unless
	 * somebody replaced them.
	 */
	bool files = snapshot->answer.mode == RM_ATTACH_LOCAL;
	struct rm_scan scan;

	/* The cast only drops const: snapshot_data() changes nothing. */
	rm_scan(&scan, &snapshot->table, snapshot_data, (void *)(uintptr_t)snapshot);
	if (!snapshot->table.places.count || snapshot->table.places.cut)
		cli_warn("not all can be found: the publisher could not say what lay around its heap");
	if (as_json)
		strays_print_json(&scan, files);
	else
		strays_print(&scan, files);
	return scan.total ? 1 : 0;
}

int cli_check(const struct args *args)
{
	char handle[RM_HANDLE_TEXT_MAX];
	struct snapshot snapshot;
	int status;

	if (cli_handle(args->operands[0], false, handle))
		return 1;
	status = snapshot_open(&snapshot, handle);
	explicit_bzero(handle, sizeof(handle));
	if (!status) {
		status = snapshot_check(&snapshot, args->json);
		snapshot_close(&snapshot);
	}
	return status;
}
