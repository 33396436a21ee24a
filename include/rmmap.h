/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rmmap.h - hand pointer structures from process to process, without serialization
 *
 * A program builds a structure with plain malloc and calls rmmap_publish(root);
 * any other process, on the same host or on another one, calls
 * rmmap_attach(handle) and gets the same pointers, valid at the same addresses.
 *
 * Link with -lrmmap (pkg-config: rmmap), or run the program under
 * LD_PRELOAD=librmmap.so.0. Overview: rmmap(7). Each function has a page in
 * section 3.
 *
 * Threads: every function may be called from any thread at any time.
 * Signals: none is async-signal-safe.
 * fork: every function may be called in the child of fork().
 *
 * Errors: functions return 0 or a pointer on success and -1 or NULL on failure,
 * with errno set and the reason in words from rmmap_error().
 */
#ifndef RMMAP_H
#define RMMAP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this header as a number: major * 10000 + minor * 100 + patch. */
#define RMMAP_VERSION 100

/* Bytes that hold any handle, the terminating NUL included. */
#define RMMAP_HANDLE_MAX 512

/*
 * Publish all that is reachable from root: the whole heap of this process as it
 * is now. Later writes of this process do not change what was published.
 *
 * root    a pointer into memory that malloc of this library returned, or that is attached
 * handle  receives a printable token of at most RMMAP_HANDLE_MAX bytes; the
 *         token is a secret: whoever has it can read the whole heap
 * size    bytes at handle
 *
 * The publication stays until rmmap_unpublish(), or until its time to live
 * (RMMAP_TTL, 3600 seconds unless set) has passed with nobody attached. The
 * caller may exit at once. Other threads must not change the structure during
 * the call.
 *
 * On failure nothing is published, handle[0] is 0, and errno is one of
 * EINVAL        handle is NULL, RMMAP_FABRIC names no provider of this system, or
 *               RMMAP_RUNDIR is not an absolute path
 * EFAULT        root is NULL, or not in memory that this library's malloc
 *               returned (a string literal, a global, the stack), or the
 *               program's malloc is not this library's
 * ERANGE        the buffer is too small for the handle
 * ENOTSUP       the process cannot publish here
 * ECONNREFUSED  rmmapd cannot be started
 * ETIMEDOUT     rmmapd does not answer
 * EADDRNOTAVAIL RMMAP_FABRIC names an address or interface that this host does not
 *               have
 * EADDRINUSE    the port that RMMAP_FABRIC names is in use by another program
 * EACCES        the run directory is not writable, or belongs to someone else; or
 *               this user may not open the port that RMMAP_FABRIC names
 * ENAMETOOLONG  the path of the run directory is too long for a socket
 * ENOSPC        rmmapd holds as much as RMMAP_LIMIT allows
 * EHOSTUNREACH  pages that were attached from another host are still there, and it
 *               does not answer
 * EPROTO        rmmapd is of another version, or has another window of addresses
 * EFBIG         the limit on the size of files (ulimit -f) is below a layer's 64 MiB
 * ENOMEM, EMFILE  the system has no more memory or descriptors
 */
int rmmap_publish(const void *root, char *handle, size_t size);

/*
 * Attach a publication: map everything in it at the addresses it has in its
 * publisher, and return its root. What is written to attached memory stays
 * private to this process. free() of an attached pointer does nothing;
 * realloc() of one moves the block to this process's own heap.
 *
 * Attaching a publication again returns the same root and counts; memory goes
 * with as many calls of rmmap_detach(). Pages of memory that fork() made common
 * to publisher and attacher are not mapped where they lie in this process's
 * heap: its own content stands there.
 *
 * A page that can no longer be had (its host is gone), or that there is no room for
 * (RMMAP_LIMIT, the memory limit of rmmapd's cgroup), raises SIGBUS when it is touched.
 *
 * Where processes of rmmapd die meanwhile, on either host, they are replaced and asked
 * again, and each question may wait 5 seconds for its answer: 13 seconds were seen where
 * several died during one attach.
 *
 * On failure nothing is attached, and errno is one of
 * EINVAL        the text is not a handle, or was damaged on its way
 * ENOENT        the publication is gone, or all its readers have been admitted
 * EACCES        the handle's secret is wrong; or see rmmap_publish()
 * EADDRINUSE    an address that the publication needs holds something else here,
 *               or root lies in this process's own heap
 * EHOSTUNREACH  the other host does not answer, or RMMAP_FABRIC is off
 * ETIMEDOUT     the other host, or rmmapd, stopped answering
 * EPROTO        publisher and attacher differ in version, provider, page size,
 *               byte order or window of addresses
 * ENOTSUP       RMMAP_LAZY was asked for, the publication is another host's, and
 *               userfaultfd is not allowed here
 * ENOSPC        what has to be fetched is more than RMMAP_LIMIT allows, or the memory
 *               limit of rmmapd's cgroup
 * ENOMEM        see rmmap_publish(); or rmmapd was killed twice while it fetched all of
 *               the publication, as the kernel does when memory runs out
 * ECONNREFUSED, ENAMETOOLONG, EMFILE  see rmmap_publish()
 */
void *rmmap_attach(const char *handle);

/*
 * Undo one rmmap_attach() that returned root. With the last one the memory is
 * unmapped: no pointer into it may be used after that.
 *
 * EINVAL        root is not the root of anything attached
 */
int rmmap_detach(const void *root);

