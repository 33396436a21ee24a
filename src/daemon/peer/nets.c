/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nets.c - open a fabric when somebody needs it, and keep its address
 *
 * New publications name one fabric, the current one. There may be others: for handles of hosts with
 * another provider, and tcp while the RDMA device has no active port. None is closed before the
 * worker ends, since handles name its address. A new worker listens at the addresses of the last.
 *
 * Worker thread only. Allocates struct nets with malloc.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/log.h"
#include "../../common/channel.h"
#include "../../common/handle.h"
#include "../../common/say.h"
#include "../../common/wire.h"
#include "../fabric/fabric.h"
#include "../fabric/callers.h"
#include "internal.h"
#include "../fabric/providers.h"
#include "../fabric/rdma.h"

#define SECOND UINT64_C(1000000000)
#define AGAIN_NS (5 * SECOND)           /* a failed attempt is not repeated sooner */

struct fabric_record {                  /* data of RECORD_FABRIC */
	char spec[RM_SPEC_MAX];
	struct rm_fabric_addr addr;
	uint8_t chosen, current;
};

static const char *net_provider(const struct net *net)
{
	return fabric_addr(net->fabric)->provider;
}

/* The open fabric of this provider, with any layer; NULL: none. */
static struct net *net_find(struct nets *nets, const char *provider)
{
	unsigned i;

	for (i = 0; i < nets->count; i++)
		if (provider_fits(provider, net_provider(&nets->open[i])))
			return &nets->open[i];
	return NULL;
}

/* The net of nets->current; NULL: none is current. */
static struct net *net_current(struct nets *nets)
{
	unsigned i;

	for (i = 0; i < nets->count; i++)
		if (nets->open[i].peers == nets->current)
			return &nets->open[i];
	return NULL;
}

/* ---- opening ---- */

/* A message may come as soon as the fabric is open, but its peers are made after that. */
static void net_message(void *arg, const void *data, size_t length)
{
	struct net *net = arg;

	if (net->peers)
		peers_message(net->peers, data, length);
}

/* fabric_events.room: close keys that other hosts have. */
static bool net_room(void *arg)
{
	struct net *net = arg;

	return net->peers && peers_make_room(net->peers);
}

static void net_device_changed(void *arg, bool active)
{
	net_changed(arg, active);
}

/* Is it RMMAP_FABRIC that cannot be fulfilled, rather than a problem of this host? */
static bool spec_is_wrong(int error)
{
	return error == -EINVAL || error == -EADDRNOTAVAIL || error == -EADDRINUSE ||
	       error == -EACCES;
}

/* Open one more fabric. 0 or -errno with nets->why. */
static int net_open(struct nets *nets, const struct rm_fabric_spec *spec,
                    const struct rm_fabric_addr *again, struct net **out)
{
	/*
	 * Its place counts only once it is complete; after a failure the next attempt clears it.
	 */
	struct net *net = &nets->open[nets->count];
	int error;

	if (nets->count == NETS_MAX) {
		rm_format(nets->why, sizeof(nets->why), "this rmmapd uses %u "
		          "fabrics already: use another RMMAP_RUNDIR", NETS_MAX);
		return -EHOSTUNREACH;
	}
	memset(net, 0, sizeof(*net));
	net->nets = nets;
	net->events.arg = net;
	net->events.message = net_message;
	net->events.room = net_room;
	callers_watch(nets->context);
	error = fabric_open(&net->fabric, nets->context->loop, spec, again, &net->events,
	                    nets->why, sizeof(nets->why));
	if (error < 0)
		return spec_is_wrong(error) ? error : -EHOSTUNREACH;
	if (nets->why[0])
		log_line("%s", nets->why);
	net->peers = peers_new(nets, net->fabric);
	if (!net->peers) {
		fabric_close(net->fabric);
		rm_format(nets->why, sizeof(nets->why), "rmmapd has no memory");
		return -EHOSTUNREACH;
	}
	if (nets->events.opened)
		nets->events.opened(nets->events.arg, net->peers);
	if (fabric_device(net->fabric))
		net->watch = rdma_watch(nets->context->loop, fabric_device(net->fabric),
		                        net_device_changed, net);
	nets->count++;
	assert(nets->count <= NETS_MAX);
	*out = net;
	return 0;
}

