/* SPDX-License-Identifier: BSD-2-Clause */
/* corners.h - what each hard corner does after it was turned: use the heap, publish */
#ifndef CORNERS_H
#define CORNERS_H

#include "preload.h"

enum wanted {
	WORKS,          /* publish has to succeed */
	TELLS,          /* it may fail, with errno and a reason */
};

/* Blocks of all sizes, in this thread, others and a child of fork(). */
void use_heap(void);
void use_heap_here(void);
void publish(enum wanted wanted);
/* To an ordinary user, where root runs the test. */
void become_ordinary(void);
/* A number of this process from /proc/self/status: kilobytes. */
long status_kb(const char *key);

/* corners_limits.c */
void corner_address_space(void);
void corner_other_threads(void);
void corner_data_limit(void);
void corner_data_fork(void);
void corner_committed(void);
void corner_mlockall(void);
void corner_mlockall_ordinary(void);
void corner_full_slot(void);
void corner_full_window(void);
void corner_file_size(void);
void corner_descriptors(void);

/* corners_rights.c */
void corner_chroot(void);
void corner_setuid(void);
void corner_dumpable(void);
void corner_no_memfd(void);
void corner_no_proc(void);

/* corners_process.c */
void corner_cancelled(void);
void corner_alternate_stack(void);
void corner_close_all(void);
void corner_dup2_over(void);
void corner_deepbind(void);
void corner_dlopen(void);
void corner_short_threads(void);
void corner_signals(void);
void corner_exec_children(void);
void corner_nested_threads(void);
void corner_fork_threads(void);
void corner_cleared_environment(void);

#endif
