/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fi_read.c - the limit: fi_read over "tcp;ofi_rxm" of a flat buffer that is registered when
 * the clock starts, into fresh memfd pages, of just those pages that the walk looks at
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>
#include <sys/mman.h>

#include "ways.h"

#define REF(type) type *
#include "shapes.h"

#define PIECE (1u << 20)
#define WINDOW 16

struct offer {                          /* what the producer tells of its memory */
	uint64_t base, key, pages;
};

static struct fi_info *info;
static struct fid_domain *domain;
static struct fid_ep *ep;
static struct fid_cq *cq;
static fi_addr_t peer;
static uint64_t next_key = 0x1234;

static void must(long result, const char *call)
{
	if (result) {
		fprintf(stderr, "bench: %s: %s\n", call, fi_strerror((int)-result));
		exit(1);
	}
}
#define MUST(call) must((long)(call), #call)

static struct fid_mr *registered(void *memory, size_t bytes, uint64_t access)
{
	struct fid_mr *mr;

	MUST(fi_mr_reg(domain, memory, bytes, access, 0, next_key++, 0, &mr, NULL));
	if (info->domain_attr->mr_mode & FI_MR_ENDPOINT) {
		MUST(fi_mr_bind(mr, &ep->fid, 0));
		MUST(fi_mr_enable(mr));
	}
	return mr;
}

static struct offer offer_of(void *memory, size_t bytes)
{
	struct fid_mr *mr = registered(memory, bytes, FI_REMOTE_READ);
	struct offer offer = { .key = fi_mr_key(mr), .pages = bytes / PAGE };

	if (info->domain_attr->mr_mode & FI_MR_VIRT_ADDR)
		offer.base = (uint64_t)(uintptr_t)memory;
	return offer;
}

/* The address of this side's end of the connection is where libfabric listens too. */
static void open_endpoint(struct handover *handover, char *name, size_t *length)
{
	struct fi_info *hints = fi_allocinfo();
	struct fi_av_attr av_attr = { .type = FI_AV_UNSPEC };
	struct fi_cq_attr cq_attr = { .size = 1024, .format = FI_CQ_FORMAT_CONTEXT,
	                              .wait_obj = FI_WAIT_FD };
	struct fid_fabric *fabric;
	struct fid_av *av;
	struct sockaddr_in own;
	socklen_t size = sizeof own;
	char address[INET_ADDRSTRLEN], theirs[256];

	if (!hints || getsockname(handover->link.fd, (struct sockaddr *)&own, &size) ||
	    !inet_ntop(AF_INET, &own.sin_addr, address, sizeof address))
		bench_die("no address for libfabric");
	hints->ep_attr->type = FI_EP_RDM;
	hints->caps = FI_MSG | FI_RMA | FI_READ | FI_REMOTE_READ;
	hints->mode = ~0ull;
	hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY |
	                              FI_MR_ENDPOINT;
	hints->fabric_attr->prov_name = strdup("tcp;ofi_rxm");
	MUST(fi_getinfo(FI_VERSION(1, 17), address, NULL, FI_SOURCE, hints, &info));
	MUST(fi_fabric(info->fabric_attr, &fabric, NULL));
	MUST(fi_domain(fabric, info, &domain, NULL));
	MUST(fi_endpoint(domain, info, &ep, NULL));
	MUST(fi_av_open(domain, &av_attr, &av, NULL));
	MUST(fi_cq_open(domain, &cq_attr, &cq, NULL));
	MUST(fi_ep_bind(ep, &av->fid, 0));
	MUST(fi_ep_bind(ep, &cq->fid, FI_SEND | FI_RECV));
	MUST(fi_enable(ep));
	MUST(fi_getname(&ep->fid, name, length));
	bench_write(handover->link.fd, name, 256);
	if (bench_read(handover->link.fd, theirs, sizeof theirs) != sizeof theirs ||
	    fi_av_insert(av, theirs, 1, &peer, 0, NULL) != 1)
		bench_die("fi_av_insert failed");
	fi_freeinfo(hints);
}

