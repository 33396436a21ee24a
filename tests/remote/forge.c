/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * forge WHAT HANDLE - a handle like this one but for one thing, its checksum right again
 *
 * WHAT: secret, id, window, page, address=A.B.C.D (of an IPv4 handle)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "../../src/common/handle.h"

static int change(struct rm_handle *handle, const char *what)
{
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)handle->fabric.name;

	if (strcmp(what, "secret") == 0)
		handle->secret[7] ^= 1;
	else if (strcmp(what, "id") == 0)
		handle->id[7] ^= 1;
	else if (strcmp(what, "window") == 0)
		handle->layout.window_base += (uint64_t)64 << 30;
	else if (strcmp(what, "page") == 0)
		handle->layout.page_shift++;
	else if (strncmp(what, "address=", 8) == 0 && in->sin_family == AF_INET)
		return inet_pton(AF_INET, what + 8, &in->sin_addr) == 1 ? 0 : -EINVAL;
	else
		return -EINVAL;
	return 0;
}

int main(int argc, char **argv)
{
	char text[RM_HANDLE_TEXT_MAX];
	struct rm_handle handle;

	if (argc != 3 || rm_handle_decode(argv[2], &handle) || change(&handle, argv[1]) ||
	    rm_handle_encode(&handle, text, sizeof(text))) {
		fprintf(stderr, "forge: wrong arguments\n");
		return 2;
	}
	puts(text);
	return 0;
}
