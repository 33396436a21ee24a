/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * parent.c - a parent for rmmapd in a program that inherits orphans
 *
 * The first process of a pid namespace (of a container) and a child subreaper become the parent of
 * every orphan below them. If rmmapd were an orphan there, a loop that waits for all children
 * would not end before rmmapd does. So rmmapd becomes the child of a process that stays. That
 * process is made by clone(2) without an exit signal and never execs, so only __WCLONE and __WALL
 * see it. Its memory is a copy of the program's, of which it gives back all but one page of code
 * and its stack at once.
 *
 *   the program --clone, no exit signal--> maker --clone(CLONE_PARENT|CLONE_VM)--> parent
 *                                          (ends)         parent --vfork, exec--> rmmapd
 *
 * The maker is needed since a process made like by fork() has glibc's rseq area registered, and is
 * killed when it unmaps it. A task made with CLONE_VM has none. Under the connection's lock, on any
 * thread, with all signals blocked. Does not allocate, except for the room below.
 */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"

#define STACK_SIZE (64 << 10)           /* and a multiple of any page size */

/* Memory that program, maker and parent share: this, and from STACK_SIZE on two stacks. */
struct room {
	struct spawn spawn;
	int maker[2];                   /* a pipe, which ends when the maker has ended */
	uint64_t page;                  /* size of one */
	pid_t parent;                   /* 0: it could not be made */
};
_Static_assert(sizeof(struct room) <= STACK_SIZE, "it has its place before the stacks");

/* Where stack 0 begins, or 1; both grow down, so they start at the next one's begin. */
static char *room_stack(struct room *room, unsigned number)
{
	return (char *)room + STACK_SIZE * (number + 1);
}

/* The parent of the last rmmapd. Once rmmapd has ended it is a zombie that only we can reap. */
static pid_t last_parent;

/* ---- system calls for a process that has unmapped libc ---- */

#if defined(__x86_64__)
#define RAW_CALLS 1
static inline __attribute__((always_inline)) long raw_call(long number, long a, long b, long c,
                                                           long d)
{
	register long r10 __asm__("r10") = d;
	long result;

	__asm__ volatile("syscall" : "=a"(result)
	                 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
	                 : "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__)
#define RAW_CALLS 1
static inline __attribute__((always_inline)) long raw_call(long number, long a, long b, long c,
                                                           long d)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
}
#endif

bool parent_needed(void)
{
#ifdef RAW_CALLS
	int reaper = 0;

	return getpid() == 1 || (prctl(PR_GET_CHILD_SUBREAPER, &reaper) == 0 && reaper);
#else
	return false;
#endif
}

#ifdef RAW_CALLS

static inline __attribute__((always_inline)) void raw_unmap(uint64_t from, uint64_t to)
{
	if (to > from)
		raw_call(SYS_munmap, (long)from, (long)(to - from), 0, 0);
}

/*
 * Give back all memory except [a, a_end) and [b, b_end), the lower one first, and wait until no
 * child is left, adopted orphans included. The function is in a section of its own, which is one
 * of the two ranges: after the first call nothing else is mapped, no thread-local variable
 * either. How large the address space is, munmap(2) tells.
 */
static __attribute__((noreturn, noinline, no_stack_protector, section(".text.rmmap_parent"),
                      no_sanitize("address", "thread", "undefined"), aligned(4096)))
void parent_stay(const uint64_t a, const uint64_t a_end, const uint64_t b, const uint64_t b_end,
                 const uint64_t page)
{
	raw_unmap(0, a);
	raw_unmap(a_end, b);
	for (unsigned bits = 57; bits > 32; bits--)
		if (raw_call(SYS_munmap, (long)b_end,
		             (long)((UINT64_C(1) << bits) - page - b_end), 0, 0) == 0)
			break;
	/* Never EINTR, since all signals are blocked. */
	while (raw_call(SYS_wait4, -1, 0, __WALL, 0) > 0)
		;
	for (;;)
		raw_call(SYS_exit_group, 0, 0, 0, 0);
}

/* wait: the pipe that ends with the maker; no other descriptor is left. */
static void parent_alone(struct room *room, int wait)
{
	uint64_t page = room->page;
	uint64_t code = (uint64_t)(uintptr_t)parent_stay & ~(page - 1);
	uint64_t stack = (uint64_t)(uintptr_t)room_stack(room, 0);
	char byte;

	while (read(wait, &byte, 1) > 0)
		;
	close(wait);
	if (code < stack)
		parent_stay(code, code + page, stack, stack + STACK_SIZE, page);
	parent_stay(stack, stack + STACK_SIZE, code, code + page, page);
}

static int parent_main(void *arg)
{
	struct room *room = arg;

	close(room->maker[1]);
	prctl(PR_SET_NAME, "rmmapd-parent");
	/* A worker that outlives its keeper must not become the program's child either. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	syscall(SYS_setsid);
	if (chdir("/") < 0)
		spawn_failed(&room->spawn, "chdir /");
	else if (__clone(spawn_exec, room_stack(room, 2), CLONE_VM | CLONE_VFORK | SIGCHLD,
	               &room->spawn) < 0)
		spawn_failed(&room->spawn, "clone");
	if (room->spawn.error) {
		/* Reap the failed child here, or it becomes the program's. */
		while (waitpid(-1, NULL, __WALL) > 0)
			;
		syscall(SYS_exit_group, 1);
	}
	if (dup2(room->maker[0], 0) < 0)
		syscall(SYS_exit_group, 1);
	spawn_close_from(1);
	parent_alone(room, 0);
	return 0;
}

