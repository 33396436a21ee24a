/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker_fabric.c - open a fabric when somebody needs it, and keep its address
 *
 * Publications name one of them, the current one. Beside it there may be others: for handles
 * of hosts with another provider, and tcp while the RDMA device has no active port. None is
 * closed before the worker ends, since handles name its address, and a new worker listens
 * where the one before it did.
 *
 * Worker thread only.
 */
#include <errno.h>
#include <string.h>

#include "../base/log.h"
#include "../../common/channel.h"
#include "../../common/handle.h"
#include "../../common/say.h"
#include "../../common/wire.h"
#include "../fabric/fabric.h"
#include "../fabric/callers.h"
#include "peer.h"
#include "../fabric/rdma.h"
#include "../worker/internal.h"

#define SECOND UINT64_C(1000000000)
#define AGAIN_NS (5 * SECOND)           /* what failed is not tried more often */

struct fabric_record {                  /* data of RECORD_FABRIC */
	char spec[RM_SPEC_MAX];
	struct rm_fabric_addr addr;
	uint8_t chosen, current;
};

static struct running *running_of(struct context *context)
{
	return container_of(context, struct running, context);
}

static const char *provider_of(const struct net *net)
{
	return fabric_addr(net->fabric)->provider;
}

/* "tcp" asks for "tcp;ofi_rxm" as well. */
static bool same_provider(const char *asked, const char *open)
{
	size_t length = strlen(asked);

	return strncmp(asked, open, length) == 0 && (!open[length] || open[length] == ';');
}

static struct net *find(struct running *running, const char *provider)
{
	unsigned i;

	for (i = 0; i < running->net_count; i++)
		if (same_provider(provider, provider_of(&running->nets[i])))
			return &running->nets[i];
	return NULL;
}

static struct net *current(struct running *running)
{
	unsigned i;

	for (i = 0; i < running->net_count; i++)
		if (running->nets[i].peers == running->context.peers)
			return &running->nets[i];
	return NULL;
}

/* ---- opening ---- */

/* Messages can come as soon as the fabric is open, peers are made right after that. */
static void message(void *arg, const void *data, size_t length)
{
	struct net *net = arg;

	if (net->peers)
		peers_message(net->peers, data, length);
}

static bool room(void *arg)
{
	struct net *net = arg;

	return net->peers && peers_make_room(net->peers);
}

static void device_changed(void *arg, bool active)
{
	worker_fabric_changed(arg, active);
}

/* What RMMAP_FABRIC says cannot be done: the rest is this host's trouble. */
static bool asked_wrongly(int error)
{
	return error == -EINVAL || error == -EADDRNOTAVAIL || error == -EADDRINUSE ||
	       error == -EACCES;
}

static int open_net(struct running *running, const struct rm_fabric_spec *spec,
                    const struct rm_fabric_addr *again, struct net **out)
{
	struct context *context = &running->context;
	struct net *net = &running->nets[running->net_count];
	int ret;

	if (running->net_count == NETS_MAX) {
		rm_format(context->fabric_why, sizeof(context->fabric_why), "this rmmapd uses %u "
		          "fabrics already: use another RMMAP_RUNDIR", NETS_MAX);
		return -EHOSTUNREACH;
	}
	memset(net, 0, sizeof(*net));
	net->running = running;
	net->events.arg = net;
	net->events.message = message;
	net->events.room = room;
	callers_watch(context);
	ret = fabric_open(&net->fabric, context->loop, spec, again, &net->events,
	                  context->fabric_why, sizeof(context->fabric_why));
	if (ret < 0)
		return asked_wrongly(ret) ? ret : -EHOSTUNREACH;
	if (context->fabric_why[0])
		log_line("%s", context->fabric_why);
	net->peers = peers_new(context, net->fabric);
	if (!net->peers) {
		fabric_close(net->fabric);
		rm_format(context->fabric_why, sizeof(context->fabric_why), "rmmapd has no memory");
		return -EHOSTUNREACH;
	}
	peers_take(net->peers);
	if (fabric_device(net->fabric))
		net->watch = rdma_watch(context->loop, fabric_device(net->fabric), device_changed,
		                        net);
	running->net_count++;
	*out = net;
	return 0;
}

