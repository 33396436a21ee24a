/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * health.c - the answers to liveness and readiness probes
 *
 * libmicrohttpd's thread only.
 */
#include "function.h"

#include <string.h>
#include <unistd.h>

#include "../common/options.h"
#include "../common/rundir.h"
#include "text.h"

/* True if rmmapd runs, or the library may start it (RMMAP_DAEMON is not off). */
static bool daemon_is_there(void)
{
	struct rm_options options;
	char path[RM_RUNDIR_MAX], why[256];
	int fd;

	rm_options_read(&options, environ, false, NULL, NULL);
	if (!options.daemon || strcmp(options.daemon, "off"))
		return true;
	if (rm_rundir_find(&options, false, path, why, sizeof(why)))
		return false;
	fd = rm_rundir_connect(path);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

int health_status(const char *url, struct reason *reason)
{
	bool live = !strcmp(url, "/healthz") || !strcmp(url, "/livez") ||
	            !strcmp(url, "/health/liveness");
	bool ready = !strcmp(url, "/readyz") || !strcmp(url, "/health/readiness");

	if (!live && !ready)
		return refuse(reason, 405, "events come by POST; /healthz and /readyz by GET");
	if (live && work_is_stuck())
		return refuse(reason, 503, "a handler does not return");
	if (ready && http_draining)
		return refuse(reason, 503, "the function is ending");
	if (ready && !daemon_is_there())
		return refuse(reason, 503, "rmmapd does not run in the run directory");
	return refuse(reason, 200, "ok");
}
