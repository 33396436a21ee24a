/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * info.c - rmmap info: what this host offers, and a remedy for what it lacks
 *
 * Each fact is found by one function. The command starts no rmmapd and changes nothing, but for a
 * test file that it creates in the run directory and removes.
 */
#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "../common/cgroup.h"
#include "../common/options.h"
#include "../common/rundir.h"
#include "../common/say.h"
#include "cli.h"
#include "fact.h"
#include "rmmap.h"

/* ---- run directory, environment ---- */

/* The run directory, and whether it takes a file. */
static void fact_rundir(struct fact *fact, const struct rm_options *options)
{
	char path[RM_RUNDIR_MAX], why[RM_TEXT_MAX];
	int error = rm_rundir_find(options, false, path, why, sizeof(why));

	if (error == -ENOENT) {
		fact->verdict = FACT_NONE;
		fact_found(fact, "not there yet: the first publish or attach makes it");
		return;
	}
	/*
	 * The mode may allow it, and the file system may be full or read-only: only trying tells.
	 */
	if (!error) {
		error = rm_rundir_probe(path);
		rm_format(why, sizeof(why), "%s takes no file: %s", path, rm_errno_text(-error));
	}
	if (error) {
		fact_found(fact, why);
		fact_remedy(fact, "mend that directory, or name another one in RMMAP_RUNDIR");
	} else {
		fact_found(fact, path);
	}
}

/* For rm_options_read(): a variable has a value that cannot be used. The last one is shown. */
static void environment_problem(void *arg, const char *name, const char *value, const char *wanted)
{
	struct fact *fact = arg;

	(void)value;
	rm_format(fact->found, sizeof(fact->found), "%s has a value that cannot be used", name);
	rm_format(fact->remedy, sizeof(fact->remedy), "set it to %s, or unset it", wanted);
	fact->verdict = FACT_SHORT;
}

/* Read the environment into options; report unknown variables and wrong values. */
static void fact_environment(struct fact *fact, struct rm_options *options)
{
	bool secure = getauxval(AT_SECURE) != 0;
	char unknown[RM_TEXT_MAX - 64];
	struct rm_fabric_spec spec;
	unsigned count = rm_options_unknown(environ, secure, unknown, sizeof(unknown));

	fact_found(fact, "every RMMAP_ variable that is set can be used");
	if (count) {
		rm_format(fact->found, sizeof(fact->found), "set, but no variable%s of rmmap: %s",
		          count > 1 ? "s" : "", unknown);
		fact_remedy(fact, "correct the name, or unset it; rmmap(7) lists the variables "
		            "that there are");
	}
	/*
	 * After the names, so that a wrong value, which matters more, replaces what was found
	 * there.
	 */
	rm_options_read(options, environ, secure, environment_problem, fact);
	if (rm_fabric_spec_parse(options->fabric, &spec))
		environment_problem(fact, "RMMAP_FABRIC", "", RM_FABRIC_WANTED);
}

/* ---- rmmapd and the fabric ---- */

/* Ask the rmmapd, if one runs. *info, which the caller frees, is NULL if none answered. */
static void fact_rmmapd(struct fact *fact, struct ask *ask, struct rm_daemon_info **info)
{
	int count = ask_open(ask);

	*info = NULL;
	if (!count) {
		count = ask_records(ask, RM_INFO, NULL, sizeof(**info), (void **)info);
		ask_close(ask);
	}
	if (count > 0) {
		rm_format(fact->found, sizeof(fact->found), "keeper %u, worker %u; %u publications, "
		          "%u attachments", (*info)->keeper_pid, (*info)->worker_pid,
		          (*info)->publications, (*info)->attachments);
	} else if (count == -ENOENT) {
		fact->verdict = FACT_NONE;
		fact_found(fact, "not running: the first publish or attach starts it");
	} else {
		fact_found(fact, count ? ask->why : "it has nothing to say of itself");
		fact_remedy(fact, "end it (its pid is in ps) and let the next publish or attach "
		            "start it anew");
	}
}

/* What a running rmmapd holds, and the limits of that. */
static void fact_memory(struct fact *fact, const struct rm_daemon_info *info,
                        const struct rm_options *options)
{
	char limit[40] = "none", cgroup[120] = "its cgroup has no limit";
	/* The rmmapd that runs has the limit of the environment in which it was started. */
	uint64_t bytes = info ? info->limit_bytes : options->limit;

	if (bytes)
		rm_format(limit, sizeof(limit), "%llu", (unsigned long long)bytes);
	if (!info) {
		fact->verdict = FACT_NONE;
		rm_format(fact->found, sizeof(fact->found), "nothing is held; RMMAP_LIMIT %s", limit);
		return;
	}
	if (info->cgroup_limit != RM_CGROUP_NONE)
		rm_format(cgroup, sizeof(cgroup), "its cgroup has %llu bytes of %llu",
		          (unsigned long long)info->cgroup_bytes,
		          (unsigned long long)info->cgroup_limit);
	rm_format(fact->found, sizeof(fact->found), "%llu bytes held, of these %llu fetched from "
	          "other hosts; RMMAP_LIMIT %s; %s", (unsigned long long)info->held_bytes,
	          (unsigned long long)info->cache_bytes, limit, cgroup);
}

