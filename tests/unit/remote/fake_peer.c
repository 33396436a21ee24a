/* SPDX-License-Identifier: BSD-2-Clause */
/* fake_peer.c - see fake_host.h: what the other host answers */
#include "fake_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../../src/common/channel.h"
#include "../../../src/daemon/base/container.h"

struct peer_session {
	struct timer timer, admit;
	unsigned count;                 /* asked for by peer_admit() */
	const struct peer_events *events;
	void *arg;
	bool wrong, asked;
};

static void answer(struct timer *timer)
{
	struct peer_session *session = container_of(timer, struct peer_session, timer);
	struct peer_region all[FAKE_REGIONS], wanted[FAKE_REGIONS];
	struct peer_snapshot snapshot = { .table = fake.table, .table_size = fake.table_size,
	                                  .regions = all, .data = fake.data,
	                                  .data_size = fake.data_size };
	struct peer_want wants[4];
	unsigned count = session->asked ? session->events->wants(session->arg, wants, 4) : 0, i;
	unsigned n = 0, k;

	if (fake.attach_error || session->wrong) {
		loop_timer_cancel(fake.context.loop, &session->admit);
		session->events->attached(session->arg, session->wrong ? -EACCES : fake.attach_error,
		                          "the fake host says no", NULL);
		free(session);
		return;
	}
	for (i = 0; fake.room && !session->asked && i < fake.room; i++)
		fake_grant(i);
	/* No more than there is room for: the rest is asked for again. */
	for (i = 0; fake.room && i < count; i++)
		for (k = 0; k < wants[i].count && n < fake.room; k++, n++)
			fake_grant(wants[i].first + k);
	snapshot.region_count = fake_make_regions(all) - fake.skip_regions;
	if (n) {
		snapshot.table = NULL;
		snapshot.table_size = 0;
		for (i = 0, n = 0; i < count; i++)
			for (k = 0; k < wants[i].count && n < fake.room; k++)
				wanted[n++] = all[wants[i].first + k];
		snapshot.regions = wanted;
		snapshot.region_count = n;
	}
	session->asked = true;
	session->events->attached(session->arg, 0, "", &snapshot);
}

static void answer_admit(struct timer *timer)
{
	struct peer_session *session = container_of(timer, struct peer_session, admit);
	unsigned count = session->count < fake.readers_left ? session->count : fake.readers_left;
	int error = fake.no_answer ? -EHOSTUNREACH : fake.admit_error;

	if (!error && !count)
		error = -ENOENT;
	if (!error)
		fake.readers_left -= count;
	session->count = 0;
	session->events->admitted(session->arg, error, error ? "the fake host admits nobody" : "",
	                          error ? 0 : count);
}

void peer_admit(struct peer_session *session, unsigned count)
{
	if (session->count || !count || count > PEER_ADMIT_MAX)
		abort();
	fake.admits++;
	session->count = count;
	loop_timer(fake.context.loop, &session->admit,
	           rm_now_ns() + (fake.no_answer ? 200000000 : 1000000));
}

int peer_attach(struct peers *peers, const struct rm_handle *handle, bool again,
                const struct peer_events *events, void *arg,
                struct peer_session **session, char *why, size_t why_size)
{
	struct peer_session *s = calloc(1, sizeof *s);

	(void)peers;
	(void)why;
	(void)why_size;
	fake.attaches++;
	fake.earlier = again;
	s->timer.fire = answer;
	s->admit.fire = answer_admit;
	s->events = events;
	s->arg = arg;
	s->wrong = memcmp(handle->secret, fake.handle.secret, RM_SECRET_BYTES) != 0;
	*session = s;
	if (!fake.no_answer)
		loop_timer(fake.context.loop, &s->timer, rm_now_ns() + 1000000);
	return 0;
}

void peer_again(struct peer_session *session)
{
	fake.agains++;
	if (session->events->complete(session->arg))
		abort();
	if (!fake.no_answer)
		loop_timer(fake.context.loop, &session->timer, rm_now_ns() + 1000000);
}

struct fabric_peer *peer_of(struct peer_session *session)
{
	return (struct fabric_peer *)session;
}

void peer_detach(struct peer_session *session)
{
	fake.detaches++;
	loop_timer_cancel(fake.context.loop, &session->timer);
	loop_timer_cancel(fake.context.loop, &session->admit);
	free(session);
}

/* This one names no helper, and nobody asks here for pages. */

void fanout_give_drop(struct nets *nets, struct remote *remote)
{
	(void)nets;
	(void)remote;
}

struct fanout_ask *fanout_ask_new(struct peer_session *session, const struct rm_fabric_addr *helper)
{
	(void)session;
	(void)helper;
	return NULL;
}

void fanout_ask_for(struct fanout_ask *asker, struct fanout_want *want)
{
	(void)asker;
	(void)want;
	abort();
}

void fanout_ask_done(struct fanout_ask *asker, uint64_t number)
{
	(void)asker;
	(void)number;
}

void fanout_ask_stop(struct fanout_ask *asker)
{
	(void)asker;
}

struct fabric_peer *fanout_ask_peer(struct fanout_ask *asker)
{
	return (struct fabric_peer *)asker;
}

void fanout_ask_end(struct fanout_ask *asker)
{
	(void)asker;
}

/* ---- nets ---- */

void nets_pass_on(struct nets *nets, const struct page_source *source, void *arg)
{
	(void)nets;
	(void)source;
	(void)arg;
}

const char *nets_why(const struct nets *nets)
{
	(void)nets;
	return "";
}

int nets_reach(struct nets *nets, const char *spec, const struct rm_fabric_addr *addr,
               struct peers **peers)
{
	(void)nets;
	(void)spec;
	(void)addr;
	*peers = (struct peers *)&fake;
	return 0;
}

struct fabric *peers_fabric(const struct peers *peers)
{
	(void)peers;
	return (struct fabric *)&fake;
}
