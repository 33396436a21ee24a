/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker_fabric.c - open the fabric when somebody needs it, and keep its address
 *
 * Worker thread only. A new worker listens where the one before it did: that
 * address is in handles.
 */
#include <errno.h>
#include <string.h>

#include "../common/channel.h"
#include "../common/handle.h"
#include "../common/say.h"
#include "../common/wire.h"
#include "fabric.h"
#include "peer.h"
#include "worker_internal.h"

#define SECOND UINT64_C(1000000000)
#define AGAIN_NS (5 * SECOND)           /* what failed is not tried more often */

struct fabric_record {                  /* data of RECORD_FABRIC */
	char spec[RM_SPEC_MAX];
	struct rm_fabric_addr addr;
};

/* Messages can come as soon as the fabric is open, peers are made right after that. */
static void message(void *arg, const void *data, size_t length)
{
	struct worker *worker = arg;

	if (worker->peers)
		peers_message(worker->peers, data, length);
}

static int open_fabric(struct running *running, const struct rm_fabric_spec *spec,
                       const struct rm_fabric_addr *again)
{
	struct worker *worker = &running->worker;
	int ret;

	running->fabric_events.arg = worker;
	running->fabric_events.message = message;
	ret = fabric_open(&worker->fabric, worker->loop, spec, again, &running->fabric_events,
	                  worker->fabric_why, sizeof(worker->fabric_why));
	if (ret < 0) {
		worker->fabric = NULL;
		return ret == -EINVAL ? ret : -EHOSTUNREACH;
	}
	if (worker->fabric_why[0])
		worker_log(worker, "%s", worker->fabric_why);
	worker->peers = peers_new(worker);
	if (!worker->peers) {
		fabric_close(worker->fabric);
		worker->fabric = NULL;
		rm_format(worker->fabric_why, sizeof(worker->fabric_why), "rmmapd has no memory");
		return -EHOSTUNREACH;
	}
	return 0;
}

static void keep_address(struct running *running, const char *spec)
{
	struct worker *worker = &running->worker;
	struct fabric_record record = { .addr = *fabric_addr(worker->fabric) };
	char address[96];

	rm_format(record.spec, sizeof(record.spec), "%s", spec);
	if (!running->fabric_record)
		running->fabric_record = keeper_number(worker->keeper);
	keeper_put(worker->keeper, RECORD_FABRIC, running->fabric_record, &record, sizeof(record),
	           NULL, 0);
	fabric_addr_text(&record.addr, address, sizeof(address));
	worker_log(worker, "listening on %s over %s", address, record.addr.provider);
}

/* "tcp" asks for "tcp;ofi_rxm" as well. */
static bool same_provider(const char *asked, const char *open)
{
	size_t length = strlen(asked);

	return strncmp(asked, open, length) == 0 && (!open[length] || open[length] == ';');
}

static int check_open(struct worker *worker, const struct rm_fabric_spec *spec)
{
	const char *open = fabric_addr(worker->fabric)->provider;

	if (!spec->provider[0] || same_provider(spec->provider, open))
		return 0;
	rm_format(worker->fabric_why, sizeof(worker->fabric_why), "RMMAP_FABRIC names provider %s "
	          "and this rmmapd uses %s already: use that one, or stop rmmapd first, or use "
	          "another RMMAP_RUNDIR", spec->provider, open);
	return -EINVAL;
}

int worker_fabric(struct worker *worker, const char *text)
{
	struct running *running = container_of(worker, struct running, worker);
	struct rm_fabric_spec spec;
	int ret;

	if (!text[0] && worker->options.fabric)
		text = worker->options.fabric;
	if (rm_fabric_spec_parse(text, &spec) < 0) {
		rm_format(worker->fabric_why, sizeof(worker->fabric_why), "RMMAP_FABRIC=%s is not "
		          "off or PROVIDER[@ADDRESS|INTERFACE][:PORT]", text);
		return -EINVAL;
	}
	if (spec.off) {
		rm_format(worker->fabric_why, sizeof(worker->fabric_why),
		          "RMMAP_FABRIC is off: unset it to reach other hosts");
		return -EHOSTUNREACH;
	}
	if (worker->fabric)
		return check_open(worker, &spec);
	if (running->failed_ns && rm_now_ns() < running->failed_ns + AGAIN_NS &&
	    strcmp(text, running->failed_spec) == 0) {
		rm_format(worker->fabric_why, sizeof(worker->fabric_why), "%s", running->failed_why);
		return running->failed_error;
	}
	ret = open_fabric(running, &spec, NULL);
	if (ret == 0) {
		keep_address(running, text);
		return 0;
	}
	running->failed_ns = rm_now_ns();
	running->failed_error = ret;
	rm_format(running->failed_spec, sizeof(running->failed_spec), "%s", text);
	rm_format(running->failed_why, sizeof(running->failed_why), "%s", worker->fabric_why);
	worker_log(worker, "no fabric: %s", worker->fabric_why);
	return ret;
}

void worker_fabric_restore(struct running *running, const struct record *record)
{
	const struct fabric_record *saved = record->data;
	struct worker *worker = &running->worker;
	struct rm_fabric_spec spec;

	running->fabric_record = record->number;
	if (record->length != sizeof(*saved) || rm_fabric_spec_parse(saved->spec, &spec) < 0)
		return;
	if (open_fabric(running, &spec, &saved->addr) == 0)
		return;
	worker_log(worker, "cannot listen again where the last worker did: %s; handles that name "
	           "that address do not work from other hosts any more", worker->fabric_why);
	if (open_fabric(running, &spec, NULL) == 0)
		keep_address(running, saved->spec);
}