/*
 * Have pages of what is attached fetched from its host now, before they are touched.
 * The call does not wait for them. It is advice: whatever of the range is not attached, or
 * is here already, is left out, and what cannot be fetched fails when it is touched.
 *
 * addr    a pointer into memory that is attached
 * length  bytes from there on; 0 asks for nothing
 *
 * EINVAL        addr + length is beyond the end of all addresses
 * EFAULT        nothing is attached at addr
 * EAGAIN        more than 1,024 ranges that were asked for are still to be fetched
 * ETIMEDOUT, EPROTO, ECONNREFUSED, ENOMEM  see rmmap_attach()
 */
int rmmap_prefetch(const void *addr, size_t length);

/*
 * End a publication: nobody can attach it any more. Who has it attached keeps
 * it. Only the user who published it, on the host where that was done, may.
 *
 * EINVAL, EACCES, ENOENT, EPROTO, ECONNREFUSED, ETIMEDOUT  see rmmap_attach()
 */
int rmmap_unpublish(const char *handle);

/*
 * The last failure of a function of this library in this thread, in words, in
 * one line without a newline. Never NULL; "" before the first failure. Valid
 * until the next failure in this thread.
 */
const char *rmmap_error(void);

/*
 * jemalloc's mallctl() on the allocator inside of this library: see jemalloc(3)
 * for names and values. Returns 0 or an error's number. For those who tune
 * and measure; what is said there of arenas and extent hooks is the
 * library's own business, and changing that breaks publications.
 */
int rmmap_mallctl(const char *name, void *old, size_t *old_size, void *new_value,
                  size_t new_size);

/* The version of the library, such as "0.1.0". */
const char *rmmap_version(void);

/* Options of rmmap_publish_with(); start from RMMAP_PUBLISH_OPTIONS_INIT. */
struct rmmap_publish_options {
	size_t size;       /* sizeof(struct rmmap_publish_options) */
	unsigned readers;  /* how many attaches are admitted, and gone with the last of
	                      them; 0: any number */
	unsigned ttl_ms;   /* time to live while nobody is attached, milliseconds;
	                      0: RMMAP_TTL, UINT_MAX: until unpublished */
	unsigned flags;    /* RMMAP_SELF_CONTAINED or 0 */
};

/* Options of rmmap_attach_with(); start from RMMAP_ATTACH_OPTIONS_INIT. */
struct rmmap_attach_options {
	size_t size;       /* sizeof(struct rmmap_attach_options) */
	unsigned flags;    /* RMMAP_EAGER, RMMAP_LAZY, or 0 for RMMAP_FETCH's way */
};

#define RMMAP_PUBLISH_OPTIONS_INIT { sizeof(struct rmmap_publish_options), 0, 0, 0 }
#define RMMAP_ATTACH_OPTIONS_INIT  { sizeof(struct rmmap_attach_options), 0 }

/* publish: the publication refers to no other one: all that is attached is copied */
#define RMMAP_SELF_CONTAINED 1u
/* attach: fetch everything from the other host before returning */
#define RMMAP_EAGER 1u
/* attach: fetch a page from the other host when it is touched */
#define RMMAP_LAZY  2u

/*
 * rmmap_publish() and rmmap_attach() with options; options NULL is the default.
 * Further errors: E2BIG, the size says that the caller knows fields that this
 * version does not and one of them is not zero; EINVAL, an unknown flag, or
 * RMMAP_EAGER and RMMAP_LAZY together.
 */
int rmmap_publish_with(const void *root, const struct rmmap_publish_options *options,
                       char *handle, size_t size);
void *rmmap_attach_with(const char *handle, const struct rmmap_attach_options *options);

/*
 * Counters of this process. Those of fetching are kept by rmmapd and are 0
 * while this process has no connection to it. After fork() a child starts at 0.
 */
struct rmmap_stats {
	size_t size;               /* in: sizeof(struct rmmap_stats); out: bytes filled */
	uint64_t heap_bytes;       /* address space of the heap now */
	uint64_t heap_peak;        /* and at its largest */
	uint64_t extents;          /* extents that the allocator holds */
	uint64_t publishes;        /* successful calls */
	uint64_t published_bytes;  /* content of all publications, pages with data */
	uint64_t copied_bytes;     /* copied in order to publish */
	uint64_t publish_ns;       /* time spent in publishing */
	uint64_t attaches;         /* successful calls */
	uint64_t attached_bytes;   /* address space attached now */
	uint64_t attach_ns;        /* time spent in attaching */
	uint64_t own_pages;        /* pages left to own content in attaches */
	uint64_t faults;           /* page faults that rmmapd served to this process */
	uint64_t fault_ns;         /* time from those faults to their pages */
	uint64_t reads;            /* fi_read calls made for this process */
	uint64_t fetched_pages;    /* pages fetched by them */
	uint64_t fetched_bytes;    /* bytes fetched by them */
	uint64_t prefetched_pages; /* of those, pages that nobody had asked for yet */
	uint64_t prefetched_used;  /* of those, pages that were touched later: see rmmap_stats(3) */
	char provider[32];         /* libfabric provider they came by; "" if none */
	uint64_t fault_median_ns;  /* half of the faults took no longer, to within a quarter */
	uint64_t fault_p99_ns;     /* and 99 of 100 */
	uint64_t readahead_pages;  /* of the prefetched: next to, or in line with, what was touched */
	uint64_t readahead_used;
	uint64_t pointer_pages;    /* pages that a page which came points to */
	uint64_t pointer_used;
	uint64_t asked_pages;      /* pages that rmmap_prefetch() asked for */
	uint64_t asked_used;
};

/*
 * Fill in *stats, as much as stats->size allows.
 * EINVAL  stats is NULL or its size is too small to hold one counter
 */
int rmmap_stats(struct rmmap_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
