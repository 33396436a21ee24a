/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * early.c - a malloc that comes before the process has its thread-local variables
 *
 * ld.so initialises thread-local variables after all relocations, but IFUNC resolvers run during
 * them. If a resolver allocates, jemalloc's data of the thread is all zeros, which jemalloc takes
 * for a thread that is set up. So this library has a resolver, too, for a function that nobody
 * calls. It runs when this library is relocated, which is before any resolver that can call our
 * malloc, and it copies the initial values as ld.so will again. Then jemalloc sees a new thread.
 *
 * Runs once, on the first thread. It must not call a function: functions of other libraries do
 * not work yet.
 */
#include <elf.h>
#include <link.h>

#include "heap.h"

/* The start of this library's initialised thread-local variables: only jemalloc has any. */
extern __thread uint64_t je_tsd_tls[]
	__attribute__((visibility("hidden"), tls_model("initial-exec")));
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

static void early_nothing(void)
{
}

static void (*early_resolve(void))(void)
{
	uintptr_t base = (uintptr_t)&__ehdr_start;
	const ElfW(Phdr) *p = (const void *)(base + __ehdr_start.e_phoff);
	volatile uint64_t *to = je_tsd_tls;     /* else the compiler makes it a call of memcpy */

	for (unsigned i = 0; i < __ehdr_start.e_phnum; i++)
		if (p[i].p_type == PT_TLS)
			for (size_t k = 0; k < p[i].p_filesz / sizeof(*to); k++)
				to[k] = ((const uint64_t *)(base + p[i].p_vaddr))[k];
	return early_nothing;
}

/* The reference below makes the linker keep the relocation that runs the resolver. */
static void early_unused(void) __attribute__((ifunc("early_resolve")));
static void (*const early_reference)(void) __attribute__((used)) = early_unused;
