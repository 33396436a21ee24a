/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check.c - rmmap check: words of a publication that look like pointers out of it
 *
 * The layers are mapped wherever there is room and not at their addresses, so nothing can be
 * in the way. One thread.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/say.h"
#include "../common/scan.h"
#include "cli.h"
#include "rmmap.h"

struct layers {                         /* as they came */
	const char **data;
	uint64_t *lengths;
	uint32_t count;
};

static int take_layer(void *arg, uint32_t index, int fd)
{
	struct layers *layers = arg;
	struct stat st;
	void *data = MAP_FAILED;
	int error;

	if (index % 1024 == 0) {
		size_t room = (size_t)index + 1024;
		void *more = realloc(layers->data, room * sizeof(*layers->data));

		layers->data = more ? more : layers->data;
		more = more ? realloc(layers->lengths, room * sizeof(*layers->lengths)) : NULL;
		layers->lengths = more ? more : layers->lengths;
		if (!more) {
			close(fd);
			return -ENOMEM;
		}
	}
	if (!fstat(fd, &st))
		data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
	error = data == MAP_FAILED ? -errno : 0;
	close(fd);
	if (error)
		return error;
	layers->data[index] = data;
	layers->lengths[index] = (uint64_t)st.st_size;
	layers->count = index + 1;
	return 0;
}

static void drop_layers(struct layers *layers)
{
	for (uint32_t i = 0; i < layers->count; i++)
		munmap((void *)(uintptr_t)layers->data[i], layers->lengths[i]);
	free(layers->data);
	free(layers->lengths);
}

static const void *segment_data(void *arg, const struct rm_segment *segment)
{
	const struct layers *layers = arg;

	return layers->data[segment->layer] + segment->offset;
}

/* Maps and checks it; the mapping stays until the process ends. */
static int open_table(int fd, uint64_t size, const struct layers *layers, struct rm_table *table)
{
	struct stat st;
	void *memory = MAP_FAILED;

	if (fd >= 0 && !fstat(fd, &st) && size && (uint64_t)st.st_size >= size)
		memory = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (memory == MAP_FAILED || rm_table_check(memory, size, table, NULL) ||
	    table->layer_count != layers->count)
		return cli_fail("rmmapd sent a snapshot that cannot be right");
	for (uint32_t i = 0; i < layers->count; i++)
		if (layers->lengths[i] < table->layers[i].length)
			return cli_fail("rmmapd sent a layer that is too short");
	return 0;
}

/* ---- what was found ---- */

/* Files of another host are other files. */
static void print_text(const struct rm_scan *scan, bool files)
{
	char text[RM_STRAY_TEXT_MAX];

	rm_scan_summary(scan, text, sizeof(text));
	printf("%s\n", text);
	for (unsigned i = 0; i < scan->firsts; i++) {
		rm_stray_describe(scan, &scan->first[i], files, text, sizeof(text));
		printf("%s\n", text);
	}
}

static void put_address(struct json *json, const char *key, uint64_t address)
{
	char text[32];

	snprintf(text, sizeof(text), "0x%" PRIx64, address);
	json_text(json, key, address ? text : NULL);
}

static void print_json(const struct rm_scan *scan, bool files)
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
		put_address(&json, "address", stray->addr);
		put_address(&json, "block", stray->block);
		json_number(&json, "offset", stray->block ? stray->addr - stray->block : 0);
		put_address(&json, "word", stray->word);
		rm_stray_target(scan, stray, files, text, sizeof(text));
		json_text(&json, "into", text);
		json_close(&json, '}');
	}
	json_close(&json, ']');
	json_finish(&json);
}

static int check(struct ask *ask, const char *handle, bool as_json)
{
	struct layers layers = { 0 };
	struct rm_wire_attach_reply answer;
	struct rm_table table;
	struct rm_scan scan;
	int fd = -1, status = 1;
	int error = ask_attach(ask, handle, &answer, &fd, take_layer, &layers);

	if (error) {
		cli_fail("%s", ask->why[0] ? ask->why : rm_errno_text(-error));
	} else if (!open_table(fd, answer.table_size, &layers, &table)) {
		bool files = answer.mode == RM_ATTACH_LOCAL;

		rm_scan(&scan, &table, segment_data, &layers);
		if (!table.places.count || table.places.cut)
			cli_warn("not all can be found: the publisher could not say what lay around "
			         "its heap");
		if (as_json)
			print_json(&scan, files);
		else
			print_text(&scan, files);
		ask_detach(ask, answer.attachment);
		status = scan.total ? 1 : 0;
	}
	if (fd >= 0)
		close(fd);
	drop_layers(&layers);
	return status;
}

/*
 * Attaching starts an rmmapd where there is none, and says why if it comes to nothing: a
 * publication of another host may well be the first thing that is asked for here.
 */
static int open_or_start(struct ask *ask, const char *handle, void **attached)
{
	struct rmmap_attach_options options = RMMAP_ATTACH_OPTIONS_INIT;
	int error = ask_open(ask);

	*attached = NULL;
	if (error != -ENOENT)
		return error ? cli_fail("%s", ask->why) : 0;
	options.flags = RMMAP_EAGER;
	*attached = rmmap_attach_with(handle, &options);
	if (!*attached)
		return cli_fail("%s", rmmap_error());
	return ask_open(ask) ? cli_fail("%s", ask->why) : 0;
}

int cli_check(const struct args *args)
{
	char handle[RM_HANDLE_TEXT_MAX];
	struct ask ask;
	void *attached;
	int status;

	if (cli_handle(args->operands[0], false, handle))
		return 1;
	status = open_or_start(&ask, handle, &attached);
	if (!status) {
		status = check(&ask, handle, args->json);
		ask_close(&ask);
	}
	if (attached)
		rmmap_detach(attached);
	explicit_bzero(handle, sizeof(handle));
	return status;
}
