# SPDX-License-Identifier: BSD-2-Clause
# functions.sh - what the tests of scale share. Read after ../remote/functions.sh.

scale=$abs_top_builddir/tests/scale/scale

# kib FIELD PID - a line of /proc/PID/status
kib()
{
	sed -n "s/^$1:[[:space:]]*\([0-9]*\) kB/\1/p" "/proc/$2/status"
}

# takes DIR WORDS - what its rmmapd takes: the worker's memory and descriptors, the keeper's
takes()
{
	_keeper_pid=$(daemon_pid "$1")
	_worker_pid=$(workers_of "$1" | tr -d ' ')
	echo "$2: worker $(kib RssAnon "$_worker_pid") KiB own," \
	     "$(kib RssShmem "$_worker_pid") KiB of caches and layers," \
	     "$(ls "/proc/$_worker_pid/fd" | wc -l) descriptors;" \
	     "keeper $(kib RssAnon "$_keeper_pid") KiB," \
	     "$(ls "/proc/$_keeper_pid/fd" | wc -l) descriptors"
}
