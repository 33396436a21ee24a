/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * text.h - checks and conversions of text that CloudEvents and HTTP define
 *
 * Input comes from untrusted clients; all of it is fuzzed. Pure: any thread, no allocation, no
 * globals, no system call.
 */
#ifndef RM_FUNCTION_TEXT_H
#define RM_FUNCTION_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* True if the text is well-formed UTF-8. */
bool text_utf8(const char *text, size_t length);
/* True for a String of CloudEvents: UTF-8 without control characters and noncharacters. */
bool text_string(const char *text, size_t length);
/* True for an attribute's name: 1 to TEXT_NAME_MAX characters of a-z and 0-9. */
#define TEXT_NAME_MAX 64
bool text_name(const char *text, size_t length);
/* True for a time in the form of RFC 3339. */
bool text_time(const char *text);
/* True if the text is not empty and has only characters that a URI-reference may have. */
bool text_uri(const char *text);

/*
 * Decode a header's value, as the HTTP binding of CloudEvents encodes it, into at most length
 * bytes and a NUL. Returns how many bytes, or -EINVAL.
 */
int text_header_decode(const char *value, size_t length, char *out);
/* Encode it: out gets at most 3 bytes for each byte, and a NUL. Returns how many. */
size_t text_header_encode(const char *text, char *out);

/* True if a Content-Type is type (as "text/json"), with any parameters. */
bool text_media(const char *value, const char *type);
/* True for application/json, text/json and all that end in +json; false for NULL. */
bool text_media_json(const char *value);
/* True if a Content-Type names no charset, or UTF-8, or its subset US-ASCII. */
bool text_media_utf8(const char *value);

/* Decode base64 with padding into at most length / 4 * 3 bytes. How many, or -EINVAL. */
int text_base64_decode(const char *text, size_t length, unsigned char *out);
/* Encode as base64: out gets (length + 2) / 3 * 4 bytes and a NUL. */
void text_base64_encode(const unsigned char *bytes, size_t length, char *out);

#endif
