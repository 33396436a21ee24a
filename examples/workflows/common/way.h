/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * way.h - how a function passes a structure to the next functions: by an option
 *
 *     PROGRAM --via rmmap|messaging|storage --part I --receivers N ARG...
 *
 * A function reads references from standard input, one in each line, and prints one for each of
 * its receivers on standard output. A reference is a handle, an address to fetch from, or a key,
 * depending on the way. The code that computes sees pointers in all three ways.
 *
 * The last function prints its answer on standard output. One thread; errors end the program.
 */
#ifndef WAY_H
#define WAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msgpack.h>

struct message;

/* A kind of structure: how to write it into a message, and how to build it from one. */
struct kind {
	bool parted;    /* each receiver gets a different message, with its part */
	void (*pack)(msgpack_packer *to, const void *root, size_t part);
	void *(*unpack)(struct message *from, size_t part);
};

struct self {
	size_t part;            /* number of this instance of the function, from 0 */
	size_t receivers;       /* how many instances receive its structure */
};
extern struct self self;

/*
 * Call this first. Removes the options above from the arguments (argv[0] stays), and waits until
 * the first reference, or the end of the input, can be read.
 */
void begin(int *argc, char **argv);
/* Pass the structure to all receivers. Do not change its memory afterwards. */
void hand_over(const struct kind *kind, const void *root);
/* The structure of the next reference on standard input; NULL at its end. */
void *take(const struct kind *kind);
/* The same if there must be one; what names it in the message if there is none. */
void *take_one(const struct kind *kind, const char *what);
/* Call this last. Returns the exit status. */
int finish(void);

/* malloc() that ends the program if there is no memory. */
void *need(size_t bytes);
/* Print a message and end the program. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* Parse an argument as a number up to most. Ends the program if it is not one. */
size_t number_of(const char *text, size_t most);
#define COPIES_MAX 10000                /* how often a file's data may be repeated */

/*
 * The next object of a message, valid until the next call. If the message ends, or has another type
 * than the one asked for, the program ends.
 */
const msgpack_object *next_object(struct message *from);
uint64_t next_uint(struct message *from);
double next_double(struct message *from);
/* An array of exactly so many elements. */
const msgpack_object *next_array(struct message *from, size_t count);
/* Binary data of exactly so many bytes. */
void next_bytes(struct message *from, void *to, size_t bytes);
/* The value of an element of an array. */
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
