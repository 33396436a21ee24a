/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rmmap.h - pass pointer structures from process to process, without serialization
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
 * Publish everything that is reachable from root: the whole heap of this process
 * as it is now. Later writes of this process do not change the publication.
 *
 * root    a pointer into memory that this library's malloc returned, or into attached memory
 * handle  receives a printable token of at most RMMAP_HANDLE_MAX bytes; the
 *         token is a secret: whoever has it can read the whole heap
 * size    bytes at handle
 *
 * The publication lasts until rmmap_unpublish(), or until no process has had it
 * attached for its time to live (RMMAP_TTL, by default 3600 seconds). The
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
 * EHOSTUNREACH  attached pages of another host have not been fetched yet, and that
 *               host does not answer
 * EPROTO        rmmapd is of another version, or has another window of addresses
 * EFBIG         the limit on the size of files (ulimit -f) is below a layer's 64 MiB
 * ENOMEM, EMFILE  the system has no more memory or descriptors
 */
int rmmap_publish(const void *root, char *handle, size_t size);

/*
 * Attach a publication: map all of it at the addresses that it has in its
 * publisher, and return its root. Writes to attached memory are private to this
 * process. free() of an attached pointer does nothing; realloc() of one moves the
 * block to this process's own heap.
 *
 * Attaching a publication again returns the same root and counts the attach; it is
 * unmapped after as many calls of rmmap_detach(). If publisher and attacher have
 * memory in common by fork(), its pages are not mapped over this process's heap:
 * the heap keeps its own content.
 *
 * Touching a page raises SIGBUS if the page cannot be fetched (its host is gone), or
 * if there is no room for it (RMMAP_LIMIT, the memory limit of rmmapd's cgroup).
 *
 * If processes of rmmapd die during the call, on either host, they are replaced and
 * asked again. Each request may take 5 seconds; 13 seconds were measured when several
 * of them died during one attach.
 *
 * On failure nothing is attached, and errno is one of
 * EINVAL        the text is not a handle, or is damaged
 * ENOENT        the publication is gone, or all its readers have been admitted
 * EACCES        the handle's secret is wrong; or see rmmap_publish()
 * EADDRINUSE    an address that the publication needs is in use in this process,
 *               or root is in this process's own heap
 * EHOSTUNREACH  the other host does not answer, or RMMAP_FABRIC is off
 * ETIMEDOUT     the other host, or rmmapd, stopped answering
 * EPROTO        publisher and attacher differ in version, provider, page size,
 *               byte order or window of addresses
 * ENOTSUP       RMMAP_LAZY was given, the publication is of another host, and
 *               userfaultfd is not allowed here
 * ENOSPC        the pages to fetch exceed RMMAP_LIMIT, or the memory limit of rmmapd's
 *               cgroup
 * ENOMEM        see rmmap_publish(); or rmmapd was killed twice while it fetched the
 *               whole publication, as the kernel does when memory runs out
 * ECONNREFUSED, ENAMETOOLONG, EMFILE  see rmmap_publish()
 */
void *rmmap_attach(const char *handle);

/*
 * Undo one rmmap_attach() that returned root. The last call for a root unmaps the
 * memory: no pointer into it may be used after that.
 *
 * EINVAL        no attached publication has this root
 */
int rmmap_detach(const void *root);

/*
 * Start to fetch attached pages from their host, before they are touched. The call does
 * not wait for them. It is advice: parts of the range that are not attached, or are here
 * already, are skipped, and pages that cannot be fetched fail when they are touched.
 *
 * addr    a pointer into attached memory
 * length  bytes from addr; 0 requests nothing
 *
 * EINVAL        addr + length overflows
 * EFAULT        nothing is attached at addr
 * EAGAIN        more than 1,024 requested ranges have not been fetched yet
 * ETIMEDOUT, EPROTO, ECONNREFUSED, ENOMEM  see rmmap_attach()
 */
int rmmap_prefetch(const void *addr, size_t length);

/*
 * End a publication: nobody can attach it any more. Processes that have it attached
 * keep it. Only the user who published it may call, on the host where it was published.
 *
 * EINVAL, EACCES, ENOENT, EPROTO, ECONNREFUSED, ETIMEDOUT  see rmmap_attach()
 */
int rmmap_unpublish(const char *handle);

/*
 * The reason of the last failure of a function of this library in this thread, as
 * one line without a newline. Never NULL; "" before the first failure. Valid until
 * the next failure in this thread.
 */
const char *rmmap_error(void);

/*
 * Call jemalloc's mallctl() for the allocator inside this library; see jemalloc(3)
 * for names and values. Returns 0 or an errno value. Meant for tuning and
 * measuring. Do not change arenas or extent hooks: the library depends on them,
 * and publications would break.
 */
