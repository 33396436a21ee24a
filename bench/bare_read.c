/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bare_read - the limit for a fetch: fi_read in a loop, nothing around it, from a
 * process that has the memory registered into a fresh memfd mapping, over
 * "tcp;ofi_rxm" on loopback. Prints the seconds for the reads alone.
 *
 *   bare_read MIB [PIECE_KIB [WINDOW]]
 */
#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "bench.h"

struct side {
	struct fi_info *info;
	struct fid_fabric *fabric;
	struct fid_domain *domain;
	struct fid_ep *ep;
	struct fid_av *av;
	struct fid_cq *cq;
};

struct offer {                          /* what the serving side tells the reading side */
	char name[256];
	size_t name_length;
	uint64_t base, key;
};

static void must(long result, const char *call)
{
	if (result) {
		fprintf(stderr, "bench: %s: %s\n", call, fi_strerror((int)-result));
		exit(1);
	}
}
#define MUST(call) must((long)(call), #call)

static void open_side(struct side *side)
{
	struct fi_info *hints = fi_allocinfo();
	struct fi_av_attr av = { .type = FI_AV_UNSPEC };
	struct fi_cq_attr cq = { .size = 1024, .format = FI_CQ_FORMAT_CONTEXT, .wait_obj = FI_WAIT_FD };

	if (!hints)
		bench_die("out of memory");
	hints->ep_attr->type = FI_EP_RDM;
	hints->caps = FI_MSG | FI_RMA | FI_READ | FI_REMOTE_READ;
	hints->mode = ~0ull;
	hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY |
	                              FI_MR_ENDPOINT;
	hints->fabric_attr->prov_name = strdup("tcp;ofi_rxm");
	MUST(fi_getinfo(FI_VERSION(1, 17), "127.0.0.1", NULL, FI_SOURCE, hints, &side->info));
	MUST(fi_fabric(side->info->fabric_attr, &side->fabric, NULL));
	MUST(fi_domain(side->fabric, side->info, &side->domain, NULL));
	MUST(fi_endpoint(side->domain, side->info, &side->ep, NULL));
	MUST(fi_av_open(side->domain, &av, &side->av, NULL));
	MUST(fi_cq_open(side->domain, &cq, &side->cq, NULL));
	MUST(fi_ep_bind(side->ep, &side->av->fid, 0));
	MUST(fi_ep_bind(side->ep, &side->cq->fid, FI_SEND | FI_RECV));
	MUST(fi_enable(side->ep));
	fi_freeinfo(hints);
}

static void serve(int to, size_t bytes)
{
	struct side side;
	struct offer offer = { .name_length = sizeof offer.name };
	struct fid_mr *mr;
	struct fi_cq_entry entry;
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (memory == MAP_FAILED)
		bench_die("out of memory");
	memset(memory, 7, bytes);
	open_side(&side);
	MUST(fi_mr_reg(side.domain, memory, bytes, FI_REMOTE_READ, 0, 0x1234, 0, &mr, NULL));
	if (side.info->domain_attr->mr_mode & FI_MR_ENDPOINT) {
		MUST(fi_mr_bind(mr, &side.ep->fid, 0));
		MUST(fi_mr_enable(mr));
	}
	MUST(fi_getname(&side.ep->fid, offer.name, &offer.name_length));
	offer.key = fi_mr_key(mr);
	if (side.info->domain_attr->mr_mode & FI_MR_VIRT_ADDR)
		offer.base = (uint64_t)(uintptr_t)memory;
	bench_write(to, &offer, sizeof offer);
	for (;;)
		fi_cq_sread(side.cq, &entry, 1, NULL, 1000);
}

static double read_all(struct side *side, const struct offer *offer, char *to, size_t bytes,
                       size_t piece, size_t window)
{
	size_t posted = 0, done = 0;
	const size_t pieces = (bytes + piece - 1) / piece;
	const double start = bench_now();
	struct fid_mr *mr = NULL;
	struct fi_cq_entry entry;
	fi_addr_t peer;

	if (fi_av_insert(side->av, offer->name, 1, &peer, 0, NULL) != 1)
		bench_die("fi_av_insert failed");
	if (side->info->domain_attr->mr_mode & FI_MR_LOCAL)
		MUST(fi_mr_reg(side->domain, to, bytes, FI_READ, 0, 0x99, 0, &mr, NULL));
	while (done < pieces) {
		ssize_t n;

		while (posted < pieces && posted - done < window) {
			const size_t at = posted * piece;
			const size_t length = bytes - at < piece ? bytes - at : piece;

			n = fi_read(side->ep, to + at, length, mr ? fi_mr_desc(mr) : NULL, peer,
			            offer->base + at, offer->key, NULL);
			if (n == -FI_EAGAIN)
				break;
			must((long)n, "fi_read");
			posted++;
		}
		n = fi_cq_read(side->cq, &entry, 1);
		if (n == 1)
			done++;
		else if (n != -FI_EAGAIN)
			bench_die("a read failed");
	}
	return bench_now() - start;
}

int main(int argc, char **argv)
{
	const size_t bytes = argc > 1 ? (size_t)atoi(argv[1]) << 20 : 0;
	const size_t piece = argc > 2 ? (size_t)atoi(argv[2]) << 10 : 1 << 20;
	const size_t window = argc > 3 ? (size_t)atoi(argv[3]) : 16;
	struct side side;
	struct offer offer;
	int pair[2], fd;
	pid_t server;
	char *to;

	if (!bytes || !piece || !window)
		bench_die("usage: bare_read MIB [PIECE_KIB [WINDOW]]");
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		bench_die("socketpair failed");
	server = fork();                        /* before any fi_ call: endpoints do not survive it */
	if (server == 0)
		serve(pair[1], bytes);
	if (bench_read(pair[0], &offer, sizeof offer) != sizeof offer)
		bench_die("the serving side failed");
	open_side(&side);
	fd = memfd_create("bench", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, (off_t)bytes))
		bench_die("memfd_create failed");
	to = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (to == MAP_FAILED)
		bench_die("out of memory");
	printf("%.6f\n", read_all(&side, &offer, to, bytes, piece, window));
	for (size_t i = 0; i < bytes; i += 4096)
		if (to[i] != 7)
			bench_die("wrong content");
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	return 0;
}
