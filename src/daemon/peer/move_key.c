/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * move_key.c - the key that two hosts share which hand publications to each other
 *
 * It is derived from a file in the run directory, which is the current directory. The file is read
 * each time, so that it may be added, replaced or removed while rmmapd runs.
 *
 * Worker thread only. Does not allocate.
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../common/rundir.h"
#include "../../common/say.h"
#include "internal.h"

#define KEY_MIN 16
#define KEY_MAX 4096

/*
 * Why the file cannot be used; NULL: it can. It may be a link to a mounted secret, which may
 * belong to root, and be readable by a group. Its group must not write it, and others must not
 * read it either.
 */
static const char *key_file_unfit(const struct stat *st)
{
	if (!S_ISREG(st->st_mode) || st->st_size < KEY_MIN || st->st_size > KEY_MAX)
		return "it is not a file of 16 to 4096 bytes";
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return "it is another user's";
	if (st->st_mode & (S_IWGRP | S_IRWXO))
		return "others may read it, or change it (chmod 600)";
	return NULL;
}

int peer_key(const struct context *context, struct peer_keys *keys, char *why, size_t why_size)
{
	uint8_t data[KEY_MAX], secret[RM_SECRET_BYTES];
	const char *wrong = NULL;
	struct stat st;
	ssize_t size = -1;
	int fd = context->private ? -1 : open(RM_MOVE_KEY_NAME, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		rm_format(why, why_size, "hosts that hand publications to each other need a secret "
		          "in common: put the same random bytes into " RM_MOVE_KEY_NAME " in the "
		          "run directory of each, readable only by you");
		return -ENOKEY;
	}
	if (!fstat(fd, &st))
		wrong = key_file_unfit(&st);
	if (!wrong)
		size = read(fd, data, sizeof(data));
	close(fd);
	if (size < KEY_MIN) {
		rm_format(why, why_size,
		          RM_MOVE_KEY_NAME " in the run directory cannot be used: %s",
		          wrong ? wrong : "it cannot be read");
		return -ENOKEY;
	}
	crypto_generichash(secret, sizeof(secret), data, (size_t)size, NULL, 0);
	peer_keys_derive(secret, keys);
	sodium_memzero(secret, sizeof(secret));
	sodium_memzero(data, sizeof(data));
	return 0;
}

bool peer_takes(struct context *context)
{
	struct peer_keys keys;
	char why[8];
	bool takes = !peer_key(context, &keys, why, sizeof(why));

	sodium_memzero(&keys, sizeof(keys));
	return takes;
}
