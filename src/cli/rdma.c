/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rdma.c - prints the RDMA devices and their ports that libibverbs sees
 *
 * Only queries: it makes no protection domain and registers no memory.
 */
#include <dirent.h>
#include <errno.h>
#include <infiniband/verbs.h>
#include <stdlib.h>
#include <string.h>

#include "../common/memlock.h"
#include "../common/say.h"
#include "cli.h"

struct port {                           /* as printed */
	const char *state, *link;       /* static texts */
	bool active;                    /* fit for use: state is "active" */
	unsigned number, mtu, lid;      /* number: from 1. mtu: bytes, 0: not known. lid: 0 on
	                                   Ethernet */
	double gbit_per_s;              /* of all lanes together; 0: not known */
};

static const char *state_name(enum ibv_port_state state)
{
	switch (state) {
	case IBV_PORT_DOWN: return "down";
	case IBV_PORT_INIT: return "initializing";
	case IBV_PORT_ARMED: return "armed";
	case IBV_PORT_ACTIVE: return "active";
	case IBV_PORT_ACTIVE_DEFER: return "active, deferred";
	default: return "unknown";
	}
}

static const char *link_name(uint8_t layer)
{
	return layer == IBV_LINK_LAYER_ETHERNET ? "Ethernet" :
	       layer == IBV_LINK_LAYER_INFINIBAND ? "InfiniBand" : "unspecified";
}

/*
 * The speed of a port. active_width and active_speed are codes of the InfiniBand specification,
 * with one bit for each value. An unknown width counts as one lane.
 */
static double gbit_per_s(uint8_t width, uint8_t speed)
{
	static const struct { uint8_t code; unsigned lanes; } widths[] = {
		{ 1, 1 }, { 2, 4 }, { 4, 8 }, { 8, 12 }, { 16, 2 },
	};
	static const struct { uint8_t code; double gbit; } speeds[] = {
		{ 1, 2.5 }, { 2, 5 }, { 4, 10 }, { 8, 10 }, { 16, 14 }, { 32, 25 }, { 64, 50 },
		{ 128, 100 },
	};
	double gbit = 0;

	for (size_t i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++)
		if (speeds[i].code == speed)
			gbit = speeds[i].gbit;
	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++)
		if (widths[i].code == width)
			return gbit * widths[i].lanes;
	return gbit;
}

/* Fill in *port. 0, or an errno value. */
static int query_port(struct ibv_context *context, unsigned number, struct port *port)
{
	struct ibv_port_attr attr;
	int error;

	memset(&attr, 0, sizeof(attr));
	error = ibv_query_port(context, (uint8_t)number, &attr);
	if (error)
		return error;
	port->number = number;
	port->state = state_name(attr.state);
	port->active = attr.state == IBV_PORT_ACTIVE;
	port->link = link_name(attr.link_layer);
	/* A code: 1 is 256 bytes, and each further one twice as many. */
	port->mtu = attr.active_mtu ? 128u << attr.active_mtu : 0;
	port->lid = attr.lid;
	port->gbit_per_s = gbit_per_s(attr.active_width, attr.active_speed);
	return 0;
}

static void print_port(struct json *json, const char *device, const struct port *port)
{
	if (json) {
		json_object(json, NULL);
		json_number(json, "port", port->number);
		json_text(json, "state", port->state);
		json_text(json, "link_layer", port->link);
		json_number(json, "mtu", port->mtu);
		json_number(json, "lid", port->lid);
		json_real(json, "gbit_per_s", port->gbit_per_s);
		json_close(json, '}');
		return;
	}
	printf("rdma           %-6s %s port %u: %s, %s, mtu %u, %g Gbit/s\n",
	       port->active ? "ok" : "short", device, port->number, port->state, port->link,
	       port->mtu, port->gbit_per_s);
	if (!port->active)
		printf("%-21s remedy: bring its link up (rdma link; ip link); InfiniBand needs a subnet "
		       "manager on its fabric too\n", "");
}

/* Print why a device that exists cannot be used. */
static void print_trouble(struct json *json, const char *text, const char *remedy)
{
	if (json) {
		json_text(json, "trouble", text);
		json_text(json, "remedy", remedy);
		return;
	}
	printf("rdma           short  %s\n%-21s remedy: %s\n", text, "", remedy);
}

static void print_trouble_opening(struct json *json, const char *name, int error)
{
	char text[256];

	rm_format(text, sizeof(text), "%s: %s", name, rm_errno_text(error));
	print_trouble(json, text, "give this user access to /dev/infiniband (in a container: pass "
	              "the devices in)");
}

