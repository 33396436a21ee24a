#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# rmmap function: 100 clients at once, slow ones, some that do not speak HTTP.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/function/functions.sh"

requires python3 --version
new_rundir a
start clients --arrival 10
timeout 300 python3 "$abs_top_srcdir/tests/function/clients.py" "$port" || fail "clients: $?; $(tail -n 5 "$log")"
nothing_left() { [ "$(rmmap list | wc -l)" -eq 0 ]; }
wait_for 120 nothing_left || fail "publications that nobody has the handle of: $(rmmap list)"
event echo -d alive
answered 200 alive
end_by_term
[ "$ended" -eq 0 ] || fail "SIGTERM: status $ended"
