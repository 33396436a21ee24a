/* SPDX-License-Identifier: BSD-2-Clause */
/* rmmap_attach() of what cannot be attached: each a clear error, and nothing stays mapped. */
#include "handoff.h"

#include <sys/mman.h>

#include "../../src/common/handle.h"

static void refuse(const char *handle, int error, const char *words)
{
	errno = 0;
	CHECK(!rmmap_attach(handle));
	CHECK_ERROR(error, words);
	CHECK(strncmp(rmmap_error(), "rmmap_attach: ", 14) == 0);
}

static void damaged(const char *good)
{
	char text[RMMAP_HANDLE_MAX + 2048];
	size_t length = strlen(good);

	refuse(NULL, EINVAL, "NULL");
	refuse("", EINVAL, "not a handle");
	refuse("hello", EINVAL, "not a handle");
	refuse("rmmap1:", EINVAL, "damaged");
	for (size_t i = 7; i < length; i += 5) {
		snprintf(text, sizeof(text), "%.*s", (int)i, good);
		refuse(text, EINVAL, "damaged");
		snprintf(text, sizeof(text), "%s", good);
		text[i] = text[i] == 'A' ? 'B' : 'A';
		refuse(text, EINVAL, "damaged");
	}
	memset(text, 'A', sizeof(text));
	memcpy(text, "rmmap1:", 7);
	text[sizeof(text) - 1] = '\0';
	refuse(text, EINVAL, "damaged");
	snprintf(text, sizeof(text), "rmmap2:%s", good + 7);
	refuse(text, EPROTO, "version (rmmap2)");
	/* no damaged handle has made anybody start rmmapd, or asked it */
	CHECK(strstr(rmmap_error(), good + 7) == NULL);
}

static void other_layouts(const struct rm_handle *good)
{
	char text[RMMAP_HANDLE_MAX];
	struct rm_handle h = *good;

	h.layout.big_endian = !h.layout.big_endian;
	CHECK(rm_handle_encode(&h, text, sizeof(text)) == 0);
	refuse(text, EPROTO, "byte order");
	h = *good;
	h.layout.page_shift = 16;
	CHECK(rm_handle_encode(&h, text, sizeof(text)) == 0);
	refuse(text, EPROTO, "pages have 65536 bytes, this program's have 4096");
	h = *good;
	h.layout.window_base <<= 1;
	CHECK(rm_handle_encode(&h, text, sizeof(text)) == 0);
	refuse(text, EPROTO, "--with-window");
}

static void wrong_secret(const struct rm_handle *good)
{
	char text[RMMAP_HANDLE_MAX];
	struct rm_handle h = *good;

	h.secret[5] ^= 1;
	CHECK(rm_handle_encode(&h, text, sizeof(text)) == 0);
	refuse(text, EACCES, "");
	CHECK(rmmap_unpublish(text) == -1 && errno == EACCES);
	h = *good;
	h.id[0] ^= 1;
	CHECK(rm_handle_encode(&h, text, sizeof(text)) == 0);
	refuse(text, ENOENT, "");
	CHECK(rmmap_unpublish(text) == -1 && errno == ENOENT);
}

static void options(const char *good)
{
	struct rmmap_attach_options o = RMMAP_ATTACH_OPTIONS_INIT;

	o.flags = RMMAP_EAGER | RMMAP_LAZY;
	CHECK(!rmmap_attach_with(good, &o));
	CHECK_ERROR(EINVAL, "exclude");
	o.flags = 64;
	CHECK(!rmmap_attach_with(good, &o));
	CHECK_ERROR(EINVAL, "0x40");
	o.size = 3;
	CHECK(!rmmap_attach_with(good, &o));
	CHECK_ERROR(EINVAL, "OPTIONS_INIT");
}

