/* SPDX-License-Identifier: BSD-2-Clause */
/* header - rmmap.h as C99 and, as header.cc, as C++: every name is there with its type */
#include <rmmap.h>

#include <stdio.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif
static int (*volatile publish)(const void *, char *, size_t) = rmmap_publish;
static void *(*volatile attach)(const char *) = rmmap_attach;
static int (*volatile detach)(const void *) = rmmap_detach;
static int (*volatile unpublish)(const char *) = rmmap_unpublish;
static const char *(*volatile error)(void) = rmmap_error;
static const char *(*volatile version)(void) = rmmap_version;
static int (*volatile publish_with)(const void *, const struct rmmap_publish_options *, char *,
                                 size_t) = rmmap_publish_with;
static void *(*volatile attach_with)(const char *, const struct rmmap_attach_options *) =
	rmmap_attach_with;
static int (*volatile mallctl)(const char *, void *, size_t *, void *, size_t) = rmmap_mallctl;
static int (*volatile prefetch)(const void *, size_t) = rmmap_prefetch;
static int (*volatile stats)(struct rmmap_stats *) = rmmap_stats;
#ifdef __cplusplus
}
#endif

int main(void)
{
	struct rmmap_publish_options p = RMMAP_PUBLISH_OPTIONS_INIT;
	struct rmmap_attach_options a = RMMAP_ATTACH_OPTIONS_INIT;
	char text[32], handle[RMMAP_HANDLE_MAX];

	if (!publish || !attach || !detach || !unpublish || !error || !publish_with ||
	    !attach_with || !stats || !mallctl || !prefetch || RMMAP_SELF_CONTAINED != 1 || RMMAP_EAGER != 1 ||
	    RMMAP_LAZY != 2 || sizeof(handle) != 512)
		return 1;
	if (p.size != sizeof(p) || p.readers || p.ttl_ms || p.flags || a.size != sizeof(a) || a.flags)
		return 1;
	sprintf(text, "%d.%d.%d", RMMAP_VERSION / 10000, RMMAP_VERSION / 100 % 100,
	        RMMAP_VERSION % 100);
	if (strcmp(text, version())) {
		fprintf(stderr, "the header says %s, the library %s\n", text, version());
		return 1;
	}
	return strlen(error()) != 0;
}