static void *progress(void *unused)     /* nobody's reads finish unless the target looks */
{
	struct fi_cq_entry entry;

	(void)unused;
	for (;;)
		fi_cq_sread(cq, &entry, 1, NULL, 100);
	return NULL;
}

static void read_pages(char *to, const struct offer *offer, enum touch touch)
{
	const uint64_t visits = flat_visits(offer->pages, touch);
	unsigned char *seen = scratch(offer->pages);
	struct fid_mr *mr = NULL;
	struct fi_cq_entry entry;
	uint64_t visit = 0, posted = 0, done = 0;

	if (info->domain_attr->mr_mode & FI_MR_LOCAL)
		mr = registered(to, offer->pages * PAGE, FI_READ);
	while (visit < visits || done < posted) {
		const uint64_t page = visit < visits ? flat_page(offer->pages, touch, visit) : 0;
		uint64_t run = 0;
		ssize_t n = 0;

		while (visit + run < visits && run < PIECE / PAGE &&
		       flat_page(offer->pages, touch, visit + run) == page + run && !seen[page + run])
			run++;
		if (run && posted - done < WINDOW) {
			n = fi_read(ep, to + page * PAGE, run * PAGE, mr ? fi_mr_desc(mr) : NULL, peer,
			            offer->base + page * PAGE, offer->key, NULL);
			if (n && n != -FI_EAGAIN)
				must((long)n, "fi_read");
			if (n == 0) {
				memset(seen + page, 1, run);
				visit += run;
				posted++;
			}
		} else if (!run && visit < visits) {
			visit++;
		}
		n = fi_cq_read(cq, &entry, 1);
		if (n != 1 && n != -FI_EAGAIN)
			bench_die("a read failed");
		done += n == 1;
	}
	scratch_free(seen, offer->pages);
}

static char *fresh(size_t bytes)
{
	const int fd = memfd_create("bench", MFD_CLOEXEC);
	char *memory;

	if (fd < 0 || ftruncate(fd, (off_t)bytes))
		bench_die("memfd_create failed");
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		bench_die("out of memory");
	close(fd);
	return memory;
}

static struct offer offer;
static struct flat result;

static void fi_start(struct handover *handover, int produces)
{
	char name[256] = "";
	size_t length = sizeof name;
	pthread_t thread;
	char *page = fresh(PAGE);

	open_endpoint(handover, name, &length);
	if (produces) {
		offer = offer_of(page, PAGE);
		bench_write(handover->link.fd, &offer, sizeof offer);
		if (pthread_create(&thread, NULL, progress, NULL))
			bench_die("pthread_create failed");
		return;
	}
	if (bench_read(handover->link.fd, &offer, sizeof offer) != sizeof offer)
		bench_die("the other side is gone");
	read_pages(page, &offer, FULL);
}

static void *fi_build(struct handover *handover, size_t bytes)
{
	struct flat *flat = structures.build(handover->kind, bytes);

	if (handover->kind != FLAT)
		bench_die("fi_read is for a flat buffer");
	offer = offer_of(flat->data, flat->count * PAGE);
	return flat;
}

static void fi_send_offer(struct handover *handover, const void *root)
{
	(void)root;
	bench_write(handover->link.fd, &offer, sizeof offer);
}

static void *fi_receive(struct handover *handover)
{
	char *memory;

	if (bench_read(handover->link.fd, &offer, sizeof offer) != sizeof offer)
		bench_die("the other side is gone");
	memory = fresh(offer.pages * PAGE);
	read_pages(memory, &offer, handover->touch);
	result = (struct flat){ offer.pages, (uint64_t *)(void *)memory };
	return &result;
}

static void fi_release(struct handover *handover, void *root)
{
	const struct flat *flat = root;

	(void)handover;
	munmap(flat->data, flat->count * PAGE);
}

const struct way way_fi_read = {
	.name = "fi_read", .shape = &structures, .start = fi_start, .starts_warm = 1, .build = fi_build,
	.send = fi_send_offer, .receive = fi_receive, .release = fi_release,
};
