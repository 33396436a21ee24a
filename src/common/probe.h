/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * probe.h - static markers for perf, bpftrace and gdb
 *
 * A marker is one nop instruction while nobody traces it. Without sys/sdt.h at build time there
 * are none. The provider is "rmmap"; rmmap(7) lists them. Any thread.
 */
#ifndef RM_PROBE_H
#define RM_PROBE_H

#include "config.h"

#ifdef HAVE_SYS_SDT_H
#include <sys/sdt.h>
#define RM_PROBE(name, addr, amount, ns) DTRACE_PROBE3(rmmap, name, addr, amount, ns)
#else
#define RM_PROBE(name, addr, amount, ns) ((void)(addr), (void)(amount), (void)(ns))
#endif

#endif