int rmmap_mallctl(const char *name, void *old, size_t *old_size, void *new_value,
                  size_t new_size);

/* The version of the library, such as "0.1.0". */
const char *rmmap_version(void);

/* Options of rmmap_publish_with(); start from RMMAP_PUBLISH_OPTIONS_INIT. */
struct rmmap_publish_options {
	size_t size;       /* sizeof(struct rmmap_publish_options) */
	unsigned readers;  /* how many attaches are admitted; the publication ends with the
	                      last of them; 0: any number */
	unsigned ttl_ms;   /* time to live while nobody has it attached, milliseconds;
	                      0: RMMAP_TTL, UINT_MAX: until unpublished */
	unsigned flags;    /* RMMAP_SELF_CONTAINED or 0 */
};

/* Options of rmmap_attach_with(); start from RMMAP_ATTACH_OPTIONS_INIT. */
struct rmmap_attach_options {
	size_t size;       /* sizeof(struct rmmap_attach_options) */
	unsigned flags;    /* RMMAP_EAGER, RMMAP_LAZY, or 0: as RMMAP_FETCH says */
};

#define RMMAP_PUBLISH_OPTIONS_INIT { sizeof(struct rmmap_publish_options), 0, 0, 0 }
#define RMMAP_ATTACH_OPTIONS_INIT  { sizeof(struct rmmap_attach_options), 0 }

/* publish: the publication does not refer to others: attached memory is copied into it */
#define RMMAP_SELF_CONTAINED 1u
/* attach: fetch everything from the other host before returning */
#define RMMAP_EAGER 1u
/* attach: fetch a page from the other host when it is touched */
#define RMMAP_LAZY  2u

/*
 * rmmap_publish() and rmmap_attach() with options; NULL stands for the defaults.
 * Further errors: E2BIG, the caller's struct has fields that this version does not
 * know, and one of them is not zero; EINVAL, an unknown flag, or RMMAP_EAGER and
 * RMMAP_LAZY together.
 */
int rmmap_publish_with(const void *root, const struct rmmap_publish_options *options,
                       char *handle, size_t size);
void *rmmap_attach_with(const char *handle, const struct rmmap_attach_options *options);

/*
 * Counters of this process. rmmapd keeps those of fetching; they are 0 while this
 * process has no connection to it. After fork() a child starts at 0.
 */
struct rmmap_stats {
	size_t size;               /* in: sizeof(struct rmmap_stats); out: bytes filled */
	uint64_t heap_bytes;       /* address space of the heap now */
	uint64_t heap_peak;        /* the largest heap_bytes so far */
	uint64_t extents;          /* extents that the allocator has */
	uint64_t publishes;        /* successful calls */
	uint64_t published_bytes;  /* content of all publications, pages with data */
	uint64_t copied_bytes;     /* bytes copied to publish */
	uint64_t publish_ns;       /* time spent in publish calls */
	uint64_t attaches;         /* successful calls */
	uint64_t attached_bytes;   /* address space attached now */
	uint64_t attach_ns;        /* time spent in attach calls */
	uint64_t own_pages;        /* pages where attaches left the heap's own content */
	uint64_t faults;           /* page faults that rmmapd served to this process */
	uint64_t fault_ns;         /* time from these faults to their pages, in all */
	uint64_t reads;            /* fi_read calls made for this process */
	uint64_t fetched_pages;    /* pages fetched by them */
	uint64_t fetched_bytes;    /* bytes fetched by them */
	uint64_t prefetched_pages; /* of fetched_pages: fetched before they were touched */
	uint64_t prefetched_used;  /* of prefetched_pages: touched later; see rmmap_stats(3) */
	char provider[32];         /* libfabric provider that fetched them; "" if none */
	uint64_t fault_median_ns;  /* median time of a fault, to within a quarter */
	uint64_t fault_p99_ns;     /* 99 of 100 faults took no longer */
	uint64_t readahead_pages;  /* of prefetched_pages: near, or in line with, touched ones */
	uint64_t readahead_used;
	uint64_t pointer_pages;    /* pages that a fetched page has pointers to */
	uint64_t pointer_used;
	uint64_t asked_pages;      /* pages that rmmap_prefetch() requested */
	uint64_t asked_used;
	uint64_t heap_huge_bytes;  /* of the heap now: huge pages of memory files */
	uint64_t layer_huge_bytes; /* huge pages that publishes have made to copy into */
	uint64_t huge_refused;     /* huge pages that the kernel did not make for the heap */
	uint64_t cache_huge_bytes; /* of rmmapd's pages of other hosts, for all processes: in
	                              huge pages */
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
