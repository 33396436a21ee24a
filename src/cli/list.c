/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * list.c - rmmap list, stat and unpublish: the publications of this host's rmmapd
 *
 * Without an rmmapd, rmmap list prints nothing and succeeds.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* The word for the state of a publication. */
static const char *info_state(const struct rm_pub_info *info)
{
	/*
	 * Another host's may be lost, which the record calls unpublished, too: it stays "remote".
	 */
	return info->remote ? "remote" : info->unpublished ? "unpublished" : "published";
}

/* The rest of the lease, or "-" while none runs. */
static void info_lease(const struct rm_pub_info *info, char *text, size_t size)
{
	if (info->expires_ms == UINT64_MAX)
		snprintf(text, size, "-");
	else
		snprintf(text, size, "%" PRIu64 " s", info->expires_ms / 1000);
}

/* The number of attaches so far, with the number that is allowed if there is a limit. */
static void info_readers(const struct rm_pub_info *info, char *text, size_t size)
{
	if (info->readers)
		snprintf(text, size, "%" PRIu32 "/%" PRIu32, info->admitted, info->readers);
	else
		snprintf(text, size, "%" PRIu32, info->admitted);
}

/* All fields, into an object that the caller has opened. */
static void info_json(struct json *json, const struct rm_pub_info *info)
{
	json_text(json, "id", info->id);
	json_text(json, "state", info_state(info));
	json_number(json, "bytes", info->bytes);
	json_number(json, "data_bytes", info->data_bytes);
	json_number(json, "layers", info->layers);
	json_number(json, "segments", info->segments);
	json_number(json, "attached", info->attached);
	json_number(json, "remote_attached", info->remote_attached);
	json_number(json, "admitted", info->admitted);
	json_number(json, "readers", info->readers);
	json_number(json, "age_ms", info->age_ms);
	if (info->expires_ms == UINT64_MAX)
		json_text(json, "expires_ms", NULL);
	else
		json_number(json, "expires_ms", info->expires_ms);
	json_number(json, "publisher_pid", info->publisher_pid);
	json_number(json, "slot", info->slot);
	json_number(json, "served_bytes", info->served_bytes);
	json_number(json, "relayed_bytes", info->relayed_bytes);
	json_counters(json, "fetched", &info->counters);
}

/* Nothing at all without publications, so that a script can test for an empty output. */
static void infos_print(const struct rm_pub_info *infos, int count)
{
	char expires[32], admitted[32];

	if (count)
		printf("%-9s %-11s %12s %6s %8s %8s %7s %8s %8s\n", "ID", "STATE", "DATA BYTES",
		       "LAYERS", "ATTACHED", "REMOTE", "READERS", "AGE", "EXPIRES");
	for (int i = 0; i < count; i++) {
		info_lease(&infos[i], expires, sizeof(expires));
		info_readers(&infos[i], admitted, sizeof(admitted));
		printf("%-9s %-11s %12" PRIu64 " %6" PRIu32 " %8" PRIu32 " %8" PRIu32 " %7s "
		       "%6" PRIu64 " s %8s\n", infos[i].id, info_state(&infos[i]),
		       infos[i].data_bytes, infos[i].layers, infos[i].attached,
		       infos[i].remote_attached, admitted, infos[i].age_ms / 1000, expires);
	}
}

int cli_list(const struct args *args)
{
	struct rm_pub_info *infos = NULL;
	struct ask ask;
	struct json json;
	int count = ask_open(&ask);

	if (!count) {
		count = ask_records(&ask, RM_LIST, NULL, sizeof(*infos), (void **)&infos);
		ask_close(&ask);
	} else if (count == -ENOENT) {
		count = 0;              /* without an rmmapd there are no publications */
	}
	if (count < 0)
		return cli_fail("%s", ask.why);
	if (args->json) {
		json_start(&json, stdout);
		json_array(&json, "publications");
		for (int i = 0; i < count; i++) {
			json_object(&json, NULL);
			info_json(&json, &infos[i]);
			json_close(&json, '}');
		}
		json_close(&json, ']');
		json_finish(&json);
	} else {
		infos_print(infos, count);
	}
	free(infos);
	return 0;
}

static void info_print(const struct rm_pub_info *info)
{
	const struct rm_counters *c = &info->counters;
	char expires[32];

	info_lease(info, expires, sizeof(expires));
	printf("id               %s\n", info->id);
	printf("state            %s\n", info_state(info));
	printf("addresses        %" PRIu64 " bytes in %" PRIu32 " segments, %" PRIu32 " layers\n",
	       info->bytes, info->segments, info->layers);
	printf("data             %" PRIu64 " bytes\n", info->data_bytes);
	printf("attached         %" PRIu32 " processes here, %" PRIu32 " other hosts\n",
	       info->attached, info->remote_attached);
	printf("age, expires in  %" PRIu64 " s, %s\n", info->age_ms / 1000, expires);
	if (!info->remote) {
		printf("readers          %" PRIu32 " so far, ", info->admitted);
		if (info->readers)
			printf("%" PRIu32 " allowed\n", info->readers);
		else
			printf("any number allowed\n");
		printf("publisher        pid %" PRIu32 ", slot %" PRIu32 "\n", info->publisher_pid,
		       info->slot);
		printf("served           %" PRIu64 " bytes to other hosts\n", info->served_bytes);
		return;
	}
	printf("provider         %s\n", c->provider[0] ? c->provider : "none yet");
	printf("fetched          %" PRIu64 " bytes, %" PRIu64 " pages, by %" PRIu64
	       " fi_read calls\n", c->fetched_bytes, c->fetched_pages, c->reads);
	printf("by other readers %" PRIu64 " bytes of that, %" PRIu64 " passed on to such\n",
	       info->relayed_bytes, info->served_bytes);
	printf("prefetched       %" PRIu64 " pages, %" PRIu64 " of them used\n",
	       rm_ahead_sum(c).pages, rm_ahead_sum(c).used);
	printf("faults           %" PRIu64, c->faults);
	if (c->faults)
		printf(", %" PRIu64 " us each", c->fault_ns / c->faults / 1000);
	printf("\n");
}

int cli_stat(const struct args *args)
{
	char name[RM_HANDLE_TEXT_MAX];
	struct rm_pub_info *info = NULL;
	struct ask ask;
	struct json json;
	int count;

	if (cli_handle(args->operands[0], true, name))
		return 1;
	count = ask_open(&ask);
	if (!count) {
		count = ask_records(&ask, RM_STAT, name, sizeof(*info), (void **)&info);
		ask_close(&ask);
	}
	/* It may be a handle. */
	explicit_bzero(name, sizeof(name));
	if (count < 0)
		return cli_no_such(args->operands[0], ask.why);
	if (count == 0)
		return cli_no_such(args->operands[0], "rmmapd has no such publication");
	if (args->json) {
		json_start(&json, stdout);
		info_json(&json, info);
		json_finish(&json);
	} else {
		info_print(info);
	}
	free(info);
	return 0;
}

int cli_unpublish(const struct args *args)
{
	char name[RM_HANDLE_TEXT_MAX];
	struct ask ask;
	int error;

	if (cli_handle(args->operands[0], true, name))
		return 1;
	error = ask_open(&ask);
	if (!error) {
		error = ask_unpublish(&ask, name, args->revoke);
		ask_close(&ask);
	}
	explicit_bzero(name, sizeof(name));
	return error ? cli_no_such(args->operands[0], ask.why) : 0;
}