static void save(struct net *net)
{
	struct context *context = &net->running->context;
	struct fabric_record record = {
		.addr = *fabric_addr(net->fabric),
		.chosen = net->chosen,
		.current = net->peers == context->peers,
	};

	rm_format(record.spec, sizeof(record.spec), "%s", net->spec);
	if (!net->record)
		net->record = keeper_number(context->keeper);
	keeper_put(context->keeper, RECORD_FABRIC, net->record, &record, sizeof(record), NULL, 0);
}

static void use(struct net *net)
{
	struct context *context = &net->running->context;
	struct net *last = current(net->running);

	context->fabric = net->fabric;
	context->peers = net->peers;
	if (last && last != net)
		save(last);
	save(net);
}

static void tell_address(const struct net *net)
{
	char address[96];

	fabric_addr_text(fabric_addr(net->fabric), address, sizeof(address));
	log_line("listening on %s over %s", address, provider_of(net));
}

/* text: what asks for it, so that it is not tried again at once if it fails. */
static int need_net(struct running *running, const char *text, const struct rm_fabric_spec *spec,
                    struct net **out)
{
	struct context *context = &running->context;
	int ret;

	if (running->failed_ns && rm_now_ns() < running->failed_ns + AGAIN_NS &&
	    strcmp(text, running->failed_spec) == 0) {
		rm_format(context->fabric_why, sizeof(context->fabric_why), "%s", running->failed_why);
		return running->failed_error;
	}
	ret = open_net(running, spec, NULL, out);
	if (ret == 0) {
		rm_format((*out)->spec, sizeof((*out)->spec), "%s", text);
		tell_address(*out);
		return 0;
	}
	running->failed_ns = rm_now_ns();
	running->failed_error = ret;
	rm_format(running->failed_spec, sizeof(running->failed_spec), "%s", text);
	rm_format(running->failed_why, sizeof(running->failed_why), "%s", context->fabric_why);
	log_line("no fabric: %s", context->fabric_why);
	return ret;
}

/* ---- for publications and attaches ---- */

/* The client's words, or rmmapd's own. */
static int parse(struct context *context, const char **text, struct rm_fabric_spec *spec)
{
	if (!(*text)[0] && context->options.fabric)
		*text = context->options.fabric;
	if (rm_fabric_spec_parse(*text, spec) < 0) {
		rm_format(context->fabric_why, sizeof(context->fabric_why), "RMMAP_FABRIC=%s is not "
		          "off or PROVIDER[@ADDRESS|INTERFACE][:PORT]", *text);
		return -EINVAL;
	}
	if (spec->off) {
		rm_format(context->fabric_why, sizeof(context->fabric_why),
		          "RMMAP_FABRIC is off: unset it to reach other hosts");
		return -EHOSTUNREACH;
	}
	return 0;
}

/*
 * Is what is open good for a publication? What was opened for somebody's handle is not, where
 * there is an RDMA device that the choice would have been.
 */
static struct net *fitting(struct running *running, const struct rm_fabric_spec *spec)
{
	struct net *net = current(running);
	char why[256];

	if (spec->provider[0])
		return find(running, spec->provider);
	if (net && !net->chosen && !fabric_device(net->fabric) &&
	    rdma_usable(why, sizeof(why)) == 1)
		return NULL;
	return net;
}

int worker_fabric(struct context *context, const char *text, struct peers **peers)
{
	struct running *running = running_of(context);
	struct net *net, *open = current(running);
	struct rm_fabric_spec spec;
	int ret = parse(context, &text, &spec);

	if (ret < 0)
		return ret;
	net = fitting(running, &spec);
	if (!net && open && open->chosen) {
		rm_format(context->fabric_why, sizeof(context->fabric_why), "RMMAP_FABRIC names "
		          "provider %s and this rmmapd uses %s already: use that one, or stop rmmapd "
		          "first, or use another RMMAP_RUNDIR", spec.provider, provider_of(open));
		return -EINVAL;
	}
	if (!net)
		ret = need_net(running, text, &spec, &net);
	if (ret < 0)
		return ret;
	if (!net->chosen) {
		net->chosen = true;
		use(net);
	}
	*peers = net->peers;
	return 0;
}

