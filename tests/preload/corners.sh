# SPDX-License-Identifier: BSD-2-Clause
# corners: programs that close our descriptors, give up rights, lack memory, threads, forks:
# each with a heap of each kind. See corners.c; for those of root corners_root.sh.
# CORNERS names other ones than all, PRELOAD_HEAPS other heaps
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
set -e

own_malloc
corners=$abs_top_builddir/tests/preload/corners
new_rundir runs
ulimit -c 0 2>/dev/null || :
PLUG=$abs_top_builddir/tests/preload/.libs/libplug.so
export PLUG

# turn CORNER HEAP WAY...
turn()
{
	_corner=$1 _heap=$2
	shift 2
	_status=0
	RMMAP_HEAP=$_heap timeout -k 5 600 "$@" "$corners" "$_corner" > "$tmp/out" 2> "$tmp/err" || _status=$?
	case $_status in
	0) echo "$_corner, $_heap: $(sort "$tmp/out" | uniq -c | tr -s ' \n' ' ')" ;;
	77)
		echo "$_corner, $_heap: not tried: $(tail -n 1 "$tmp/out")"
		return 0
		;;
	*) fail "$_corner, $_heap, $*: status $_status: $(tail -n 5 "$tmp/out") $(cat "$tmp/err")" ;;
	esac
	[ "$(tail -n 1 "$tmp/out")" = ok ] || fail "$_corner, $_heap: $(cat "$tmp/out")"
	[ ! -s "$tmp/err" ] || fail "$_corner, $_heap: on stderr: $(cat "$tmp/err")"
}

# Two corners are an ordinary user's, who has to find everything, and a run directory.
ordinary=
if [ "$(id -u)" -eq 0 ]; then
	chmod 0711 "$tmp"
	ordinary="setpriv --reuid=nobody --clear-groups --regid=$(id -g nobody)"
	$ordinary test -x "$corners" || skip "an ordinary user cannot reach $corners"
	new_rundir ordinarys
	chown nobody "$ordinarys"
	RMMAP_RUNDIR=$runs
	unset RMMAP_LOG
fi

[ "$("$corners" | wc -l)" -ge 20 ] || fail "the corners were not listed"
all=
for corner in $("$corners"); do
	case $corner in
	chroot | mlockall | no_proc | setuid) ;;
	*) all="$all $corner" ;;
	esac
done
for corner in ${CORNERS:-$all}; do
	for heap in ${PRELOAD_HEAPS:-auto anon}; do
		case $corner in
		dumpable | mlockall_ordinary)
			# shellcheck disable=SC2086 # words
			turn "$corner" "$heap" env "RMMAP_RUNDIR=${ordinarys:-$runs}" $ordinary
			;;
		*) turn "$corner" "$heap" env ;;
		esac
	done
done
[ -z "$CORNERS" ] || exit 0
# all of the environment goes at exec, and with it where rmmapd is
cleanup_fn stop_daemon "$runs/rmmap"
for corner in close_all fork_threads; do
	turn "$corner" auto env -i "LD_LIBRARY_PATH=$LD_LIBRARY_PATH" "XDG_RUNTIME_DIR=$runs" \
		"RMMAP_DAEMON=$RMMAP_DAEMON" RMMAP_FABRIC=off
done
# an unlimited stack lays libraries into the window
(
	ulimit -s unlimited 2>/dev/null || { echo "no unlimited stack here: not tried"; exit 0; }
	for corner in dlopen fork_threads short_threads full_slot committed; do
		turn "$corner" auto env
	done
)
