/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * start.c - set up the standard descriptors, and start without a run directory (--private)
 *
 * Keeper only, before the first worker. Allocates nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../base/log.h"
#include "../../common/say.h"
#include "../../common/standard.h"
#include "keep.h"

/* ---- the standard descriptors ---- */

void start_quiet(struct rmmapd *rmmapd)
{
	int null = rm_standard_open("/dev/null", O_RDWR);

	if (null < 0)
		return;
	dup2(null, STDOUT_FILENO);
	if (!rmmapd->options.log)
		dup2(null, STDERR_FILENO);
	close(null);
}

int start_output(struct rmmapd *rmmapd)
{
	int null = rm_standard_open("/dev/null", O_RDWR), log;

	if (null < 0)
		return -errno;
	dup2(null, STDIN_FILENO);
	close(null);
	/* The library has made standard error the pipe to itself, the starter. */
	if (rmmapd->inherited) {
		if (log_starter(STDERR_FILENO) < 0)
			return log_failed("no descriptor is left: %m; raise the limit (ulimit -n)");
		start_quiet(rmmapd);
		umask(077);     /* not the program's: the log is to be read */
	}
	if (!rmmapd->options.log)
		return 0;
	log = open(rmmapd->options.log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (log < 0)
		return log_failed("cannot open the log %s: %m; give --log (or RMMAP_LOG) a file "
		                  "that you may write", rmmapd->options.log);
	dup2(log, STDERR_FILENO);
	close(log);
	return 0;
}

/*
 * Check the socket, and choose a random id of this host. There is no run directory and no file. The
 * current directory becomes /, so that no file system is kept in use.
 */
int start_private(struct rmmapd *rmmapd)
{
	int type = 0, flags = fcntl(rmmapd->served, F_GETFL);
	socklen_t size = sizeof(type);

	if (getsockopt(rmmapd->served, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
	    type != SOCK_SEQPACKET || fcntl(rmmapd->served, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(rmmapd->served, F_SETFD, FD_CLOEXEC) < 0)
		return log_failed("--private %d: this descriptor is not the library's socket; set "
		                  "RMMAP_DAEMON=private for the program instead", rmmapd->served);
	if (getrandom(rmmapd->host, RM_ID_BYTES, 0) != RM_ID_BYTES || chdir("/") < 0)
		return log_failed("no id for this rmmapd: %m");
	return 0;
}
