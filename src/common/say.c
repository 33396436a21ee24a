/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * say.c - formats text on the stack, without locale and without locks; see say.h
 */
#include "say.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

struct out {                            /* the text so far; length <= size */
	char *buf;
	size_t size;                    /* room without the NUL */
	size_t length;
};

struct spec {                           /* of one conversion, between '%' and the letter */
	bool left, zero;
	size_t width;
	size_t precision;               /* SIZE_MAX: none */
};

static void out_put(struct out *o, const char *text, size_t length)
{
	size_t room = o->size - o->length;

	if (length > room)
		length = room;
	if (length)
		memcpy(o->buf + o->length, text, length);
	o->length += length;
}

static void out_pad(struct out *o, char c, size_t count)
{
	/* stop when the buffer is full, so that a huge width costs nothing */
	while (count-- && o->length < o->size)
		o->buf[o->length++] = c;
}

static void out_text(struct out *o, const struct spec *s, const char *text)
{
	size_t length;

	if (!text)
		text = "(null)";
	length = strnlen(text, s->precision);
	if (!s->left && s->width > length)
		out_pad(o, ' ', s->width - length);
	out_put(o, text, length);
	if (s->left && s->width > length)
		out_pad(o, ' ', s->width - length);
}

static void out_number(struct out *o, const struct spec *s, const char *sign,
                       unsigned long long value, unsigned base)
{
	char digits[24];
	size_t n = sizeof(digits), total;

	do {
		digits[--n] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	total = strlen(sign) + sizeof(digits) - n;
	if (!s->left && !s->zero && s->width > total)
		out_pad(o, ' ', s->width - total);
	out_put(o, sign, strlen(sign));
	if (!s->left && s->zero && s->width > total)
		out_pad(o, '0', s->width - total);
	out_put(o, digits + n, sizeof(digits) - n);
	if (s->left && s->width > total)
		out_pad(o, ' ', s->width - total);
}

static size_t spec_number(const char **format)
{
	size_t n = 0;

	for (; **format >= '0' && **format <= '9'; (*format)++)
		if (n < 100000)         /* larger than any buffer; n cannot overflow */
			n = n * 10 + (size_t)(**format - '0');
	return n;
}

static struct spec spec_read(const char **format, va_list *args)
{
	struct spec s = { .precision = SIZE_MAX };

	for (;; (*format)++) {
		if (**format == '-')
			s.left = true;
		else if (**format == '0')
			s.zero = true;
		else
			break;
	}
	s.width = spec_number(format);
	if (**format == '.') {
		(*format)++;
		if (**format == '*') {
			int given = va_arg(*args, int);

			s.precision = given < 0 ? SIZE_MAX : (size_t)given;
			(*format)++;
		} else {
			s.precision = spec_number(format);
		}
	}
	return s;
}

static unsigned long long get_unsigned(int longs, va_list *args)
{
	if (longs == 0)
		return va_arg(*args, unsigned);
	if (longs == 1)
		return va_arg(*args, unsigned long);
	return va_arg(*args, unsigned long long);
}

static long long get_signed(int longs, va_list *args)
{
	if (longs == 0)
		return va_arg(*args, int);
	if (longs == 1)
		return va_arg(*args, long);
	return va_arg(*args, long long);
}

/* Handle one conversion, behind its '%'. False if it is not one of say.h's list. */
static bool spec_convert(struct out *o, const char **format, va_list *args, int error)
{
	struct spec s = spec_read(format, args);
	long long value;
	int longs = 0;
	char c;

	for (; **format == 'l' || **format == 'z'; (*format)++)
		longs++;                /* size_t is long on every system this runs on */
	switch (*(*format)++) {
	case 's':
		out_text(o, &s, va_arg(*args, const char *));
		return true;
	case 'm':
		out_text(o, &s, rm_errno_text(error));
		return true;
	case 'c':
		c = (char)va_arg(*args, int);
		out_put(o, &c, 1);
		return true;
	case 'd':
		value = get_signed(longs, args);
		out_number(o, &s, value < 0 ? "-" : "",
		           value < 0 ? 0 - (unsigned long long)value : (unsigned long long)value, 10);
		return true;
	case 'u':
		out_number(o, &s, "", get_unsigned(longs, args), 10);
		return true;
	case 'x':
		out_number(o, &s, "", get_unsigned(longs, args), 16);
		return true;
	case 'p':
		out_number(o, &s, "0x", (uintptr_t)va_arg(*args, void *), 16);
		return true;
	case '%':
		out_put(o, "%", 1);
		return true;
	default:
		return false;
	}
}

static size_t format_args(char *buf, size_t size, const char *format, va_list *args, int error)
{
	struct out o = { .buf = buf, .size = size - 1 };

	while (*format) {
		const char *percent = strchrnul(format, '%');

		out_put(&o, format, (size_t)(percent - format));
		if (!*percent)
			break;
		format = percent + 1;
		if (!spec_convert(&o, &format, args, error)) {
			/* the type of its argument is unknown, so the later ones cannot be found */
			out_put(&o, percent, strlen(percent));
			break;
		}
	}
	buf[o.length] = 0;
	return o.length;
}

size_t rm_vformat(char *buf, size_t size, const char *format, va_list args)
{
	int error = errno;
	size_t length;
	va_list copy;

	if (!buf || !size)
		return 0;
	/* as a parameter, a va_list may have decayed to a pointer; take the address of a copy */
	va_copy(copy, args);
	length = format_args(buf, size, format, &copy, error);
	va_end(copy);
	return length;
}

size_t rm_format(char *buf, size_t size, const char *format, ...)
{
	va_list args;
	size_t length;

	va_start(args, format);
	length = rm_vformat(buf, size, format, args);
	va_end(args);
	return length;
}

void rm_say_fd(int fd, const char *format, ...)
{
	int error = errno;
	char line[LINE_MAX_BYTES];
	size_t length;
	va_list args;
	ssize_t n;

	va_start(args, format);
	length = rm_vformat(line, sizeof(line) - 1, format, args);
	va_end(args);
	line[length++] = '\n';
	n = write(fd, line, length);
	(void)n;        /* there is no other place to report the failure to */
	errno = error;
}

const char *rm_errno_text(int error)
{
	const char *text = strerrordesc_np(error < 0 ? (int)(0u - (unsigned)error) : error);

	return text ? text : "Unknown error";
}
