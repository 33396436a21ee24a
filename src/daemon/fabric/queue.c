/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * queue.c - the completion queue: opened, and read
 *
 * Each completion leads to its struct fabric_op, and from there to message.c or read.c.
 *
 * Worker thread only. Allocates nothing itself; libfabric does.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "internal.h"

static void op_complete(struct fabric *fabric, struct fabric_op *op, size_t length, int error)
{
	if (op->kind == FABRIC_PIECE_READ)
		fabric_piece_done(fabric, op, error);
	else
		fabric_message_done(fabric, op, length, error);
}

/* Read one failed operation. ECANCELED from the provider means a lost connection, not a cancel. */
static bool queue_read_error(struct fabric *fabric)
{
	struct fi_cq_err_entry entry;

	memset(&entry, 0, sizeof(entry));
	if (fi_cq_readerr(fabric->cq, &entry, 0) != 1)
		return false;
	if (entry.op_context)
		op_complete(fabric, entry.op_context, 0,
		            entry.err > 0 && entry.err != FI_ECANCELED ? -entry.err : -EIO);
	return true;
}

bool fabric_queue_read(struct fabric *fabric)
{
	struct fi_cq_msg_entry entries[16];
	bool any = false;
	unsigned rounds;
	ssize_t count, i;

	/* The rounds are bounded, so that the loop gets to its other work. */
	for (rounds = 0; rounds < 16; rounds++) {
		/*
		 * If somebody connects and hangs up without a byte (a port scan does), the tcp
		 * provider (xnet_recv_cm_msg() in 1.17 and later) reads an old EAGAIN in errno as
		 * its own, and keeps the socket, which stays readable for ever.
		 */
		errno = 0;
		count = fi_cq_read(fabric->cq, entries, 16);
		if (count == -FI_EAVAIL) {
			if (!queue_read_error(fabric))
				break;
			count = 0;
		} else if (count <= 0) {
			break;
		}
		any = true;
		for (i = 0; i < count; i++)
			if (entries[i].op_context)
				op_complete(fabric, entries[i].op_context, entries[i].len, 0);
	}
	return any;
}

int fabric_queue_open(struct fabric *fabric)
{
	struct fi_cq_attr attr = {
		.size = FABRIC_CQ_SIZE,
		.format = FI_CQ_FORMAT_MSG,
		.wait_obj = FI_WAIT_FD,
	};
	int error = fi_cq_open(fabric->domain, &attr, &fabric->cq, NULL);

	fabric->wait.fd = -1;
	if (!error && fi_control(&fabric->cq->fid, FI_GETWAIT, &fabric->wait.fd))
		fabric->wait.fd = -1;
	if (error != -FI_ENOSYS && error != -FI_EOPNOTSUPP)
		return error;
	attr.wait_obj = FI_WAIT_NONE;
	return fi_cq_open(fabric->domain, &attr, &fabric->cq, NULL);
}

/*
 * Does the descriptor work? That of the net provider in libfabric 1.17 stays readable for ever
 * after a signal, and a loop that sleeps on it would spin. So signal it once, and see whether
 * fi_trywait() clears it.
 */
bool fabric_queue_wakes(struct fabric *fabric)
{
	struct fid *fids[1] = { &fabric->cq->fid };
	struct pollfd look = { .fd = fabric->wait.fd, .events = POLLIN };
	unsigned i;

	if (look.fd < 0)
		return false;
	if (fi_cq_signal(fabric->cq))
		return true;            /* it cannot be tried: trust it */
	for (i = 0; i < 8; i++) {
		fabric_queue_read(fabric);
		if (fi_trywait(fabric->net, fids, 1) == FI_SUCCESS && !poll(&look, 1, 1))
			return true;
	}
	return false;
}