/* True if the device pages on demand for reads over reliable connections, which rmmapd uses. */
static bool pages_on_demand(struct ibv_context *context)
{
	struct ibv_device_attr_ex attr;

	memset(&attr, 0, sizeof(attr));
	if (ibv_query_device_ex(context, NULL, &attr))
		return false;
	return (attr.odp_caps.general_caps & IBV_ODP_SUPPORT) &&
	       (attr.odp_caps.per_transport_caps.rc_odp_caps & IBV_ODP_SUPPORT_READ);
}

/* Print what the device can register, and a remedy if too little may be locked for it. */
static void print_limits(struct json *json, const char *name, struct ibv_context *context,
                         const struct ibv_device_attr *attr)
{
	bool odp = pages_on_demand(context);
	uint64_t memlock = rm_memlock_limit();
	char text[256];

	if (json) {
		json_bool(json, "on_demand_paging", odp);
		json_number(json, "max_regions", (uint64_t)attr->max_mr);
		json_number(json, "max_region_bytes", attr->max_mr_size);
		if (memlock == UINT64_MAX)
			json_text(json, "memlock_bytes", NULL);
		else
			json_number(json, "memlock_bytes", memlock);
	} else {
		printf("rdma           %-6s %s: registers up to %d regions, on-demand paging: %s\n",
		       "ok", name, attr->max_mr, odp ? "yes" : "no, what is registered is locked");
	}
	if (memlock >= RM_MEMLOCK_LEAST)
		return;
	rm_format(text, sizeof(text), "%s: only %llu KiB may be locked, so that rmmapd does not use "
	          "it", name, (unsigned long long)memlock >> 10);
	print_trouble(json, text, "'ulimit -l unlimited', memlock in /etc/security/limits.conf, "
	              "LimitMEMLOCK=infinity in a unit; then start rmmapd anew");
}

static void print_device(struct json *json, struct ibv_device *device)
{
	const char *name = ibv_get_device_name(device);
	struct ibv_context *context = ibv_open_device(device);
	struct ibv_device_attr attr;
	struct port port;
	/* Read at once: json calls of stdio may change it. */
	int error = context ? 0 : errno;

	if (json) {
		json_object(json, NULL);
		json_text(json, "name", name);
	}
	if (!error)
		error = ibv_query_device(context, &attr);
	if (error)
		print_trouble_opening(json, name, error);
	else
		print_limits(json, name, context, &attr);
	/* Also for a device that cannot be opened: the list is empty then, not absent. */
	if (json)
		json_array(json, "ports");
	for (unsigned i = 1; !error && i <= attr.phys_port_cnt; i++)
		if (!query_port(context, i, &port))
			print_port(json, name, &port);
	if (json) {
		json_close(json, ']');
		json_close(json, '}');
	}
	if (context)
		ibv_close_device(context);
}

/* True if the directory exists and is not empty. */
static bool has_entries(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	bool found = false;

	while (dir && !found && (entry = readdir(dir)))
		found = entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return found;
}

/* The remedy if libibverbs sees no device, by what the kernel has. */
static const char *remedy_for_none(void)
{
	/*
	 * A device has the first directory by its driver, and the second one by ib_uverbs. With
	 * both, only its library is missing.
	 */
	if (!has_entries("/sys/class/infiniband"))
		return "none is needed. Where there is a card, load its driver; without one, "
		       "'rdma link add rxe0 type rxe netdev INTERFACE' gives verbs over Ethernet";
	if (!has_entries("/sys/class/infiniband_verbs"))
		return "the kernel has a device: 'modprobe ib_uverbs' (in a container: pass "
		       "/dev/infiniband in)";
	return "the kernel has a device: install its libibverbs driver (ibverbs-providers, rdma-core)";
}

void rdma_print(struct json *json)
{
	int count = 0;
	struct ibv_device **devices = ibv_get_device_list(&count);

	if (json)
		json_array(json, "rdma_devices");
	for (int i = 0; devices && i < count; i++)
		print_device(json, devices[i]);
	if (json)
		json_close(json, ']');
	if (!devices || !count) {
		if (json)
			json_text(json, "rdma_remedy", remedy_for_none());
		else
			printf("rdma           -      no RDMA device\n%-21s remedy: %s\n", "",
			       remedy_for_none());
	} else if (json) {
		json_text(json, "rdma_remedy", NULL);
	}
	if (devices)
		ibv_free_device_list(devices);
}
