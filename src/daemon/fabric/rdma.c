/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rdma.c - RDMA devices: whether and why not they can be used, and the events of their ports
 *
 * Worker thread only. Allocates with malloc; libibverbs does, too.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <infiniband/verbs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../../common/memlock.h"
#include "../../common/say.h"
#include "rdma.h"
#include "../base/container.h"

struct rdma_watch {
	struct loop *loop;
	struct source source;           /* the device's asynchronous events */
	struct ibv_context *context;
	bool active;                    /* what changed() was told last; true at first */
	void (*changed)(void *arg, bool active);
	void *arg;
};

/* ---- may it be used? ---- */

/* Has the device an active port? */
static bool device_active(struct ibv_context *context)
{
	struct ibv_device_attr device;
	struct ibv_port_attr port;
	unsigned i;

	if (ibv_query_device(context, &device))
		return false;
	for (i = 1; i <= device.phys_port_cnt; i++) {
		memset(&port, 0, sizeof(port));
		if (!ibv_query_port(context, (uint8_t)i, &port) &&
		    (port.state == IBV_PORT_ACTIVE || port.state == IBV_PORT_ACTIVE_DEFER))
			return true;
	}
	return false;
}

static int device_check_memlock(const char *device, char *why, size_t size)
{
	uint64_t limit = rm_memlock_limit();

	if (limit >= RM_MEMLOCK_LEAST)
		return 0;
	rm_format(why, size, "RDMA device %s is not used: it needs as much locked memory as is "
	          "published or fetched, and the limit is %llu KiB: raise it (ulimit -l unlimited, "
	          "LimitMEMLOCK=infinity) and start rmmapd anew", device,
	          (unsigned long long)limit >> 10);
	return -ENOMEM;
}

/* libibverbs lists no device. 0: neither has the kernel one; -ENODEV with why: it has. */
static int kernel_check_devices(char *why, size_t size)
{
	DIR *dir = opendir("/sys/class/infiniband");
	struct dirent *entry;
	int found = 0;

	while (dir && !found && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		rm_format(why, size, "RDMA device %s is not used: libibverbs does not list it: "
		          "'modprobe ib_uverbs', install its driver (ibverbs-providers), and in a "
		          "container pass /dev/infiniband in", entry->d_name);
		found = -ENODEV;
	}
	if (dir)
		closedir(dir);
	return found;
}

/* 0; -errno: the device cannot be used, with why. */
static int device_check(struct ibv_device *device, char *why, size_t size)
{
	const char *name = ibv_get_device_name(device);
	struct ibv_context *context;
	int error;

	errno = 0;
	context = ibv_open_device(device);
	if (!context) {
		error = errno ? errno : ENODEV;
		rm_format(why, size, "RDMA device %s is not used: it cannot be opened (%s): give "
		          "this user access to /dev/infiniband (in a container: pass the devices "
		          "in)", name, rm_errno_text(error));
		return -error;
	}
	error = device_active(context) ? 0 : -ENETDOWN;
	ibv_close_device(context);
	if (error)
		rm_format(why, size, "RDMA device %s is not used: no port of it is active: bring "
		          "its link up (rdma link)", name);
	else
		error = device_check_memlock(name, why, size);
	return error;
}

int rdma_usable(char *why, size_t size)
{
	int count = 0, i, result = 0, one;
	struct ibv_device **devices = ibv_get_device_list(&count);

	why[0] = 0;
	for (i = 0; devices && i < count && result != 1; i++) {
		one = device_check(devices[i], why, size);
		result = one ? one : 1;
	}
	if (devices)
		ibv_free_device_list(devices);
	if (result == 1)
		why[0] = 0;
	return result ? result : kernel_check_devices(why, size);
}

/* ---- its events ---- */

static void watch_event(struct source *source, uint32_t events)
{
	struct rdma_watch *watch = container_of(source, struct rdma_watch, source);
	struct ibv_async_event event;
	bool active, fatal = false;

	(void)events;
	while (!ibv_get_async_event(watch->context, &event)) {
		fatal |= event.event_type == IBV_EVENT_DEVICE_FATAL;
		ibv_ack_async_event(&event);
	}
	/* Look at the ports whatever the events were: those of a port that flaps may be merged. */
	active = !fatal && device_active(watch->context);
	if (active == watch->active)
		return;
	watch->active = active;
	watch->changed(watch->arg, active);
}

/* Open the device that a domain's name of libfabric means. NULL: there is none. */
static struct ibv_context *device_open_named(const char *name)
{
	struct ibv_device **devices = ibv_get_device_list(NULL);
	struct ibv_context *context = NULL;
	size_t length;
	int i;

	for (i = 0; devices && devices[i] && !context; i++) {
		length = strlen(ibv_get_device_name(devices[i]));
		/* libfabric's name may be longer: "mlx5_0-xrc". */
		if (!strncmp(name, ibv_get_device_name(devices[i]), length) &&
		    (!name[length] || name[length] == '-'))
			context = ibv_open_device(devices[i]);
	}
	if (devices)
		ibv_free_device_list(devices);
	return context;
}

struct rdma_watch *rdma_watch(struct loop *loop, const char *device,
                              void (*changed)(void *arg, bool active), void *arg)
{
	struct rdma_watch *watch = calloc(1, sizeof(*watch));
	int flags;

	if (!watch)
		return NULL;
	watch->loop = loop;
	watch->changed = changed;
	watch->arg = arg;
	watch->active = true;
	watch->context = device_open_named(device);
	if (!watch->context) {
		free(watch);
		return NULL;
	}
	watch->source.fd = watch->context->async_fd;
	watch->source.ready = watch_event;
	flags = fcntl(watch->source.fd, F_GETFL);
	if (flags < 0 || fcntl(watch->source.fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    loop_add(loop, &watch->source, EPOLLIN)) {
		ibv_close_device(watch->context);
		free(watch);
		return NULL;
	}
	return watch;
}

void rdma_unwatch(struct rdma_watch *watch)
{
	if (!watch)
		return;
	loop_remove(watch->loop, &watch->source);
	ibv_close_device(watch->context);
	free(watch);
}
