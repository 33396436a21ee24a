/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * env.c - the environment, read once, and which symbols the program imports
 *
 * Any thread. The environment is read at the first malloc of the process, which may come from an
 * IFUNC resolver and before libc's own setup, when environ is NULL. Does not allocate, except
 * own pages for long strings.
 */
#include "base.h"

#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "../../common/say.h"

/* A variable of ld.so. Weak, so that the library also loads where there is none. */
extern void *__libc_stack_end __attribute__((weak));

static char **environment_find(void)
{
	uintptr_t *stack;

	if (environ)
		return environ;
	if (!&__libc_stack_end || !__libc_stack_end)
		return NULL;
	stack = __libc_stack_end;               /* argc, argv, NULL, environment */
	return (char **)(stack + 1 + stack[0] + 1);
}

static void option_problem(void *arg, const char *name, const char *value, const char *wanted)
{
	(void)arg;
	rm_say_fd(2, "librmmap: %s=%s is ignored: want %s", name, value, wanted);
}

/* Copy a string: programs write over their environment (setproctitle) or free it. */
static const char *text_keep(const char *text)
{
	static char store[4096];
	static size_t used;
	size_t size;
	char *to;

	if (!text)
		return NULL;
	size = strlen(text) + 1;
	if (size <= sizeof(store) - used) {
		to = store + used;
		used += size;
	} else {
		to = own_pages(size);
	}
	return to ? memcpy(to, text, size) : NULL;
}

/* Names in the environment that look like rmmap's but are not; "" without RMMAP_LOG. */
static char unknown[RM_TEXT_MAX];

void env_log(void)
{
	static bool told;
	const char *log = env_options()->log;
	int fd;

	if (!unknown[0] || __atomic_exchange_n(&told, true, __ATOMIC_RELAXED))
		return;
	fd = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
	if (fd < 0)
		return;                 /* rmmapd, which cannot start without it, reports that */
	rm_say_fd(fd, "librmmap: process %d has in its environment, but no variable of rmmap: %s",
	          (int)getpid(), unknown);
	close(fd);
}

const struct rm_options *env_options(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static struct rm_options options;
	static bool ready;

	if (likely(__atomic_load_n(&ready, __ATOMIC_ACQUIRE)))
		return &options;
	pthread_mutex_lock(&lock);
	if (!ready) {
		bool secure = getauxval(AT_SECURE) != 0;

		rm_options_read(&options, environment_find(), secure, option_problem, NULL);
		if (options.log)
			rm_options_unknown(environment_find(), secure, unknown, sizeof(unknown));
		options.daemon = text_keep(options.daemon);
		options.rundir = text_keep(options.rundir);
		options.xdg_runtime_dir = text_keep(options.xdg_runtime_dir);
		options.fabric = text_keep(options.fabric);
		options.log = text_keep(options.log);
		options.malloc_conf = text_keep(options.malloc_conf);
		__atomic_store_n(&ready, true, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&lock);
	return &options;
}

/* The entries of one object's dynamic section that tell which symbols it imports. */
struct dynamic {
	const ElfW(Sym) *symbols;
	const char *strings;
	const uint32_t *gnu_hash, *hash;
	const ElfW(Rela) *rela, *plt;
	size_t rela_size, plt_size, relative;
};

/* ld.so has already relocated the addresses in dynamic sections, except for the vDSO's. */
static const void *dynamic_pointer(const struct dl_phdr_info *info, const ElfW(Dyn) *d)
{
	uintptr_t p = d->d_un.d_ptr;

	return (const void *)(p < info->dlpi_addr ? p + info->dlpi_addr : p);
}

static void dynamic_read(const struct dl_phdr_info *info, struct dynamic *out)
{
	const ElfW(Dyn) *d = NULL;

	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
			d = (const void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
	for (; d && d->d_tag != DT_NULL; d++) {
		switch (d->d_tag) {
		case DT_SYMTAB: out->symbols = dynamic_pointer(info, d); break;
		case DT_STRTAB: out->strings = dynamic_pointer(info, d); break;
		case DT_GNU_HASH: out->gnu_hash = dynamic_pointer(info, d); break;
		case DT_HASH: out->hash = dynamic_pointer(info, d); break;
		case DT_RELA: out->rela = dynamic_pointer(info, d); break;
		case DT_RELASZ: out->rela_size = d->d_un.d_val; break;
		case DT_RELACOUNT: out->relative = d->d_un.d_val; break;
		case DT_JMPREL: out->plt = dynamic_pointer(info, d); break;
		case DT_PLTRELSZ: out->plt_size = d->d_un.d_val; break;
		}
	}
}

static size_t highest_symbol(const ElfW(Rela) *rela, size_t from, size_t bytes, size_t highest)
{
	for (size_t i = from; rela && i < bytes / sizeof(*rela); i++)
		if (ELF64_R_SYM(rela[i].r_info) > highest)
			highest = ELF64_R_SYM(rela[i].r_info);
	return highest;
}

/*
 * A number of symbols among which all undefined ones are. The GNU hash holds the defined symbols,
 * which come last, from its symoffset on. If it is empty, symoffset is 1 and tells nothing; then
 * the highest symbol that a relocation refers to is the bound.
 */
static size_t undefined_bound(const struct dynamic *dynamic)
{
	const uint32_t *h = dynamic->gnu_hash;
	size_t highest;

	if (h && h[1] > 1)
		return h[1];
	if (dynamic->hash)
		return dynamic->hash[1];
	highest = highest_symbol(dynamic->rela, dynamic->relative, dynamic->rela_size, 0);
	return highest_symbol(dynamic->plt, 0, dynamic->plt_size, highest) + 1;
}

static bool symbol_undefined(const struct dynamic *dynamic, size_t i, const char *symbol)
{
	return dynamic->symbols[i].st_shndx == SHN_UNDEF &&
	       !strcmp(dynamic->strings + dynamic->symbols[i].st_name, symbol);
}

/*
 * If a program that is not position-independent takes a function's address, the symbol is undefined
 * but has an address in the program, so it is in the hash among the defined ones.
 */
static bool symbol_hashed_undefined(const struct dynamic *dynamic, const char *symbol)
{
	const uint32_t *h = dynamic->gnu_hash, *buckets, *chain;
	uint32_t hash = 5381, i;

	if (!h || !h[0])
		return false;
	for (const char *c = symbol; *c; c++)
		hash = hash * 33 + (unsigned char)*c;
	buckets = h + 4 + 2 * (size_t)h[2];     /* behind the bloom filter's 64-bit words */
	chain = buckets + h[0];
	i = buckets[hash % h[0]];
	if (i < h[1])
		return false;
	for (;; i++) {
		uint32_t value = chain[i - h[1]];

		if ((value | 1) == (hash | 1) && symbol_undefined(dynamic, i, symbol))
			return true;
		if (value & 1)
			return false;
	}
}

static int object_imports(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct dynamic dynamic = { 0 };
	const char *symbol = arg;
	size_t count;

	(void)size;
	dynamic_read(info, &dynamic);
	if (!dynamic.symbols || !dynamic.strings)
		return 0;
	count = undefined_bound(&dynamic);
	for (size_t i = 1; i < count; i++)
		if (symbol_undefined(&dynamic, i, symbol))
			return 1;
	return symbol_hashed_undefined(&dynamic, symbol);
}

bool env_imports(const char *symbol)
{
	return dl_iterate_phdr(object_imports, (void *)(uintptr_t)symbol) != 0;
}
