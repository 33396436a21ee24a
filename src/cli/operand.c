/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * operand.c - reads an operand that stands for a handle
 *
 * The operand is not printed in messages: it may be a handle or a part of one. Only the name of
 * an existing file is.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "../common/handle.h"
#include "cli.h"

#define SPACE " \t\r\n\v\f"

/* Read a handle's text from a file. A text longer than any handle is refused. */
static int read_text(FILE *file, const char *name, char text[RM_HANDLE_TEXT_MAX])
{
	/*
	 * Longer than a handle may be, so that white space fits behind it, and a longer text is
	 * noticed instead of cut.
	 */
	char more[2 * RM_HANDLE_TEXT_MAX];
	size_t length = fread(more, 1, sizeof(more) - 1, file);

	if (ferror(file))
		return cli_fail("cannot read %s: %m", name);
	while (length && strchr(SPACE, more[length - 1]))
		length--;
	more[length] = 0;
	if (!length)
		return cli_fail("%s is empty: there is no handle in it", name);
	/* A NUL within the text would hide what is behind it. */
	if (length >= RM_HANDLE_TEXT_MAX || strlen(more) != length)
		return cli_fail("what is in %s is not a handle", name);
	memcpy(text, more, length + 1);
	return 0;
}

/* Get the text that the operand stands for. 0, or 1 after the line on stderr. */
static int read_operand(const char *operand, char text[RM_HANDLE_TEXT_MAX])
{
	size_t length = strlen(operand);

	if (!strcmp(operand, "-"))
		return read_text(stdin, "standard input", text);
	if (operand[0] == '@') {
		FILE *file = fopen(operand + 1, "r");
		int status;

		if (!file)
			/* Not its name: "@" may stand before a handle by mistake. */
			return cli_fail("cannot open the file named after @: %m");
		status = read_text(file, "the file named after @", text);
		fclose(file);
		return status;
	}
	while (length && strchr(SPACE, operand[length - 1]))
		length--;
	if (length >= RM_HANDLE_TEXT_MAX)
		return cli_fail("the operand is not a handle: it is too long");
	memcpy(text, operand, length);
	text[length] = 0;
	return 0;
}

/* True for a short id, or a longer beginning of an id. */
static bool is_id(const char *text)
{
	size_t length = strspn(text, "0123456789abcdef");

	return length >= 1 && length <= 2 * RM_ID_BYTES && !text[length];
}

/*
 * True if the operand is the name of a file, and so not a secret. Never for what begins like a
 * handle, even if there is a file of that name.
 */
static bool is_file(const char *operand)
{
	struct stat st;

	return operand[0] != '@' && strcmp(operand, "-") &&
	       strncmp(operand, RM_HANDLE_PREFIX, strlen(RM_HANDLE_PREFIX)) &&
	       !stat(operand, &st) && (S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode));
}

int cli_no_such(const char *operand, const char *why)
{
	if (is_file(operand))
		return cli_fail("%s; there is a file of that name: did you mean @%s", why, operand);
	return cli_fail("%s", why);
}

int cli_handle(const char *operand, bool with_id, char text[RM_HANDLE_TEXT_MAX])
{
	struct rm_handle handle;
	char why[RM_TEXT_MAX - 64];
	int error;

	if (read_operand(operand, text))
		return 1;
	if (with_id && is_id(text))
		return 0;
	/*
	 * After the id: digits from a to f may be a file's name as well, and an id is what was
	 * asked for.
	 */
	if (is_file(operand))
		return cli_fail("not a handle, but the name of a file: did you mean @%s", operand);
	error = rm_handle_decode(text, &handle);
	rm_layout_difference("the publisher's", &handle.layout, "this program's", why, sizeof(why));
	explicit_bzero(handle.secret, sizeof(handle.secret));
	if (error == -EPROTO && !handle.layout.pointer_bytes)
		return cli_fail("the handle is from another version of rmmap: install the same one on "
		                "both hosts");
	if (error == -EPROTO)
		return cli_fail("%s", why);
	if (error)
		return cli_fail("not a handle%s, or damaged on its way: copy it whole, from rmmap1: "
		                "to its end", with_id ? " or a short id" : "");
	return 0;
}
