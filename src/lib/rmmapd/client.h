/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.h - this host's rmmapd: starting it, and asking it
 *
 * One connection for the process, with a lock of its own. Any thread.
 */
#ifndef RM_LIB_CLIENT_H
#define RM_LIB_CLIENT_H

#include "../base/base.h"

#pragma GCC visibility push(hidden)

/* ---- client.c: the connection to this host's rmmapd; start.c: starting it ---- */
/*
 * One request and its reply, with descriptors, under the connection's lock. Connects,
 * starts rmmapd where needed, sends again after RM_RESTARTED or a lost connection. 0 or
 * -errno with why in words (size RM_TEXT_MAX). The reply's error is the caller's to read.
 */
struct exchange {
	void *request;                  /* its head but for the type is set by client_call */
	size_t request_size;
	const int *fds;
	unsigned fd_count;
	const int *layers;              /* RM_PUBLISH: sent after it in RM_LAYERS */
	uint32_t layer_count;
	void *reply;                    /* RM_WIRE_MAX bytes */
	int reply_type;                 /* expected */
	int reply_fd;                   /* out: its descriptor, or -1 */
	unsigned sendings;              /* out: how often the request went out whole */
	int *layer_fds;                 /* out: RM_ATTACH: mmap'd array of layer_fd_count */
	uint32_t layer_fd_count;
	bool only_if_connected;         /* do not connect or start anything: -ENOTCONN */
	uint64_t timeout_ns;            /* silence that is too long; 0: 10 s */
	/*
	 * Which rmmapd: what it numbers (attachments) means nothing to the next one.
	 * In: 0 is any, else -ESTALE without sending if it is another by now.
	 * Out: the one that answered.
	 */
	unsigned era;
	char why[RM_TEXT_MAX];
};
int client_call(struct exchange *exchange);
/*
 * An exchange and its reply in own_pages(): a thread's stack may be small. NULL: no memory.
 * What is given back is cleared.
 */
struct call {
	struct exchange x;
	_Alignas(8) char message[RM_WIRE_MAX];
};
struct call *call_new(void *request, size_t size, int reply_type);
void call_free(struct call *call);
void client_child(void);        /* the parent's connection is not ours; gives the lock back */
void client_inner_child(void);  /* the same for a child of fork.c's inner fork; no lock */
void client_lock(void);         /* around fork */
void client_unlock(void);
/*
 * start.c: a connected descriptor, after starting rmmapd if there was none; or -errno. words is
 * -1, or one more descriptor: rmmapd was started, and the answer to the first request says
 * that it serves. If the connection ends before that, daemon_last_words() says why. True: so
 * said rmmapd, and another start would end like this; false: it was killed, or has served.
 */
int daemon_start(const char *rundir, int *words, char *why, size_t why_size);
bool daemon_last_words(int words, char *why, size_t why_size);
/* RMMAP_DAEMON=private: no run directory, an rmmapd of this process's own at each start. */
bool daemon_is_private(void);
int daemon_start_private(int *words, char *why, size_t why_size);

#pragma GCC visibility pop

#endif