/* In the maker. With CLONE_PARENT the new process has the maker's exit signal: none. */
static void __attribute__((noreturn)) maker_main(struct room *room)
{
	int pid = __clone(parent_main, room_stack(room, 1), CLONE_VM | CLONE_PARENT, room);

	room->parent = pid > 0 ? pid : 0;
	for (;;)
		syscall(SYS_exit_group, 0);
}

static void child_reap(pid_t pid, int flags)
{
	while (pid && waitpid(pid, NULL, __WCLONE | flags) < 0 && errno == EINTR)
		;
}

/* Wait until the new process has exec'ed or failed: all others have closed the pipe. */
static void exec_await(int executed)
{
	char byte;

	while (read(executed, &byte, 1) < 0 && errno == EINTR)
		;
}

static void pipe_close_end(int *end)
{
	if (*end >= 0)
		close(*end);
	*end = -1;
}

/*
 * Both pipes were inherited by the others. `executed` ends when the exec was done or has failed,
 * `maker` when the maker has ended. False: there is no parent, and nothing has happened.
 */
static bool parent_make(struct room *room, int executed[2], int maker[2])
{
	/* A fork without handlers, locks and exit signal. */
	pid_t pid = (pid_t)syscall(SYS_clone, 0UL, 0UL, 0UL, 0UL, 0UL);

	if (pid == 0)
		maker_main(room);
	pipe_close_end(&executed[1]);
	pipe_close_end(&maker[1]);
	if (pid < 0)
		return false;
	child_reap(pid, 0);
	if (!room->parent)
		return false;
	exec_await(executed[0]);
	child_reap(last_parent, WNOHANG);
	last_parent = room->parent;
	if (room->spawn.error) {
		child_reap(last_parent, 0);
		last_parent = 0;
	}
	return true;
}

bool parent_spawn(struct spawn *spawn)
{
	int executed[2] = { -1, -1 }, maker[2] = { -1, -1 };
	struct room *room = mmap(NULL, 3 * STACK_SIZE, PROT_READ | PROT_WRITE,
	                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool made = false;

	if (room == MAP_FAILED)
		return false;
	if (pipe2(executed, O_CLOEXEC) == 0 && pipe2(maker, O_CLOEXEC) == 0) {
		*room = (struct room){
			.spawn = *spawn, .maker = { maker[0], maker[1] },
			.page = (uint64_t)sysconf(_SC_PAGESIZE),
		};
		made = parent_make(room, executed, maker);
	}
	for (int i = 0; i < 2; i++) {
		pipe_close_end(&executed[i]);
		pipe_close_end(&maker[i]);
	}
	if (made) {
		spawn->error = room->spawn.error;
		spawn->step = room->spawn.step;
	}
	munmap(room, 3 * STACK_SIZE);
	return made;
}

#else
bool parent_spawn(struct spawn *spawn)
{
	(void)spawn;
	return false;
}
#endif
