/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.h - this host's rmmapd: connecting to it, starting it, asking it
 *
 * One connection for the process, with a lock of its own, which is taken after publish's and the
 * attachments'. Any thread may call. Memory is own pages only.
 */
#ifndef RM_LIB_CLIENT_H
#define RM_LIB_CLIENT_H

#include "../base/base.h"

#pragma GCC visibility push(hidden)

/* ---- client.c: the connection to this host's rmmapd; start.c: starting it ---- */
/* One request and its reply. The caller owns all memory, and descriptors that came out. */
struct exchange {
	void *request;                  /* client_call() sets its head, except for the type */
	size_t request_size;
	const int *fds;                 /* sent with the request; they stay the caller's */
	unsigned fd_count;
	const int *layers;              /* RM_PUBLISH: sent after it in RM_LAYERS */
	uint32_t layer_count;
	void *reply;                    /* RM_WIRE_MAX bytes */
	int reply_type;                 /* expected; an RM_REPLY with an error may come instead */
	int reply_fd;                   /* out: the reply's descriptor, or -1 */
	unsigned sendings;              /* out: how often the whole request was sent */
	int *layer_fds;                 /* out, RM_ATTACH: own pages with layer_fd_count items */
	uint32_t layer_fd_count;
	bool only_if_connected;         /* do not connect or start anything: -ENOTCONN */
	uint64_t timeout_ns;            /* how long rmmapd may be silent; 0: 10 s */
	/*
	 * Which rmmapd: numbers that one gave (of attachments) mean nothing to the next one.
	 * In: 0 is any; else -ESTALE, without sending, if another one answers by now.
	 * Out: the one that answered.
	 */
	unsigned era;
	int connection;                 /* set by client.c: the connection's descriptor, */
	uint64_t seq;                   /* and the request's number; a repeated one keeps it */
	char why[RM_TEXT_MAX];          /* out: on failure, the reason in words */
};
/*
 * Send the request and receive its reply, under the connection's lock. Connects and starts rmmapd
 * where needed, and sends again after RM_RESTARTED or a lost connection. 0, or -errno with why.
 * The error that the reply carries is the caller's to read.
 */
int client_call(struct exchange *exchange);
/*
 * An exchange and its reply in own pages, since a thread's stack may be small. call_new(): NULL
 * if there is no memory. call_free() clears it.
 */
struct call {
	struct exchange x;
	_Alignas(8) char message[RM_WIRE_MAX];
};
struct call *call_new(void *request, size_t size, int reply_type);
void call_free(struct call *call);
void client_lock(void);         /* around fork */
void client_unlock(void);
void client_child(void);        /* drops the parent's connection, and gives the lock back */
void client_inner_child(void);  /* the same in a child of fork.c's inner fork; no lock */
/*
 * start.c, under the connection's lock: a connected descriptor, after starting rmmapd if there
 * was none; or -errno with why. *words is -1, or, if rmmapd was started, a second descriptor. The
 * answer to the first request then tells that the new rmmapd serves. If the connection ends
 * before that, daemon_last_words() says why. True: rmmapd gave a reason, and another start would
 * fail, too. False: it was killed, or has served.
 */
int daemon_start(const char *rundir, int *words, char *why, size_t why_size);
bool daemon_last_words(int words, char *why, size_t why_size);
/* RMMAP_DAEMON=private: an rmmapd for this process alone, without a run directory. */
bool daemon_is_private(void);
int daemon_start_private(int *words, char *why, size_t why_size);

#pragma GCC visibility pop

#endif
