/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arguments.c - checks the arguments of public functions
 *
 * Any thread; does not allocate. A failure goes through fail(), with the name of the public
 * function that was called.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "../../common/handle.h"
#include "../../common/say.h"
#include "base.h"

int take_options(const char *function, void *options, size_t first, size_t known,
                 const void *given)
{
	const unsigned char *bytes = given;
	size_t size;

	if (!given)
		return 0;
	memcpy(&size, given, sizeof(size));
	if (size < first)
		return fail(function, EINVAL, "the options' size is %zu; start from the macro that "
		            "ends in _OPTIONS_INIT", size);
	for (size_t i = known; i < size; i++)
		if (bytes[i])
			return fail(function, E2BIG, "the options have a field that version %s "
			            "does not know; use a newer librmmap", PACKAGE_VERSION);
	memcpy(options, given, size < known ? size : known);
	return 0;
}

static int layout_refused(const char *function, const struct rm_layout *there)
{
	char text[RM_TEXT_MAX - 64];

	rm_layout_difference("the publisher's", there, "this program's", text, sizeof(text));
	return fail(function, EPROTO, "%s", text);
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

int take_handle(const char *function, const char *text, struct rm_handle *handle,
                char token[RM_HANDLE_TEXT_MAX])
{
	size_t length = 0;
	int error;

	if (!text)
		return fail(function, EINVAL, "the handle is NULL");
	memset(handle, 0, sizeof(*handle));
	error = rm_handle_decode(text, handle);
	if (error == -EPROTO && !handle->layout.pointer_bytes)
		return fail(function, EPROTO, "the handle is of another version (%.*s); use the "
		            "same version of rmmap on both sides", (int)strcspn(text, ":"), text);
	if (error == -EPROTO)
		return layout_refused(function, &handle->layout);
	while (text[length] && !is_space(text[length]))
		length++;
	if (error || length >= RM_HANDLE_TEXT_MAX)
		return fail(function, EINVAL, strncmp(text, RM_HANDLE_PREFIX,
		                                      strlen(RM_HANDLE_PREFIX)) ? "this is not a "
		            "handle: it does not begin with " RM_HANDLE_PREFIX : "the handle was "
		            "cut short or damaged on its way; hand it on as one piece, unchanged");
	memcpy(token, text, length);
	token[length] = '\0';
	return 0;
}

int take_fabric(const char *function, char spec[RM_SPEC_MAX])
{
	const char *given = env_options()->fabric;
	struct rm_fabric_spec parsed;

	spec[0] = '\0';
	if (!given)
		return 0;
	if (strlen(given) >= RM_SPEC_MAX || rm_fabric_spec_parse(given, &parsed))
		return fail(function, EINVAL, "RMMAP_FABRIC is neither off nor "
		            "PROVIDER[@ADDRESS|INTERFACE][:PORT]; set it to one of them, or unset "
		            "it");
	rm_format(spec, RM_SPEC_MAX, "%s", given);
	return 0;
}
