/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * redis.c - a Redis between the two, by hiredis, with msgpack-c: SET of one value, a word
 * over the connection that it is there, GET. The server's address is in WAYS_REDIS.
 */
#include <hiredis/hiredis.h>

#include "ways.h"

#define KEY "rmmap-bench"

static redisContext *redis;
static redisReply *value;

static void redis_start(struct handover *handover, int produces)
{
	const char *address = getenv("WAYS_REDIS");
	char host[64];
	int port;

	(void)handover;
	(void)produces;
	if (!address || sscanf(address, "%63[^:]:%d", host, &port) != 2)
		bench_die("WAYS_REDIS is not HOST:PORT");
	redis = redisConnect(host, port);
	if (!redis || redis->err)
		bench_die("no Redis answers at WAYS_REDIS");
}

static void redis_send(struct handover *handover, const void *root)
{
	struct handover packed = { .kind = handover->kind };
	redisReply *reply;

	link_open(&packed.link, -1);
	msgpack_send(&packed, root);
	reply = redisCommand(redis, "SET %s %b", KEY, packed.link.out, packed.link.out_used);
	if (!reply || reply->type == REDIS_REPLY_ERROR)
		bench_die("SET failed");
	freeReplyObject(reply);
	link_close(&packed.link);
	link_put(&handover->link, "there", 5);
	link_flush(&handover->link);
}

static void *redis_receive(struct handover *handover)
{
	struct handover packed = { .kind = handover->kind };

	link_get(&handover->link, 5);
	value = redisCommand(redis, "GET %s", KEY);
	if (!value || value->type != REDIS_REPLY_STRING)
		bench_die("GET failed");
	packed.link.fd = -1;
	link_read_from(&packed.link, value->str, (size_t)value->len);
	return msgpack_receive(&packed);
}

static void redis_release(struct handover *handover, void *root)
{
	free_structure(handover, root);
	freeReplyObject(value);
}

static void redis_stop(struct handover *handover, int produces)
{
	redisReply *reply = produces ? redisCommand(redis, "DEL %s", KEY) : NULL;

	(void)handover;
	if (reply)
		freeReplyObject(reply);
}

const struct way way_redis = {
	.name = "redis", .shape = &structures, .start = redis_start,
	.send = redis_send, .receive = redis_receive, .release = redis_release, .stop = redis_stop,
};
