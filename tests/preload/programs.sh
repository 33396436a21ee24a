# SPDX-License-Identifier: BSD-2-Clause
# preload: the malloc of programs, linked and preloaded, is librmmap's, and keeps its promises
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
set -e

own_malloc
programs=$abs_top_builddir/tests/preload
new_rundir runs

# check WHAT CMD ARG...: prints ok and nothing else
check()
{
	_what=$1
	shift
	"$@" > "$tmp/out" 2> "$tmp/err" || fail "$_what: status $?: $(cat "$tmp/err")"
	[ "$(cat "$tmp/out")" = ok ] || fail "$_what: printed $(cat "$tmp/out")"
	[ ! -s "$tmp/err" ] || fail "$_what: on stderr: $(cat "$tmp/err")"
}

# where VARIABLE=VALUE...: the slot of a preloaded program's heap, and that of its child
where()
{
	env LD_PRELOAD="$lib" "$@" "$programs/where"
}

check "contract, preloaded" env LD_PRELOAD="$lib" "$programs/contract"
check "contract, linked" "$programs/contract_linked"
check "contract, checked" env LD_PRELOAD="$lib" RMMAP_CHECK=1 "$programs/contract"
check "threads, preloaded" env LD_PRELOAD="$lib" "$programs/threads"
check "threads, scrubbing" env LD_PRELOAD="$lib" RMMAP_SCRUB=1 "$programs/threads"
check "fork and streams, preloaded" env LD_PRELOAD="$lib" "$programs/fork_stdio"
check "fork and streams, linked" "$programs/fork_stdio_linked"
check "ifunc" env LD_PRELOAD="$lib" "$programs/ifunc"
[ ! -e "$runs/slots" ] || fail "a program that does not publish touched the run directory"
check "forks" "$programs/forks" 200
[ -e "$runs/slots" ] || fail "a program that publishes claimed no slot"
# its claim is held without a descriptor
RMMAP_HEAP=shared RMMAP_SLOT=701 LD_PRELOAD=$lib sleep 60 &
claims=$!
wait_for 10 grep -q 'OFDLCK .* 701 701$' /proc/locks
! ls -l "/proc/$claims/fd" | grep -q slots || fail "a descriptor is open for the slot's claim"
kill "$claims"
wait "$claims" || true
! grep -q 'OFDLCK .* 701 701$' /proc/locks || fail "the claim outlives its process"
check "forks, shared heap" env RMMAP_HEAP=shared "$programs/forks" 200
check "forks, anonymous heap" env RMMAP_HEAP=anon "$programs/forks" 100
check "private memory of children" env LD_PRELOAD="$lib" RMMAP_HEAP=shared "$programs/private"
check "10,000 forks" env LD_PRELOAD="$lib" RMMAP_HEAP=shared "$programs/private" 10000
for heap in shared anon; do
	check "forks in handlers, $heap heap" env RMMAP_HEAP=$heap "$programs/fork_handler" 40
done
if "$programs/fork_steps" probe 2> "$tmp/err"; then
	for heap in shared anon; do
		check "fork at each step, $heap heap" env RMMAP_HEAP=$heap "$programs/fork_steps"
	done
	check "fork at each step, and on" env RMMAP_HEAP=anon "$programs/fork_steps" on
else
	echo "preload: $(cat "$tmp/err")" >&2
fi
check "threads, shared heap" env LD_PRELOAD="$lib" RMMAP_HEAP=shared "$programs/threads"

# an unlimited stack lays libraries into the window
(
	ulimit -s unlimited 2>/dev/null || { echo "preload: no unlimited stack here: not tried" >&2; exit 0; }
	check "contract, unlimited stack" env LD_PRELOAD="$lib" "$programs/contract"
	check "threads, unlimited stack" env LD_PRELOAD="$lib" "$programs/threads"
	check "forks, unlimited stack" "$programs/forks"
)
# address space is taken as the heap grows
(
	ulimit -v 4000000
	check "threads, limited address space" env LD_PRELOAD="$lib" "$programs/threads"
)

# a child moves if the program may publish, and only then
case $(where RMMAP_HEAP=anon) in
*same) ;;
*) fail "a child of a program that does not publish moved" ;;
esac
for program in where_pie where_no_pie; do
	case $("$programs/$program") in
	*other) ;;
	*) fail "$program imports rmmap_publish, and that was not seen" ;;
	esac
done
[ "$(where RMMAP_SLOT=77)" = "77 same" ] || fail "RMMAP_SLOT is not honoured"
[ "$(where RMMAP_SLOT=77 RMMAP_HEAP=shared)" = "77 other" ] ||
	fail "RMMAP_SLOT is not honoured, or its child did not move"
[ "$(where SLURM_PROCID=5 RMMAP_HEAP=shared)" = "5 other" ] || fail "a rank does not choose the slot"

