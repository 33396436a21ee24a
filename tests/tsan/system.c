/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * system.c - system calls of src/lib that ThreadSanitizer takes for something else
 *
 * Linked in by --wrap, for the calls of src/lib and of the test.
 */
#include <sched.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../../src/common/layout.h"

void *__wrap_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset);
void *__real_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count, off_t offset);
int __wrap_clone(int (*function)(void *), void *stack, int flags, void *arg, ...);
int __clone(int (*function)(void *), void *stack, int flags, void *arg, ...);

/*
 * A freeze maps the same pages anew under threads that write to them, and to ThreadSanitizer
 * each mapping is a write to all of it. It is to know nothing of that, and of the pages what it
 * knew before. What is mapped where nothing was, attached memory too, stays a write.
 */
void *__wrap_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	if (flags & MAP_FIXED && rm_in_window((uintptr_t)addr))
		return (void *)syscall(SYS_mmap, addr, length, prot, flags, fd, offset);
	return __real_mmap(addr, length, prot, flags, fd, offset);
}

/* A publish copies whole pages, and what the caller does not publish may change meanwhile. */
ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t offset)
{
	return syscall(SYS_pwrite64, fd, data, size, offset);
}

ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
	return syscall(SYS_pwritev, fd, parts, (long)count, offset, 0L);
}

/*
 * start.c's, with CLONE_VM and CLONE_VFORK. To ThreadSanitizer's clone() each child has memory
 * of its own, in which it gives back the locks that the parent gives back too.
 */
int __wrap_clone(int (*function)(void *), void *stack, int flags, void *arg, ...)
{
	return __clone(function, stack, flags, arg);
}
