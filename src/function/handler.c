/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler.c - the shared object with rmmap_function()
 *
 * The first thread loads it before there are workers, and nothing changes the pointers later. It is
 * never unloaded.
 */
#include "function.h"

#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

/* Set by handler_load(). Only function is never NULL after it has returned 0. */
static struct {
	int (*function)(const struct rmmap_event *, struct rmmap_answer *);
	void (*release)(const struct rmmap_answer *);
	int (*start)(void);
	void (*stop)(void);
} handler;

int handler_load(void)
{
	/*
	 * RTLD_NOW: a symbol that is missing is an error at the start, not in the midst of an
	 * event.
	 */
	void *object = dlopen(settings.handler, RTLD_NOW | RTLD_LOCAL);
	/* dlopen() searches a name without a slash in the directories of libraries */
	const bool beside = !strchr(settings.handler, '/') && !access(settings.handler, F_OK);
	const char *why;
	int result;

	if (!object) {
		why = dlerror();
		say("cannot load the handler: %s%s%s", why, beside ? "; for the file that is here, "
		    "write ./" : "", beside ? settings.handler : "");
		return 1;
	}
	*(void **)&handler.function = dlsym(object, "rmmap_function");
	*(void **)&handler.release = dlsym(object, "rmmap_function_release");
	*(void **)&handler.start = dlsym(object, "rmmap_function_start");
	*(void **)&handler.stop = dlsym(object, "rmmap_function_stop");
	if (!handler.function) {
		say("%s has no function rmmap_function: it is what a handler must define, see "
		    "rmmap-function(3)", settings.handler);
		return 1;
	}
	result = handler.start ? handler.start() : 0;
	if (result)
		say("rmmap_function_start() of %s failed: %d", settings.handler, result);
	return result ? 1 : 0;
}

int handler_call(const struct rmmap_event *event, struct rmmap_answer *answer)
{
	return handler.function(event, answer);
}

void handler_release(const struct rmmap_answer *answer)
{
	if (handler.release)
		handler.release(answer);
}

void handler_stop(void)
{
	if (handler.stop)
		handler.stop();
}