# those that may publish hold different slots, and RMMAP_SLOT is never refused
for i in 1 2 3 4 5 6 7 8; do
	RMMAP_HEAP=shared SLURM_PROCID=5 LD_PRELOAD=$lib "$programs/where" wait > "$tmp/slot.$i" &
	cleanup_fn kill "$!"
done
_all()
{
	[ "$(cat "$tmp"/slot.* | wc -l)" -eq 8 ]
}
wait_for 120 _all || fail "eight processes did not come up"
[ "$(sort -u "$tmp"/slot.* | wc -l)" -eq 8 ] || fail "two processes hold one slot"
[ "$(where RMMAP_SLOT=5 RMMAP_HEAP=shared)" = "5 other" ] || fail "RMMAP_SLOT was refused"

# attached memory beside the heap, in one slot
handle=$(RMMAP_SLOT=31 "$programs/same_slot") || fail "publishing failed"
check "the same slot for both" env RMMAP_SLOT=31 "$programs/same_slot" "$handle"

# no run directory: the heap works all the same
mkdir "$tmp/closed"
chmod 0500 "$tmp/closed"
for dir in "$tmp/closed/none" /nowhere/at/all relative "$tmp/$(printf '%0100d' 0)" /etc; do
	check "forks without a run directory ($dir)" env RMMAP_RUNDIR="$dir" "$programs/forks"
done
chmod 0700 "$tmp/closed"

# a bad value is said once, and does no harm
RMMAP_SLOT=banana LD_PRELOAD=$lib "$programs/where" > "$tmp/out" 2> "$tmp/err"
[ "$(grep -c RMMAP_SLOT "$tmp/err")" -eq 1 ] || fail "RMMAP_SLOT=banana: $(cat "$tmp/err")"

# jemalloc listens to our variable only
MALLOC_CONF=confirm_conf:true LD_PRELOAD=$lib "$programs/where" > "$tmp/out" 2> "$tmp/err"
[ ! -s "$tmp/err" ] || fail "MALLOC_CONF was read: $(cat "$tmp/err")"
RMMAP_MALLOC_CONF=confirm_conf:true LD_PRELOAD=$lib "$programs/where" > "$tmp/out" 2> "$tmp/err"
grep -q confirm_conf "$tmp/err" || fail "RMMAP_MALLOC_CONF was not read"
# nor to the host's file, seen from a mount namespace in which there is one
mkdir "$tmp/etc"
ln -s confirm_conf:true "$tmp/etc/malloc.conf"
[ ! -e /etc/ld.so.cache ] || cp /etc/ld.so.cache "$tmp/etc"
if unshare -rm mount --bind "$tmp/etc" /etc 2>/dev/null; then
	unshare -rm sh -c 'mount --bind "$1" /etc && LD_PRELOAD=$2 exec "$3"' sh "$tmp/etc" "$lib" \
		"$programs/where" > "$tmp/out" 2> "$tmp/err" || fail "with an /etc/malloc.conf: status $?"
	[ ! -s "$tmp/err" ] || fail "/etc/malloc.conf was read: $(cat "$tmp/err")"
else
	echo "preload: no mount namespace here: /etc/malloc.conf not tried" >&2
fi
# its option for huge pages holds for the heap, which is not mapped by it
if [ -e /sys/kernel/mm/transparent_hugepage/enabled ]; then
	for mode in default: always:hg never:nh; do
		RMMAP_NAMES=1 RMMAP_MALLOC_CONF=thp:${mode%:*} LD_PRELOAD=$lib cat /proc/self/smaps |
			awk '/rmmap heap/ { heap = 1 } /^VmFlags:/ { if (heap) print $0 " "; heap = 0 }' > "$tmp/out"
		[ -s "$tmp/out" ] || { echo "preload: mappings have no names here: huge pages not tried" >&2; break; }
		case $mode in
		default:) ! grep -E ' (hg|nh) ' "$tmp/out" || fail "huge pages: not as by default" ;;
		*) ! grep -v " ${mode#*:} " "$tmp/out" || fail "thp:${mode%:*} has no effect" ;;
		esac
	done
fi
RMMAP_MALLOC_CONF=narenas:8,oversize_threshold:1000000,retain:false,hpa:true,percpu_arena:percpu \
	check "threads, against what is pinned" env LD_PRELOAD="$lib" "$programs/threads"

# asked to check, what is no pointer of malloc's ends the program with one line
if (ulimit -c 0; RMMAP_CHECK=1 LD_PRELOAD=$lib "$programs/where" free) > "$tmp/out" 2> "$tmp/err"; then
	fail "free() of a global was taken"
fi
[ "$(grep -c 'librmmap: free(0x.*not from malloc' "$tmp/err")" -eq 1 ] ||
	fail "free() of a global: $(cat "$tmp/err")"