/* The version of the libfabric that rmmapd would load; 0 if it cannot be loaded. */
static uint32_t libfabric_version(void)
{
	/* By name, since rmmap is not linked with it. It stays loaded: the program ends soon. */
	void *library = dlopen("libfabric.so.1", RTLD_NOW | RTLD_LOCAL);
	uint32_t (*version)(void);

	if (!library)
		return 0;
	*(void **)&version = dlsym(library, "fi_version");
	return version ? version() : 0;
}

/* The most certain knowledge comes first: what a running rmmapd says, then RMMAP_FABRIC. */
static void fact_fabric(struct fact *fact, const struct rm_daemon_info *info,
                        const struct rm_options *options)
{
	uint32_t version = libfabric_version();
	struct rm_fabric_spec spec;

	if (info && info->fabric_open) {
		rm_format(fact->found, sizeof(fact->found), "listening on %s, provider %s",
		          info->address, info->provider);
	} else if (!rm_fabric_spec_parse(options->fabric, &spec) && spec.off) {
		fact->verdict = FACT_NONE;
		fact_found(fact, "off, by RMMAP_FABRIC: nothing leaves this host");
	} else if (info && info->fabric_why[0]) {
		fact_found(fact, info->fabric_why);
		fact_remedy(fact, "name provider and address in RMMAP_FABRIC, such as "
		            "tcp@ADDRESS:PORT");
	} else if (!version) {
		fact_found(fact, "libfabric.so.1 cannot be loaded");
		fact_remedy(fact, "install libfabric 1.17 or newer (Debian: libfabric1)");
	} else {
		fact->verdict = FACT_NONE;
		rm_format(fact->found, sizeof(fact->found), "no port is open yet: the first publish or "
		          "remote attach opens one (libfabric %u.%u, RMMAP_FABRIC=%s)", version >> 16,
		          version & 0xffff, options->fabric ? options->fabric : "unset");
	}
}

/* ---- printing ---- */

static void json_daemon(struct json *json, const struct rm_daemon_info *info)
{
	json_object(json, "daemon");
	json_number(json, "keeper_pid", info->keeper_pid);
	json_number(json, "worker_pid", info->worker_pid);
	json_number(json, "worker_restarts", info->worker_restarts);
	json_number(json, "publications", info->publications);
	json_number(json, "attachments", info->attachments);
	json_number(json, "clients", info->clients);
	json_number(json, "held_bytes", info->held_bytes);
	json_number(json, "limit_bytes", info->limit_bytes);
	json_number(json, "cache_bytes", info->cache_bytes);
	json_number(json, "cache_huge_bytes", info->cache_huge_bytes);
	json_number(json, "cache_huge_refused", info->cache_huge_refused);
	json_number(json, "cgroup_bytes", info->cgroup_bytes);
	if (info->cgroup_limit != RM_CGROUP_NONE)
		json_number(json, "cgroup_limit", info->cgroup_limit);
	else
		json_text(json, "cgroup_limit", NULL);
	json_number(json, "uptime_ms", info->uptime_ms);
	json_bool(json, "listening", info->fabric_open);
	json_text(json, "address", info->fabric_open ? info->address : NULL);
	json_counters(json, "fetched", &info->counters);
	json_close(json, '}');
}

int cli_info(const struct args *args)
{
	struct fact environment = { 0 }, uffd = { 0 }, memlock = { 0 }, rundir = { 0 },
	            rmmapd = { 0 }, memory = { 0 }, fabric = { 0 }, huge = { 0 };
	struct json out, *json = args->json ? &out : NULL;
	struct rm_daemon_info *info;
	struct rm_options options;
	struct ask ask;

	/*
	 * First, since it reads the options for the others. What rmmapd says of itself comes
	 * before memory and fabric, which depend on it.
	 */
	fact_environment(&environment, &options);
	fact_userfaultfd(&uffd);
	fact_huge_pages(&huge, &options);
	fact_memlock(&memlock);
	fact_rundir(&rundir, &options);
	fact_rmmapd(&rmmapd, &ask, &info);
	fact_memory(&memory, info, &options);
	fact_fabric(&fabric, info, &options);

	if (json) {
		json_start(json, stdout);
		json_text(json, "version", rmmap_version());
	} else {
		printf("rmmap          %s\n", rmmap_version());
	}
	fact_print(json, "environment", "environment", &environment);
	fact_print(json, "userfaultfd", "userfaultfd", &uffd);
	fact_print(json, "huge_pages", "huge pages", &huge);
	fact_print(json, "memlock", "memlock", &memlock);
	fact_print(json, "run_directory", "run directory", &rundir);
	fact_print(json, "rmmapd", "rmmapd", &rmmapd);
	fact_print(json, "memory", "memory", &memory);
	if (json && info)
		json_daemon(json, info);
	else if (json)
		json_text(json, "daemon", NULL);
	fact_print(json, "fabric", "fabric", &fabric);
	rdma_print(json);
	if (json)
		json_finish(json);
	free(info);
	return 0;
}
