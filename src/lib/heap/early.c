/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * early.c - a malloc that comes before the process has its thread-local variables
 *
 * ld.so gives these their initial values after all relocations, and IFUNC resolvers run
 * during them. To one that allocates, jemalloc's data of the thread would be all zeros, which
 * means a thread that is set up. So this library has a resolver too, of a function that
 * nobody calls: it runs when the library itself is relocated, which is before any that could
 * come here, and does what ld.so will do again. The thread is a new one to jemalloc then.
 * No call of a function: those out of the library do not work yet.
 */
#include <elf.h>
#include <link.h>

#include "heap.h"

/* All of the library's variables with an initial value: ours have none. */
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
	volatile uint64_t *to = je_tsd_tls;     /* volatile: or it becomes a call of memcpy */

	for (unsigned i = 0; i < __ehdr_start.e_phnum; i++)
		if (p[i].p_type == PT_TLS)
			for (size_t k = 0; k < p[i].p_filesz / sizeof(*to); k++)
				to[k] = ((const uint64_t *)(base + p[i].p_vaddr))[k];
	return early_nothing;
}

static void early_unused(void) __attribute__((ifunc("early_resolve")));
static void (*const early_reference)(void) __attribute__((used)) = early_unused;
