# SPDX-License-Identifier: BSD-2-Clause
# calls: malloc and free make no system call but those that rmmap(7) names, and so a program
# that is killed for any other lives
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
set -e

own_malloc
calls=$abs_top_builddir/tests/preload/calls
allowed=$(sed -n '/^\.Sh SYSTEM CALLS/,/^\.El/s/^\.Xr \(.*\) 2$/\1/p' "$abs_top_srcdir/man/rmmap.7" |
	grep -v seccomp)
[ "$(echo "$allowed" | wc -l)" -eq 7 ] || fail "rmmap(7) names: $allowed"
# of the threads that the program makes, and of its end
threads='clone clone3 rseq set_robust_list rt_sigaction rt_sigprocmask exit'

code=0
LD_PRELOAD=$lib "$calls" list > "$tmp/list" 2> "$tmp/err" || code=$?
[ "$code" -ne 77 ] || skip "$(cat "$tmp/err")"
[ "$code" -eq 0 ] || fail "list: status $code: $(cat "$tmp/err")"
echo "made:" $(cat "$tmp/list")
grep -q '^mmap$' "$tmp/list" || fail "nothing was seen"
for name in $(cat "$tmp/list"); do
	case " $(echo $allowed) $threads " in
	*" $name "*) ;;
	*) fail "malloc or free called $name" ;;
	esac
done
for setting in A=B RMMAP_SCRUB=1 RMMAP_MALLOC_CONF=dirty_decay_ms:0 RMMAP_MALLOC_CONF=thp:always; do
	# shellcheck disable=SC2086
	env LD_PRELOAD="$lib" "$setting" "$calls" filter $allowed $threads exit_group write \
		> "$tmp/out" 2> "$tmp/err" || code=$?
	[ "$code" -ne 77 ] || skip "$(cat "$tmp/err")"
	[ "$code" -eq 0 ] || fail "$setting: killed for another call: status $code"
	[ "$(cat "$tmp/out")" = ok ] || fail "$setting: printed $(cat "$tmp/out")"
done
# names are what takes another, and come when they are asked for
if RMMAP_NAMES=1 LD_PRELOAD=$lib cat /proc/self/maps | grep -q 'anon:rmmap heap'; then
	! LD_PRELOAD=$lib cat /proc/self/maps | grep -q 'anon:rmmap' || fail "names without being asked"
else
	echo "calls: mappings have no names here: not tried" >&2
fi