/* Something of this process's at one page of the publication: named, and all is rolled back. */
static void address_taken(const char *handle)
{
	char *root = rmmap_attach(handle), *page, words[64];

	CHECK(root);
	CHECK(rmmap_detach(root) == 0);
	page = root - (uintptr_t)root % 4096;
	CHECK(mmap(page, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
	           -1, 0) == page);
	snprintf(words, sizeof(words), "%p", (void *)page);
	refuse(handle, EADDRINUSE, words);
	CHECK_ERROR(EADDRINUSE, "RMMAP_SLOT");
	CHECK(*page == 0 && mprotect(page, 4096, PROT_READ) == 0);
	CHECK(rmmap_detach(root) == -1 && errno == EINVAL);
	CHECK(munmap(page, 4096) == 0);
	root = rmmap_attach(handle);
	CHECK(root);
	CHECK(rmmap_detach(root) == 0);
}

static int twice_mode(void)
{
	char a[RMMAP_HANDLE_MAX], b[RMMAP_HANDLE_MAX], *root = strdup("first");

	CHECK(rmmap_publish(root, a, sizeof(a)) == 0);
	strcpy(root, "then");
	CHECK(rmmap_publish(root, b, sizeof(b)) == 0);
	printf("%s %s", a, b);
	return 0;
}

/* One process's heap, published twice: the two differ at every address. */
static void two_contents(void)
{
	char text[2 * RMMAP_HANDLE_MAX], *second, *root;

	CHECK(run_self("twice", "", text, sizeof(text)) == 0);
	second = strchr(text, ' ');
	*second++ = '\0';
	root = rmmap_attach(text);
	CHECK(root && strcmp(root, "first") == 0);
	refuse(second, EADDRINUSE, "differ");
	CHECK(strcmp(root, "first") == 0);
	CHECK(rmmap_detach(root) == 0);
	root = rmmap_attach(second);
	CHECK(root && strcmp(root, "then") == 0);
	CHECK(rmmap_detach(root) == 0);
}

static void own_root(void)
{
	char handle[RMMAP_HANDLE_MAX], *root = strdup("own");

	CHECK(rmmap_publish(root, handle, sizeof(handle)) == 0);
	refuse(handle, EADDRINUSE, "own");
	CHECK(strcmp(root, "own") == 0);
	CHECK(rmmap_unpublish(handle) == 0);
	refuse(handle, ENOENT, "");
}

static void readers(void)
{
	struct rmmap_publish_options o = RMMAP_PUBLISH_OPTIONS_INIT;
	char handle[RMMAP_HANDLE_MAX], out[16], *root = strdup("one reader");

	o.readers = 1;
	CHECK(rmmap_publish_with(root, &o, handle, sizeof(handle)) == 0);
	CHECK(run_self("read", handle, out, sizeof(out)) == 0);
	CHECK(run_self("read", handle, out, sizeof(out)) == ENOENT);
}

static int read_mode(const char *handle)
{
	const char *root = rmmap_attach(handle);

	if (!root)
		return errno;
	CHECK(strcmp(root, "one reader") == 0);
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = isolate(argc, argv);
	char handle[RMMAP_HANDLE_MAX + 8];
	struct rm_handle decoded;
	void *root;

	if (mode && strcmp(mode, "produce") == 0)
		return produce_mode(argv[2]);
	if (mode && strcmp(mode, "twice") == 0)
		return twice_mode();
	if (mode && strcmp(mode, "read") == 0)
		return read_mode(argv[2]);
	produce("tree", handle);
	damaged(handle);
	CHECK(rm_handle_decode(handle, &decoded) == 0);
	other_layouts(&decoded);
	wrong_secret(&decoded);
	options(handle);
	address_taken(handle);
	two_contents();
	own_root();
	readers();
	strcat(handle, " \t\n");
	root = rmmap_attach(handle);
	CHECK(root);
	CHECK(rmmap_detach(root) == 0 && rmmap_detach(root) == -1);
	CHECK_ERROR(EINVAL, "not the root");
	CHECK(rmmap_detach(&decoded) == -1 && errno == EINVAL);
	CHECK(rmmap_unpublish(handle) == 0);
	refuse(handle, ENOENT, "");
	return 0;
}
