/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * beside.c - programs that have a malloc of another's, and want it: sanitizers, valgrind
 *
 * AddressSanitizer's shadow lies where jemalloc's own memory would, and ThreadSanitizer and
 * MemorySanitizer let a program map no more than a few ranges: beside them jemalloc cannot
 * even be set up. Where their malloc is the program's, nothing needs it. Any thread, from
 * before the first constructor on; malloc_uses_heap() allocates, nothing else does.
 */
#include "heap.h"

#include <malloc.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "config.h"
#ifdef HAVE_VALGRIND_VALGRIND_H
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

/* Their runtimes' own; weak: most programs have none of them. */
void __asan_init(void) __attribute__((weak, visibility("default")));
void __tsan_init(void) __attribute__((weak, visibility("default")));
void __msan_init(void) __attribute__((weak, visibility("default")));

bool malloc_is_ours(void)
{
	void *(*volatile program)(size_t) = malloc;     /* whichever the program gets */

	return !own_malloc || program == own_malloc;
}

bool malloc_uses_heap(void)
{
	void *(*volatile allocate)(size_t) = malloc;    /* whichever the program gets */
	void *p = allocate(1);
	bool ours = hooks_state(p) == SLOT_OWN;

	free(p);
	return ours;
}

const char *other_malloc_name(void)
{
	void (*volatile asan)(void) = __asan_init;
	void (*volatile tsan)(void) = __tsan_init;
	void (*volatile msan)(void) = __msan_init;

	if (asan)
		return "AddressSanitizer";
	if (tsan)
		return "ThreadSanitizer";
	if (msan)
		return "MemorySanitizer";
	return RUNNING_ON_VALGRIND ? "valgrind" : NULL;
}

/* Their shadows leave no room: what they are asked to map in the window ends the program. */
bool other_malloc_permits_maps(void)
{
	void (*volatile tsan)(void) = __tsan_init;
	void (*volatile msan)(void) = __msan_init;

	return !tsan && !msan;
}

/*
 * The sanitizer's malloc would have come first: the order of libraries is wrong. It is just
 * setting itself up, and until then what it has put before libc's functions jumps to NULL:
 * nothing of libc's but syscall(). (clang links its runtimes into the program, so that
 * theirs always come first: this is gcc's.)
 */
void other_malloc_refuse(void)
{
	static const char asan[] = "librmmap: this program is built with AddressSanitizer, whose "
		"malloc has to come first: run it with LD_PRELOAD=$(gcc "
		        "-print-file-name=libasan.so):"
		"librmmap.so.0, or without librmmap\n";
	static const char tsan[] = "librmmap: this program is built with ThreadSanitizer, whose "
		"malloc has to come first: run it with LD_PRELOAD=$(gcc "
		        "-print-file-name=libtsan.so):"
		"librmmap.so.0, or without librmmap\n";
	void (*volatile asan_init)(void) = __asan_init;
	void (*volatile tsan_init)(void) = __tsan_init;

	if (likely(!asan_init && !tsan_init))
		return;
	if (asan_init)
		syscall(SYS_write, 2, asan, sizeof(asan) - 1);
	else
		syscall(SYS_write, 2, tsan, sizeof(tsan) - 1);
	syscall(SYS_exit_group, 1);
}
