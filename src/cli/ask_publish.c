/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ask_publish.c - publishes memory files that this program made; starts rmmapd
 *
 * Only the library can start rmmapd, so it is given a reason to.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <unistd.h>

#include "../common/handle.h"
#include "../common/options.h"
#include "../common/rundir.h"
#include "../common/say.h"
#include "cli.h"
#include "rmmap.h"

/*
 * The library starts an rmmapd when it has a request for it. This request has no effect: the
 * handle is of no publication.
 */
static void daemon_start(void)
{
	struct rm_handle nobodys = { .layout = rm_layout_here() };
	char text[RM_HANDLE_TEXT_MAX];

	if (!rm_handle_encode(&nobodys, text, sizeof(text)))
		/*
		 * It fails in any case. If rmmapd could not be started, rmmap_error() says why.
		 */
		rmmap_unpublish(text);
}

int ask_open_or_start(struct ask *ask)
{
	int error = ask_open(ask);

	if (error != -ENOENT)
		return error;
	daemon_start();
	error = ask_open(ask);
	if (error == -ENOENT) {
		const char *why = strstr(rmmap_error(), ": ");  /* without the function's name */

		rm_format(ask->why, sizeof(ask->why), "%s", why ? why + 2 : rmmap_error());
	}
	return error;
}

/*
 * Claim the slot of the publication, so that no process takes it for its heap. Returns the
 * descriptor with the lock; or -1 if another process has the claim, which is not an error: the
 * addresses that it uses may be others.
 */
static int slot_claim(const struct rm_options *options, unsigned slot)
{
	struct flock range = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = slot, .l_len = 1,
	};
	char path[RM_RUNDIR_MAX], name[RM_RUNDIR_MAX + sizeof("/" RM_SLOTS_NAME)], why[RM_TEXT_MAX];
	int fd;

	if (rm_rundir_find(options, false, path, why, sizeof(why)))
		return -1;
	snprintf(name, sizeof(name), "%s/" RM_SLOTS_NAME, path);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	/*
	 * A lock of the open file, which rmmapd gets a duplicate of: so it outlives this process,
	 * and ends with the publication.
	 */
	if (fd >= 0 && fcntl(fd, F_OFD_SETLK, &range)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Fill in RM_PUBLISH but for its head and the slot lock. */
static int publish_fill(struct rm_wire_publish *m, const struct rm_options *options,
                        const struct ask_publication *p, char *why, size_t why_size)
{
	if (options->fabric && strlen(options->fabric) >= sizeof(m->fabric)) {
		rm_format(why, why_size, "RMMAP_FABRIC is too long");
		return -EINVAL;
	}
	/*
	 * Chosen here and not by rmmapd: the request may be sent again after RM_RESTARTED, and
	 * must make nothing twice.
	 */
	if (getrandom(m->id, sizeof(m->id), 0) != sizeof(m->id) ||
	    getrandom(m->secret, sizeof(m->secret), 0) != sizeof(m->secret)) {
		rm_format(why, why_size, "getrandom: %m");
		return -EIO;
	}
	m->terms = rm_terms_or(p->terms, options->terms);
	m->layer_count = p->layer_count;
	/* known_layers stays 0: all layers are handed in. */
	m->slot = rm_slot_of(p->root);
	m->table_size = p->table_size;
	rm_format(m->fabric, sizeof(m->fabric), "%s", options->fabric ? options->fabric : "");
	return 0;
}

int ask_publish(struct ask *ask, const struct ask_publication *publication,
                char handle[RM_HANDLE_TEXT_MAX])
{
	struct rm_wire_publish m = { .head.type = RM_PUBLISH };
	const struct rm_wire_reply *reply = (void *)ask->reply;
	struct ask_request request = {
		.message = &m, .size = sizeof(m), .fd_count = 1,
		.layers = publication->layer_fds, .layer_count = publication->layer_count,
	};
	struct rm_options options;
	int error, fd = -1;

	rm_options_read(&options, environ, getauxval(AT_SECURE) != 0, NULL, NULL);
	error = publish_fill(&m, &options, publication, ask->why, sizeof(ask->why));
	if (error)
		return error;
	request.fds[0] = publication->table_fd;
	request.fds[1] = slot_claim(&options, m.slot);
	m.has_slot_lock = request.fds[1] >= 0;
	request.fd_count += m.has_slot_lock;
	error = ask_exchange(ask, &request, RM_REPLY, &fd);
	explicit_bzero(&m, sizeof(m));
	if (fd >= 0)
		close(fd);
	/* rmmapd has its own by now, or refused. */
	if (request.fds[1] >= 0)
		close(request.fds[1]);
	if (!error && reply->error) {
		error = -reply->error;
		rm_format(ask->why, sizeof(ask->why), "%s", reply->text);
	}
	if (!error)
		rm_format(handle, RM_HANDLE_TEXT_MAX, "%s", reply->text);
	return error;
}
