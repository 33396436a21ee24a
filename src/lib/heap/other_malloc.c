/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * other_malloc.c - programs that bring another malloc: sanitizers, valgrind
 *
 * AddressSanitizer's shadow lies where jemalloc's own memory would. ThreadSanitizer and
 * MemorySanitizer let a program map a few ranges only. So beside them jemalloc cannot be set up,
 * and while their malloc is the program's nothing needs it. Any thread, from before the first
 * constructor on. Only malloc_uses_heap() allocates.
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

/* Functions of the sanitizers' runtimes. Weak, since most programs have none of them. */
void __asan_init(void) __attribute__((weak, visibility("default")));
void __tsan_init(void) __attribute__((weak, visibility("default")));
void __msan_init(void) __attribute__((weak, visibility("default")));

bool malloc_is_ours(void)
{
	void *(*volatile program)(size_t) = malloc;     /* volatile: ask the linker, not gcc */

	return !own_malloc || program == own_malloc;
}

bool malloc_uses_heap(void)
{
	void *(*volatile allocate)(size_t) = malloc;    /* a call that gcc does not optimise */
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

/* Their shadows leave no room: a mapping in the window would end the program. */
bool other_malloc_permits_maps(void)
{
	void (*volatile tsan)(void) = __tsan_init;
	void (*volatile msan)(void) = __msan_init;

	return !tsan && !msan;
}

/*
 * Our malloc was called although a sanitizer's should be: the order of libraries is wrong. The
 * sanitizer is just setting itself up, and until that is done its wrappers of libc's functions
 * jump to NULL. So syscall() is the only function of libc that may be called. This concerns gcc:
 * clang links its runtimes into the program, so that they always come first.
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
