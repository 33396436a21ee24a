/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * info.c - rmmap info: what this host offers, and a remedy for what it lacks
 *
 * Each fact is found by one function. The command starts no rmmapd and changes nothing, but for a
 * test file that it creates in the run directory and removes.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../common/cgroup.h"
#include "../common/memlock.h"
#include "../common/options.h"
#include "../common/rundir.h"
#include "../common/say.h"
#include "cli.h"
#include "rmmap.h"

/* For kernel headers that are older than the running kernel. */
#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif
#ifndef UFFD_FEATURE_MINOR_SHMEM
#define UFFD_FEATURE_MINOR_SHMEM (1 << 10)
#endif

enum verdict {
	FACT_OK,
	FACT_SHORT,                     /* something is missing; there is a remedy */
	FACT_NONE,                      /* not in use at present, which is no fault */
};

struct fact {
	enum verdict verdict;
	char found[RM_TEXT_MAX];        /* the state, in words */
	char remedy[RM_TEXT_MAX];       /* "" if none is needed */
};

/* Set the remedy; the verdict is then FACT_SHORT. */
static void fact_remedy(struct fact *fact, const char *text)
{
	fact->verdict = FACT_SHORT;
	rm_format(fact->remedy, sizeof(fact->remedy), "%s", text);
}

static void fact_found(struct fact *fact, const char *text)
{
	rm_format(fact->found, sizeof(fact->found), "%s", text);
}

/* ---- userfaultfd ---- */

/*
 * Open a userfaultfd that also serves faults inside system calls. Returns it or -errno. *way says
 * which permission allowed it.
 */
static int uffd_open(const char **way)
{
	char allowed = 0;
	int device, sysctl, uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (uffd >= 0) {
		sysctl = open("/proc/sys/vm/unprivileged_userfaultfd", O_RDONLY | O_CLOEXEC);
		if (sysctl >= 0) {
			if (read(sysctl, &allowed, 1) != 1)
				allowed = 0;
			close(sysctl);
		}
		*way = allowed == '1' ? "allowed to all by vm.unprivileged_userfaultfd" :
		       "by CAP_SYS_PTRACE";
		return uffd;
	}
	uffd = -errno;
	device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	if (device < 0)
		return uffd;
	uffd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
	if (uffd < 0)
		uffd = -errno;
	close(device);
	*way = "by /dev/userfaultfd";
	return uffd;
}

/* Whether pages of another host can be fetched when they are touched. */
static void fact_userfaultfd(struct fact *fact)
{
	struct uffdio_api api = { .api = UFFD_API,
		.features = UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MINOR_SHMEM };
	const char *way = "";
	int uffd = uffd_open(&way);

	if (uffd == -ENOSYS) {
		fact_found(fact, "this kernel has none: remote publications are fetched whole "
		           "at attach");
		fact_remedy(fact, "boot a kernel with CONFIG_USERFAULTFD, 5.14 or newer");
	} else if (uffd < 0) {
		rm_format(fact->found, sizeof(fact->found), "not allowed (%s): remote publications "
		          "are fetched whole at attach", rm_errno_text(-uffd));
		fact_remedy(fact, "as root 'sysctl vm.unprivileged_userfaultfd=1', or 'setfacl -m "
		            "u:USER:rw /dev/userfaultfd' (Linux 6.1), or run with CAP_SYS_PTRACE; in "
		            "a container its seccomp profile has to allow userfaultfd too");
	} else if (ioctl(uffd, UFFDIO_API, &api)) {
		fact_found(fact, "this kernel's cannot serve minor faults of shared memory: remote "
		           "publications are fetched whole at attach");
		fact_remedy(fact, "boot Linux 5.14 or newer");
	} else {
		rm_format(fact->found, sizeof(fact->found), "%s: remote pages can be fetched when "
		          "they are touched", way);
	}
	if (uffd >= 0)
		close(uffd);
}

/* ---- memlock ---- */

/* How much memory an RDMA device may pin. Only RDMA needs more than the usual limit. */
static void fact_memlock(struct fact *fact)
{
	uint64_t limit = rm_memlock_limit();

	if (limit == UINT64_MAX) {
		fact_found(fact, "unlimited");
		return;
	}
	rm_format(fact->found, sizeof(fact->found), "%llu KiB: tcp needs none, RDMA devices need as "
	          "much as is published or fetched", (unsigned long long)(limit >> 10));
	if (limit < (uint64_t)1 << 30)
		fact_remedy(fact, "only for RDMA devices: 'ulimit -l unlimited', memlock in "
		            "/etc/security/limits.conf, LimitMEMLOCK=infinity in a unit");
}

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

/* As text, or into json if it is not NULL. */
static void print_fact(struct json *json, const char *key, const char *title,
                       const struct fact *fact)
{
	static const char *const verdicts[] = { "ok", "short", "-" };

	if (json) {
		json_object(json, key);
		json_bool(json, "ok", fact->verdict != FACT_SHORT);
		json_text(json, "found", fact->found);
		json_text(json, "remedy", fact->remedy[0] ? fact->remedy : NULL);
		json_close(json, '}');
		return;
	}
	printf("%-14s %-6s %s\n", title, verdicts[fact->verdict], fact->found);
	if (fact->remedy[0])
		printf("%-21s remedy: %s\n", "", fact->remedy);
}

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
	            rmmapd = { 0 }, memory = { 0 }, fabric = { 0 };
	struct json out, *json = args->json ? &out : NULL;
	struct rm_daemon_info *info;
	struct rm_options options;
	struct ask ask;

	fact_environment(&environment, &options);
	fact_userfaultfd(&uffd);
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
	print_fact(json, "environment", "environment", &environment);
	print_fact(json, "userfaultfd", "userfaultfd", &uffd);
	print_fact(json, "memlock", "memlock", &memlock);
	print_fact(json, "run_directory", "run directory", &rundir);
	print_fact(json, "rmmapd", "rmmapd", &rmmapd);
	print_fact(json, "memory", "memory", &memory);
	if (json && info)
		json_daemon(json, info);
	else if (json)
		json_text(json, "daemon", NULL);
	print_fact(json, "fabric", "fabric", &fabric);
	rdma_print(json);
	if (json)
		json_finish(json);
	free(info);
	return 0;
}
