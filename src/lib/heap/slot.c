/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * slot.c - which 64 GiB of the window this process's heap is in
 *
 * A process that may publish claims its slot among the processes of its host, by an OFD lock on
 * one byte of RUNDIR/slots. All others take a random slot and touch no file. If no claim can be
 * had (no run directory, all taken), malloc works nevertheless: a conflict shows when addresses
 * are already in use at an attach, which says so. Under the hooks' lock, on any thread. System
 * calls only; does not allocate, except for single own pages.
 */
#include "../rmmapd/client.h"
#include "heap.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "../../common/rundir.h"
#include "../../common/say.h"

uint8_t slot_states[RM_SLOTS_MAX];

static bool avoid[RM_SLOTS_MAX];        /* a library or the stack lies there */
static bool forked;                     /* RMMAP_SLOT and the rank were for the parent */
/*
 * For each claimed slot, a mapping of the file of claims. The mapping keeps the open file
 * description that has the lock, so that no descriptor has to stay open. Nobody touches the page.
 */
static void *claim[RM_SLOTS_MAX];
/* The descriptor that is passed to rmmapd; -1 until something is published. */
static struct fd_mark lock_file = { .fd = -1 };
static uint8_t by_lock_file[RM_SLOTS_MAX];              /* the claim is by lock_file's opening */

static void avoid_address(uint64_t addr)
{
	if (rm_in_window(addr))
		avoid[rm_slot_of(addr)] = true;
}

static int avoid_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size, (void)arg;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		uint64_t start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;

		if (info->dlpi_phdr[i].p_type != PT_LOAD)
			continue;
		avoid_address(start);
		avoid_address(start + info->dlpi_phdr[i].p_memsz);
	}
	return 0;
}

/*
 * Numbers that spread heaps, which need not be secret (splitmix64). The kernel is asked at start
 * and in a child that moves, never in between: malloc may run under a seccomp filter that does
 * not list getrandom().
 */
static uint64_t random_state;

static void random_seed(void)
{
	if (getrandom(&random_state, sizeof(random_state), GRND_NONBLOCK) != sizeof(random_state))
		random_state = (uint64_t)getpid() * 0x9e3779b97f4a7c15u + (uintptr_t)&random_state;
}

uint64_t slot_random(void)
{
	uint64_t n = random_state += 0x9e3779b97f4a7c15u;

	n = (n ^ n >> 30) * 0xbf58476d1ce4e5b9u;
	n = (n ^ n >> 27) * 0x94d049bb133111ebu;
	return n ^ n >> 31;
}

/*
 * With an unlimited stack the kernel lays libraries into the window. Looked up once and
 * before threads: dl_iterate_phdr() takes a lock that a thread in dlopen() may hold
 * while it waits for ours.
 */
void slot_init(void)
{
	int on_stack;

	random_seed();
	dl_iterate_phdr(avoid_object, NULL);
	avoid_address((uintptr_t)&on_stack);
}

static unsigned slot_pick(void)
{
	return slot_random() % RM_WINDOW_SLOTS;
}

/* Open the file of claims anew, since OFD locks belong to one opening. -1: it cannot be had. */
static int lock_file_open(void)
{
	const struct rm_options *options = env_options();
	char path[RM_RUNDIR_MAX + sizeof("/" RM_SLOTS_NAME)], why[RM_TEXT_MAX];
	size_t length;

	if (rm_rundir_find(options, true, path, why, sizeof(why)))
		return -1;
	for (length = 0; path[length]; length++)
		;
	rm_format(path + length, sizeof(path) - length, "/%s", RM_SLOTS_NAME);
	return rm_rundir_open(path);
}

/* The mapping is not inherited: a child would keep its parent's claim alive. */
static bool claim_keep(int fd, unsigned slot)
{
	void *page = own_pages(RM_PAGE);

	if (!page)
		return false;
	if (mmap(page, RM_PAGE, PROT_NONE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED ||
	    madvise(page, RM_PAGE, MADV_DONTFORK)) {
		own_pages_unmap(page, RM_PAGE);
		return false;
	}
	claim[slot] = page;
	return true;
}

static bool claim_try(int fd, unsigned slot)
{
	struct flock range = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = slot, .l_len = 1,
	};

	return fcntl(fd, F_OFD_SETLK, &range) == 0 && claim_keep(fd, slot);
}

/* Only processes that publish through an rmmapd that others share need a claim. */
static bool claims_wanted(void)
{
	const char *daemon = env_options()->daemon;

	return policy_publishes() && !daemon_is_private() &&
	       !(daemon && __builtin_strcmp(daemon, "off") == 0);
}

static bool slot_usable(unsigned slot)
{
	return slot_states[slot] == SLOT_FREE && !avoid[slot];
}

/* The first slot from start on that is free here and whose lock can be had; -1: none. */
static int slot_search(unsigned start, int fd)
{
	for (unsigned i = 0; i < RM_WINDOW_SLOTS; i++) {
		unsigned slot = (start + i) % RM_WINDOW_SLOTS;

		if (slot_usable(slot) && (fd < 0 || claim_try(fd, slot)))
			return (int)slot;
	}
	return -1;
}

int slot_claim(unsigned *slot)
{
	const struct rm_options *options = env_options();
	int fd = claims_wanted() ? lock_file_open() : -1;
	unsigned start = slot_pick();
	int found;

	if (options->slot >= 0 && !forked && slot_states[options->slot] == SLOT_FREE) {
		found = options->slot;          /* as the user says, whoever else has it */
		if (fd >= 0)
			claim_try(fd, (unsigned)found);
	} else {
		if (options->rank >= 0 && !forked)
			start = (unsigned)options->rank % RM_WINDOW_SLOTS;
		found = slot_search(start, fd);
		if (found < 0 && fd >= 0)
			found = slot_search(start, -1);
	}
	if (fd >= 0)
		close(fd);
	if (found < 0)
		return -ENOMEM;
	__atomic_store_n(&slot_states[found], SLOT_OWN, __ATOMIC_RELAXED);
	*slot = (unsigned)found;
	return 0;
}

/*
 * The parent's claims were not inherited (MADV_DONTFORK). fork() shares the open file description
 * and so the OFD lock: to unlock through this descriptor would drop the parent's claim. So it is
 * closed, and the child opens the file anew.
 */
void slot_child(void)
{
	if (fd_still(&lock_file))
		close(lock_file.fd);
	lock_file.fd = -1;
	forked = true;
	random_seed();
	for (unsigned i = 0; i < RM_WINDOW_SLOTS; i++) {
		if (slot_states[i] == SLOT_OWN)
			slot_states[i] = SLOT_INHERITED;
		claim[i] = NULL;
	}
}

int slot_lock_fd(unsigned slot)
{
	if (slot >= RM_WINDOW_SLOTS || !claim[slot])
		return -1;
	if (fd_still(&lock_file) && by_lock_file[slot])
		return lock_file.fd;
	if (!fd_still(&lock_file)) {
		int fd = lock_file_open();

		fd_mark(&lock_file, fd < 0 ? fd : fd_raise(fd));
		memset(by_lock_file, 0, sizeof(by_lock_file));
	}
	if (lock_file.fd < 0)
		return -1;
	/* The lock moves from one opening to another; a process that comes in between gets it. */
	own_pages_unmap(claim[slot], RM_PAGE);
	claim[slot] = NULL;
	by_lock_file[slot] = claim_try(lock_file.fd, slot);
	return by_lock_file[slot] ? lock_file.fd : -1;
}
