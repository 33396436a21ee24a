/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * text.h - what CloudEvents and HTTP say of text
 *
 * Pure: no allocation, no globals, no system call. What it reads comes from strangers and is
 * fuzzed.
 */
#ifndef RM_FUNCTION_TEXT_H
#define RM_FUNCTION_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Well-formed UTF-8? */
bool text_utf8(const char *text, size_t length);
/* A String of CloudEvents: that, and neither control characters nor noncharacters? */
bool text_string(const char *text, size_t length);
/* An attribute's name: a-z and 0-9, at most TEXT_NAME_MAX of them? */
#define TEXT_NAME_MAX 64
bool text_name(const char *text, size_t length);
/* A time as RFC 3339 writes it? */
bool text_time(const char *text);
/* Could it be a URI-reference: not empty, and of the characters that one may have? */
bool text_uri(const char *text);

/*
 * A header's value as the HTTP binding of CloudEvents encodes it: out gets at most length
 * bytes and a NUL. How many, or -EINVAL.
 */
int text_header_decode(const char *value, size_t length, char *out);
/* The other way: out gets at most 3 bytes for each and a NUL. How many. */
size_t text_header_encode(const char *text, char *out);

/* Is this media type (a Content-Type) type/subtype, whatever its parameters are? */
bool text_media(const char *value, const char *type);
/* Is it JSON: application/json, text/json or anything +json? NULL is not. */
bool text_media_json(const char *value);
/* Its charset, if it names one, must be UTF-8 (or the part of it that US-ASCII is). */
bool text_media_utf8(const char *value);

/* Base64 with padding: out gets at most length / 4 * 3 bytes. How many, or -EINVAL. */
int text_base64_decode(const char *text, size_t length, unsigned char *out);
/* out gets (length + 2) / 3 * 4 bytes and a NUL. */
void text_base64_encode(const unsigned char *bytes, size_t length, char *out);

#endif
