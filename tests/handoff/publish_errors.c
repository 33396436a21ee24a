/* SPDX-License-Identifier: BSD-2-Clause */
/* rmmap_publish() of what cannot be published: each a clear error, and nothing is published. */
#include "handoff.h"

#include <limits.h>
#include <stddef.h>
#include <sys/resource.h>

static int global;
static const char constant[] = "constant";

static void refuse(const void *root, int error, const char *words)
{
	char handle[RMMAP_HANDLE_MAX] = "old";

	errno = 0;
	CHECK(rmmap_publish(root, handle, sizeof(handle)) == -1);
	CHECK(handle[0] == '\0');
	CHECK_ERROR(error, words);
	CHECK(strncmp(rmmap_error(), "rmmap_publish: ", 15) == 0);
}

static void roots(void)
{
	int local = 0;

	refuse(NULL, EFAULT, "NULL");
	refuse(&local, EFAULT, "stack");
	refuse(&global, EFAULT, "publish_errors");
	refuse(constant, EFAULT, "publish_errors");
	refuse((void *)(uintptr_t)refuse, EFAULT, "publish_errors");
	refuse((void *)(uintptr_t)64, EFAULT, "no address");
	refuse((void *)(uintptr_t)UINT64_C(0x4fffffff0000), EFAULT, "no address");
}

/* Sizes from 0 to that of the handle: ERANGE, and no byte beyond the buffer is touched. */
static void buffers(const void *root)
{
	char handle[RMMAP_HANDLE_MAX], good[RMMAP_HANDLE_MAX];
	size_t length;

	CHECK(rmmap_publish(root, good, sizeof(good)) == 0);
	length = strlen(good);
	CHECK(rmmap_unpublish(good) == 0);
	for (size_t size = 0; size <= length; size += size < length - 1 ? length / 3 - 1 : 1) {
		memset(handle, 'x', sizeof(handle));
		CHECK(rmmap_publish(root, handle, size) == -1);
		CHECK_ERROR(ERANGE, "RMMAP_HANDLE_MAX");
		CHECK(size == 0 || handle[0] == '\0');
		CHECK(handle[size] == 'x');
	}
	CHECK(rmmap_publish(root, NULL, 100) == -1);
	CHECK_ERROR(EINVAL, "NULL");
	CHECK(rmmap_publish(root, handle, length + 1) == 0);
	CHECK(rmmap_unpublish(handle) == 0);
}

static void options(const void *root)
{
	struct { struct rmmap_publish_options known; uint64_t more; } newer = {
		RMMAP_PUBLISH_OPTIONS_INIT, 0
	};
	struct rmmap_publish_options o = RMMAP_PUBLISH_OPTIONS_INIT;
	char handle[RMMAP_HANDLE_MAX];

	newer.known.size = sizeof(newer);
	CHECK(rmmap_publish_with(root, &newer.known, handle, sizeof(handle)) == 0);
	CHECK(rmmap_unpublish(handle) == 0);
	newer.more = 1;
	CHECK(rmmap_publish_with(root, &newer.known, handle, sizeof(handle)) == -1);
	CHECK_ERROR(E2BIG, "newer");
	o.size = 4;
	CHECK(rmmap_publish_with(root, &o, handle, sizeof(handle)) == -1);
	CHECK_ERROR(EINVAL, "OPTIONS_INIT");
	o.size = sizeof(o);
	o.flags = 0x80;
	CHECK(rmmap_publish_with(root, &o, handle, sizeof(handle)) == -1);
	CHECK_ERROR(EINVAL, "0x80");
	o.flags = RMMAP_SELF_CONTAINED;
	o.ttl_ms = UINT_MAX;
	CHECK(rmmap_publish_with(root, &o, handle, sizeof(handle)) == 0);
	CHECK(rmmap_unpublish(handle) == 0);
	CHECK(rmmap_unpublish(handle) == -1 && errno == ENOENT);
}

static void limits(const void *root)
{
	struct rlimit files, few = { 3, 0 }, old, small = { 4096, 0 };
	char handle[RMMAP_HANDLE_MAX];

	CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0);
	few.rlim_max = files.rlim_max;
	CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
	CHECK(rmmap_publish(root, handle, sizeof(handle)) == -1);
	CHECK_ERROR(EMFILE, "ulimit -n");
	CHECK(setrlimit(RLIMIT_NOFILE, &files) == 0);

	CHECK(getrlimit(RLIMIT_FSIZE, &old) == 0);
	small.rlim_max = old.rlim_max;
	CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
	CHECK(rmmap_publish(root, handle, sizeof(handle)) == -1);
	CHECK_ERROR(EFBIG, "ulimit -f");
	CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0);
	CHECK(rmmap_publish(root, handle, sizeof(handle)) == 0);
	CHECK(rmmap_unpublish(handle) == 0);
}

/* What is attached is handed on; what was, is no address any more. */
static void attached(void)
{
	char handle[RMMAP_HANDLE_MAX], again[RMMAP_HANDLE_MAX];
	void *root;

	produce("tree", handle);
	root = rmmap_attach(handle);
	CHECK(root);
	CHECK(rmmap_publish(root, again, sizeof(again)) == 0);
	CHECK(rmmap_unpublish(again) == 0);
	CHECK(rmmap_detach(root) == 0);
	refuse(root, EFAULT, "no address");
	CHECK(rmmap_unpublish(handle) == 0);
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);
	int before;
	void *root;

	if (mode && strcmp(mode, "produce") == 0)
		return produce_mode(argv[2]);
	CHECK(rmmap_error()[0] == '\0');
	root = strdup("something");
	roots();
	buffers(root);
	before = own_descriptors();
	options(root);
	limits(root);
	attached();
	/* besides: the heap's next file, and what tells which pages were written */
	CHECK(own_descriptors() <= before + 2);
	return 0;
}