/* To an attach it is one whatever the reason: others of these numbers mean something else there. */
static int unreachable(int error)
{
	return error != -EINVAL && asked_wrongly(error) ? -EHOSTUNREACH : error;
}

int worker_reach(struct context *context, const char *text, const struct rm_fabric_addr *addr,
                 struct peers **peers)
{
	struct running *running = running_of(context);
	struct net *net = find(running, addr->provider);
	struct rm_fabric_spec spec;
	int ret = parse(context, &text, &spec);

	if (ret < 0)
		return ret;
	if (spec.provider[0])
		return unreachable(worker_fabric(context, text, peers));
	if (!net) {
		rm_format(spec.provider, sizeof(spec.provider), "%s", addr->provider);
		ret = need_net(running, addr->provider, &spec, &net);
		/* Refused with both names by what is open; with nothing open, by this. */
		if (ret < 0 && context->peers) {
			*peers = context->peers;
			return 0;
		}
		if (ret < 0)
			return ret == -EINVAL ? -EPROTO : unreachable(ret);
		if (!context->peers)
			use(net);
		else
			save(net);
	}
	*peers = net->peers;
	return 0;
}

/* ---- a device whose ports go down, and up ---- */

/* tcp, or whatever else is open and has no device. */
static struct net *fallback(struct running *running)
{
	struct rm_fabric_spec spec = { .provider = "tcp" };
	struct net *net = NULL;
	unsigned i;

	for (i = 0; i < running->net_count && !net; i++)
		if (!fabric_device(running->nets[i].fabric) && !running->nets[i].down)
			net = &running->nets[i];
	if (!net && need_net(running, "tcp", &spec, &net) < 0)
		return NULL;
	return net;
}

void worker_fabric_changed(struct net *net, bool active)
{
	struct context *context = &net->running->context;
	const char *device = fabric_device(net->fabric);
	struct rm_fabric_spec spec;
	struct net *other;

	if (!device)
		device = provider_of(net);
	net->down = !active;
	if (!net->chosen) {
		log_line("%s has %s active port", device, active ? "an" : "no");
		return;
	}
	if (active) {
		use(net);
		log_line("%s has an active port again: new publications go over %s", device,
		         provider_of(net));
		return;
	}
	if (rm_fabric_spec_parse(net->spec, &spec) == 0 && spec.provider[0]) {
		log_line("%s has no active port: publications over it cannot be reached, and "
		         "RMMAP_FABRIC names no other provider", device);
		return;
	}
	other = fallback(net->running);
	if (!other) {
		log_line("%s has no active port, and tcp cannot be used instead", device);
		return;
	}
	other->chosen = true;
	use(other);
	log_line("%s has no active port: new publications go over %s until it has; those "
	         "before cannot be reached", device, provider_of(other));
}

/* ---- the worker's birth and end ---- */

static void restored(struct net *net, const struct fabric_record *saved, uint64_t record)
{
	rm_format(net->spec, sizeof(net->spec), "%s", saved->spec);
	net->record = record;
	net->chosen = saved->chosen;
	if (saved->current || !net->running->context.peers)
		use(net);
}

void worker_fabric_restore(struct running *running, const struct record *record)
{
	const struct fabric_record *saved = record->data;
	struct context *context = &running->context;
	struct rm_fabric_spec spec;
	struct net *net;

	if (record->length != sizeof(*saved) || rm_fabric_spec_parse(saved->spec, &spec) < 0)
		return;
	if (open_net(running, &spec, &saved->addr, &net) == 0) {
		restored(net, saved, record->number);
		return;
	}
	log_line("cannot listen again where the last worker did: %s; handles that name "
	         "that address do not work from other hosts any more", context->fabric_why);
	if (open_net(running, &spec, NULL, &net) == 0) {
		restored(net, saved, record->number);
		save(net);
		tell_address(net);
	}
}

void worker_fabric_close(struct running *running)
{
	struct net *net;

	while (running->net_count) {
		net = &running->nets[--running->net_count];
		rdma_unwatch(net->watch);
		peers_free(net->peers);
		fabric_close(net->fabric);
	}
}
