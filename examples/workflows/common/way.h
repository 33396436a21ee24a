/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * way.h - how a function hands a structure to the next ones: an option, not a part of it
 *
 *     PROGRAM --via rmmap|messaging|storage --part I --receivers N ARG...
 *
 * A function takes one reference a line from standard input, and prints one a line for
 * each of its receivers on standard output. What a reference is, is the way's business: a handle,
 * an address to fetch from, a key. The computing code sees pointers in all three.
 *
 * The answer of the last function goes to standard output, too. All of this runs in one thread.
 */
#ifndef WAY_H
#define WAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msgpack.h>

struct message;

/* One kind of structure: how it goes into a message, and how it is built anew out of one. */
struct kind {
	bool parted;    /* each receiver gets a message of its own: its part */
	void (*pack)(msgpack_packer *to, const void *root, size_t part);
	void *(*unpack)(struct message *from, size_t part);
};

struct self {
	size_t part;            /* this function's number among its like, from 0 */
	size_t receivers;       /* how many functions get what it hands over */
};
extern struct self self;

/*
 * To be called first: takes the options above out of the arguments (argv[0] stays), and waits
 * until it is this function's turn.
 */
void begin(int *argc, char **argv);
/* Hand the structure to all receivers; its memory is not to be changed after that. */
void hand_over(const struct kind *kind, const void *root);
/* The structure of the next reference on standard input; NULL at its end. */
void *take(const struct kind *kind);
/* The same where there must be one. */
void *take_one(const struct kind *kind, const char *what);
/* To be called last: the exit status. */
int finish(void);

/* malloc() that ends the program where there is no memory; say why, and end */
void *need(size_t bytes);
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* The number that an argument is; one that is none, or larger, ends the program. */
size_t number_of(const char *text, size_t most);
#define COPIES_MAX 10000                /* of a file's data, to make more of it */

/* The next object of a message, valid until the following call; a message that ends or is not
 * what was expected ends the program. */
const msgpack_object *next_object(struct message *from);
uint64_t next_uint(struct message *from);
double next_double(struct message *from);
/* An array of exactly so many elements. */
const msgpack_object *next_array(struct message *from, size_t count);
/* Binary data of exactly so many bytes. */
void next_bytes(struct message *from, void *to, size_t bytes);
/* What an element of an array holds. */
uint64_t get_uint(const msgpack_object *object);
int64_t get_int(const msgpack_object *object);
double get_double(const msgpack_object *object);
char *get_string(const msgpack_object *object);        /* a copy */

static inline void pack_bytes(msgpack_packer *to, const void *data, size_t bytes)
{
	msgpack_pack_bin(to, bytes);
	msgpack_pack_bin_body(to, data, bytes);
}

static inline void pack_string(msgpack_packer *to, const char *text, size_t length)
{
	msgpack_pack_str(to, length);
	msgpack_pack_str_body(to, text, length);
}

#endif