/* Put the fabric's record into the keeper, for the next worker. */
static void net_save(struct net *net)
{
	struct keeper *keeper = net->nets->context->keeper;
	struct fabric_record record = {
		.addr = *fabric_addr(net->fabric),
		.chosen = net->chosen,
		.current = net->peers == net->nets->current,
	};

	rm_format(record.spec, sizeof(record.spec), "%s", net->spec);
	if (!net->record)
		net->record = keeper_number(keeper);
	keeper_put(keeper, RECORD_FABRIC, net->record, &record, sizeof(record), NULL, 0);
}

/* Make it the current fabric. */
static void net_use(struct net *net)
{
	struct net *last = net_current(net->nets);

	net->nets->current = net->peers;
	if (last && last != net)
		net_save(last);
	net_save(net);
}

static void net_log_address(const struct net *net)
{
	char address[96];

	fabric_addr_text(fabric_addr(net->fabric), address, sizeof(address));
	log_line("listening on %s over %s", address, net_provider(net));
}

/*
 * Open a fabric, unless the same was tried and failed a moment ago. text is what asks for it:
 * RMMAP_FABRIC, or a provider's name.
 */
static int net_need(struct nets *nets, const char *text, const struct rm_fabric_spec *spec,
                    struct net **out)
{
	int error;

	if (nets->failed_ns && rm_now_ns() < nets->failed_ns + AGAIN_NS &&
	    strcmp(text, nets->failed_spec) == 0) {
		rm_format(nets->why, sizeof(nets->why), "%s", nets->failed_why);
		return nets->failed_error;
	}
	error = net_open(nets, spec, NULL, out);
	if (error == 0) {
		rm_format((*out)->spec, sizeof((*out)->spec), "%s", text);
		net_log_address(*out);
		return 0;
	}
	nets->failed_ns = rm_now_ns();
	nets->failed_error = error;
	rm_format(nets->failed_spec, sizeof(nets->failed_spec), "%s", text);
	rm_format(nets->failed_why, sizeof(nets->failed_why), "%s", nets->why);
	log_line("no fabric: %s", nets->why);
	return error;
}

/* ---- for publications and attaches ---- */

/* Parse the client's RMMAP_FABRIC, or rmmapd's own if that is ""; *text becomes the one taken. */
static int spec_parse(struct nets *nets, const char **text, struct rm_fabric_spec *spec)
{
	const char *own = nets->context->options.fabric;

	if (!(*text)[0] && own)
		*text = own;
	if (rm_fabric_spec_parse(*text, spec) < 0) {
		rm_format(nets->why, sizeof(nets->why), "RMMAP_FABRIC=%s is not "
		          "off or PROVIDER[@ADDRESS|INTERFACE][:PORT]", *text);
		return -EINVAL;
	}
	if (spec->off) {
		rm_format(nets->why, sizeof(nets->why),
		          "RMMAP_FABRIC is off: unset it to reach other hosts");
		return -EHOSTUNREACH;
	}
	return 0;
}

/*
 * The open fabric that a publication may use; NULL: there is none. A fabric that was opened only to
 * attach is none if there is a usable RDMA device, which would be chosen.
 */
static struct net *net_fitting(struct nets *nets, const struct rm_fabric_spec *spec)
{
	struct net *net = net_current(nets);
	char why[256];

	if (spec->provider[0])
		return net_find(nets, spec->provider);
	if (net && !net->chosen && !fabric_device(net->fabric) &&
	    rdma_usable(why, sizeof(why)) == 1)
		return NULL;
	return net;
}

int nets_publish(struct nets *nets, const char *text, struct peers **peers)
{
	struct net *net, *open = net_current(nets);
	struct rm_fabric_spec spec;
	int error = spec_parse(nets, &text, &spec);

	if (error < 0)
		return error;
	net = net_fitting(nets, &spec);
	if (!net && open && open->chosen) {
		rm_format(nets->why, sizeof(nets->why), "RMMAP_FABRIC names "
		          "provider %s and this rmmapd uses %s already: use that one, or stop "
		          "rmmapd first, or use another RMMAP_RUNDIR", spec.provider,
		          net_provider(open));
		return -EINVAL;
	}
	if (!net)
		error = net_need(nets, text, &spec, &net);
	if (error < 0)
		return error;
	if (!net->chosen) {
		net->chosen = true;
		net_use(net);
	}
	*peers = net->peers;
	return 0;
}

/* An attach reports these as EHOSTUNREACH: for it the other numbers mean something else. */
static int net_unreachable(int error)
{
	return error != -EINVAL && spec_is_wrong(error) ? -EHOSTUNREACH : error;
}

int nets_reach(struct nets *nets, const char *text, const struct rm_fabric_addr *addr,
               struct peers **peers)
{
	struct net *net = net_find(nets, addr->provider);
	struct rm_fabric_spec spec;
	int error = spec_parse(nets, &text, &spec);

