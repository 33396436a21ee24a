/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * storage.c - stores a message in Redis, at WORKFLOW_REDIS: HOST:PORT or a socket's path
 *
 * A reference is the key. KEY:left is the number of receivers that have not fetched it; the last
 * one deletes both. If it does not come, they expire, as a publication does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <hiredis/hiredis.h>

#include "ways.h"

static redisContext *redis;

static void connect_to_redis(void)
{
	const char *where = getenv("WORKFLOW_REDIS");
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	const char *colon;
	char host[64];

	if (!where)
		die("WORKFLOW_REDIS is not set: HOST:PORT or the path of a socket");
	colon = strrchr(where, ':');
	if (*where == '/') {
		redis = redisConnectUnixWithTimeout(where, patience);
	} else if (colon && (size_t)(colon - where) < sizeof(host)) {
		snprintf(host, sizeof(host), "%.*s", (int)(colon - where), where);
		redis = redisConnectWithTimeout(host, atoi(colon + 1), patience);
	} else {
		die("WORKFLOW_REDIS is '%s', and should be HOST:PORT or the path of a socket", where);
	}
	if (!redis || redis->err)
		die("cannot connect to Redis at %s: %s", where, redis ? redis->errstr : "no memory");
	redisSetTimeout(redis, patience);
}

static redisReply *reply_checked(redisReply *reply, int type)
{
	if (!reply)
		die("Redis does not answer: %s", redis->errstr);
	if (reply->type == REDIS_REPLY_ERROR)
		die("Redis says: %s", reply->str);
	if (reply->type != type)
		die("Redis has nothing under this key");
	return reply;
}

static redisReply *next_reply(int type)
{
	void *reply = NULL;

	if (redisGetReply(redis, &reply) != REDIS_OK)
		die("Redis does not answer: %s", redis->errstr);
	return reply_checked(reply, type);
}

static void message_store(const char *key, const msgpack_sbuffer *buffer, size_t receivers)
{
	redisAppendCommand(redis, "SET %s %b EX %d", key, buffer->data, buffer->size, PATIENCE_S);
	redisAppendCommand(redis, "SET %s:left %d EX %d", key, (int)receivers, PATIENCE_S);
	freeReplyObject(next_reply(REDIS_REPLY_STATUS));
	freeReplyObject(next_reply(REDIS_REPLY_STATUS));
	spent.sent += buffer->size;
}

static void storage_hand_over(const struct kind *kind, const void *root)
{
	unsigned long long id[2];
	msgpack_sbuffer buffer;
	char key[100];

	if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
		die("no random numbers");
	msgpack_sbuffer_init(&buffer);
	for (size_t i = 0; i < self.receivers; i++) {
		if (i == 0 || kind->parted) {
			snprintf(key, sizeof(key), "workflow:%016llx%016llx:%zu", id[0], id[1], i);
			msgpack_sbuffer_clear(&buffer);
			pack_into(&buffer, kind, root, i);
			message_store(key, &buffer, kind->parted ? 1 : self.receivers);
		}
		print_reference(key);
		fflush(stdout);
	}
	msgpack_sbuffer_destroy(&buffer);
}

static void *storage_take(const struct kind *kind, const char *key)
{
	struct message message = { .at = 0 };
	redisReply *value, *left;
	void *root;

	redisAppendCommand(redis, "GET %s", key);
	redisAppendCommand(redis, "DECR %s:left", key);
	value = next_reply(REDIS_REPLY_STRING);
	left = next_reply(REDIS_REPLY_INTEGER);
	if (left->integer <= 0)
		freeReplyObject(reply_checked(redisCommand(redis, "UNLINK %s %s:left", key, key),
		                              REDIS_REPLY_INTEGER));
	freeReplyObject(left);
	message.data = value->str;
	message.size = value->len;
	spent.received += value->len;
	root = unpack_from(&message, kind);
	freeReplyObject(value);
	return root;
}

const struct way by_storage = {
	.name = "storage",
	.prepare = connect_to_redis,
	.hand_over = storage_hand_over,
	.take = storage_take,
};
