/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fabric_spec.c - takes RMMAP_FABRIC apart
 *
 * Pure: any thread, no allocation, no system call. Fuzzed together with the options.
 */
#include "options.h"

#include <errno.h>
#include <string.h>

#include "number.h"

static bool is_letter_or_digit(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/*
 * Copy the characters at *text that are letters, digits or in others, and move *text behind
 * them. False if there is none, or if they do not fit.
 */
static bool spec_take(const char **text, const char *others, char *to, size_t size)
{
	size_t n = 0;

	while (is_letter_or_digit((*text)[n]) || ((*text)[n] && strchr(others, (*text)[n])))
		n++;
	if (n == 0 || n >= size)
		return false;
	memcpy(to, *text, n);
	to[n] = 0;
	*text += n;
	return true;
}

/* The same for an address or an interface; an IPv6 address may be in brackets. */
static bool spec_take_address(const char **text, char *to, size_t size)
{
	bool brackets = **text == '[';

	if (brackets)
		(*text)++;
	if (!spec_take(text, brackets ? "._-%:" : "._-%", to, size))
		return false;
	if (brackets && *(*text)++ != ']')
		return false;
	return true;
}

int rm_fabric_spec_parse(const char *text, struct rm_fabric_spec *spec)
{
	struct rm_fabric_spec s = { 0 };
	uint64_t port;

	*spec = s;
	if (!text || !*text)
		return 0;
	if (!strcmp(text, "off")) {
		spec->off = true;
		return 0;
	}
	if (!spec_take(&text, "_;-", s.provider, sizeof(s.provider)))
		return -EINVAL;
	if (*text == '@') {
		text++;
		if (!spec_take_address(&text, s.address, sizeof(s.address)))
			return -EINVAL;
	}
	if (*text == ':') {
		if (rm_parse_number(text + 1, 0, UINT16_MAX, &port) != 0)
			return -EINVAL;
		s.port = (uint16_t)port;
		text = "";
	}
	if (*text || !strcmp(s.provider, "off"))
		return -EINVAL;
	*spec = s;
	return 0;
}