	if (error < 0)
		return error;
	if (spec.provider[0])
		return net_unreachable(nets_publish(nets, text, peers));
	if (!net) {
		rm_format(spec.provider, sizeof(spec.provider), "%s", addr->provider);
		error = net_need(nets, addr->provider, &spec, &net);
		/* If a fabric is open, fabric_peer() refuses the address and names both. */
		if (error < 0 && nets->current) {
			*peers = nets->current;
			return 0;
		}
		if (error < 0)
			return error == -EINVAL ? -EPROTO : net_unreachable(error);
		if (!nets->current)
			net_use(net);
		else
			net_save(net);
	}
	*peers = net->peers;
	return 0;
}

/* ---- devices whose ports go down, and up ---- */

/* An open fabric without a device, else a new one over tcp; NULL: that cannot be opened. */
static struct net *net_fallback(struct nets *nets)
{
	struct rm_fabric_spec spec = { .provider = PROVIDER_FALLBACK };
	struct net *net = NULL;
	unsigned i;

	for (i = 0; i < nets->count && !net; i++)
		if (!fabric_device(nets->open[i].fabric) && !nets->open[i].down)
			net = &nets->open[i];
	if (!net && net_need(nets, PROVIDER_FALLBACK, &spec, &net) < 0)
		return NULL;
	return net;
}

void net_changed(struct net *net, bool active)
{
	const char *device = fabric_device(net->fabric);
	struct rm_fabric_spec spec;
	struct net *other;

	if (!device)
		device = net_provider(net);
	net->down = !active;
	if (!net->chosen) {
		log_line("%s has %s active port", device, active ? "an" : "no");
		return;
	}
	if (active) {
		net_use(net);
		log_line("%s has an active port again: new publications go over %s", device,
		         net_provider(net));
		return;
	}
	if (rm_fabric_spec_parse(net->spec, &spec) == 0 && spec.provider[0]) {
		log_line("%s has no active port: publications over it cannot be reached, and "
		         "RMMAP_FABRIC names no other provider", device);
		return;
	}
	other = net_fallback(net->nets);
	if (!other) {
		log_line("%s has no active port, and tcp cannot be used instead", device);
		return;
	}
	other->chosen = true;
	net_use(other);
	log_line("%s has no active port: new publications go over %s until it has; those "
	         "before cannot be reached", device, net_provider(other));
}

/* ---- all of them ---- */

struct nets *nets_new(struct context *context, struct store *store,
                      const struct nets_events *events)
{
	struct nets *nets = calloc(1, sizeof(*nets));

	if (!nets)
		return NULL;
	nets->context = context;
	nets->store = store;
	if (events)
		nets->events = *events;
	return nets;
}

void nets_pass_on(struct nets *nets, const struct page_source *source, void *arg)
{
	nets->source = source;
	nets->source_arg = arg;
}

const char *nets_why(const struct nets *nets)
{
	return nets->why;
}

struct fabric *nets_fabric(const struct nets *nets)
{
	return nets->current ? nets->current->fabric : NULL;
}

/* The fabric of an earlier worker's record is open again. */
static void net_restored(struct net *net, const struct fabric_record *saved, uint64_t record)
{
	rm_format(net->spec, sizeof(net->spec), "%s", saved->spec);
	net->record = record;
	net->chosen = saved->chosen;
	if (saved->current || !net->nets->current)
		net_use(net);
}

/* If the address cannot be had again, listen on a new one, for later publications. */
void nets_restore(struct nets *nets, const struct record *record)
{
	const struct fabric_record *saved = record->data;
	struct rm_fabric_spec spec;
	struct net *net;

	if (record->length != sizeof(*saved) || rm_fabric_spec_parse(saved->spec, &spec) < 0)
		return;
	if (net_open(nets, &spec, &saved->addr, &net) == 0) {
		net_restored(net, saved, record->number);
		return;
	}
	log_line("cannot listen again where the last worker did: %s; handles that name "
	         "that address do not work from other hosts any more", nets->why);
	if (net_open(nets, &spec, NULL, &net) == 0) {
		net_restored(net, saved, record->number);
		net_save(net);
		net_log_address(net);
	}
}

/* Control is freed before its fabric, which it uses until then. */
void nets_free(struct nets *nets)
{
	struct net *net;

	while (nets->count) {
		net = &nets->open[--nets->count];
		rdma_unwatch(net->watch);
		peers_free(net->peers);
		fabric_close(net->fabric);
	}
	free(nets);
}
