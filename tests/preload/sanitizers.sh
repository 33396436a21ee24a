# SPDX-License-Identifier: BSD-2-Clause
# sanitizers: programs built with a sanitizer, or run by valgrind, keep its malloc beside
# librmmap: they run, attach, find their bugs, and publish tells why it does not
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
set -e

own_malloc
new_rundir runs
ulimit -c 0 2>/dev/null || :
tried=

# build COMPILER SANITIZER FLAG...: $tmp/COMPILER-SANITIZER, if that can be run here at all
build()
{
	command -v "$1" > /dev/null || { echo "$1 is not installed"; return 1; }
	program=$tmp/$1-$2${3:+-static}
	compiler=$1
	set -- "-fsanitize=$2" ${3:+"$3"}
	"$compiler" -g "$@" -o "$program.try" -x c - 2> /dev/null <<-END && "$program.try" ||
		int main(void) { return 0; }
	END
		{ echo "no program with $* of $compiler runs here"; return 1; }
	"$compiler" -g "$@" -I "$abs_top_srcdir/include" -o "$program" \
		"$abs_top_srcdir/tests/preload/beside.c" -L "$abs_top_builddir/.libs" -lrmmap -lpthread
	echo 'int main(void) { void *volatile p = __builtin_malloc(9); __builtin_free(p); return 7; }' |
		"$compiler" -g "$@" -o "$program.unlinked" -x c -
	tried="$tried $program"
}

# works WHAT CMD ARG...
works()
{
	_what=$1
	shift
	timeout -k 5 600 "$@" > "$tmp/out" 2> "$tmp/err" || fail "$_what: status $?: $(cat "$tmp/err")"
	[ "$(tail -n 1 "$tmp/out")" = ok ] || fail "$_what: printed $(cat "$tmp/out")"
}

# refuses WHAT NAME CMD ARG...: publish does, and names who has the malloc
refuses()
{
	_what=$1 _name=$2
	shift 2
	_status=0
	timeout -k 5 600 "$@" publish > "$tmp/out" 2> "$tmp/err" || _status=$?
	[ "$_status" -eq 2 ] || fail "$_what: publish: status $_status: $(cat "$tmp/out" "$tmp/err")"
	grep -q "^rmmap_publish: $_name has a malloc of its own" "$tmp/out" ||
		fail "$_what: publish: $(cat "$tmp/out")"
}

# finds WHAT TEXT CMD ARG...: the sanitizer finds the program's bug
finds()
{
	_what=$1 _text=$2
	shift 2
	timeout -k 5 600 "$@" overrun > "$tmp/out" 2> "$tmp/err" || :
	grep -q "$_text" "$tmp/err" || fail "$_what: the overrun was not found: $(cat "$tmp/out" "$tmp/err")"
}

# maps_nothing SANITIZER: it lets $program map nothing in the window, which attach says in words
maps_nothing()
{
	if "$program" attach "$handle" > "$tmp/out" 2> "$tmp/err"; then
		fail "$1 lets the window be mapped: what is written of it is not true"
	fi
	grep -q "rmmap_attach: $1" "$tmp/err" || fail "$program, attaching: $(cat "$tmp/err")"
}

# shellcheck disable=SC2086 # a wrapper (ccache gcc), options (gcc -m64)
${CC:-cc} -g -I "$abs_top_srcdir/include" -o "$tmp/plain" "$abs_top_srcdir/tests/preload/beside.c" \
	-L "$abs_top_builddir/.libs" -lrmmap -lpthread
works "no sanitizer" "$tmp/plain"
handle=$("$tmp/plain" publish) || fail "publishing failed: $handle"
works "no sanitizer, attaching" "$tmp/plain" attach "$handle"

for compiler in gcc clang; do
	for how in "" -static-libasan; do
		[ "$compiler$how" != clang-static-libasan ] || continue
		build "$compiler" address $how || continue
		works "$program" "$program"
		works "$program, attaching" "$program" attach "$handle"
		refuses "$program" AddressSanitizer "$program"
		finds "$program" heap-buffer-overflow "$program"
	done
	if build "$compiler" thread; then
		works "$program" "$program"
		refuses "$program" ThreadSanitizer "$program"
		maps_nothing ThreadSanitizer
	fi
	if build "$compiler" memory; then
		works "$program" "$program"
		refuses "$program" MemorySanitizer "$program"
		maps_nothing MemorySanitizer
	fi
	if build "$compiler" undefined; then
		works "$program" "$program"
		works "$program, attaching" "$program" attach "$handle"
	fi
	if build "$compiler" leak; then
		works "$program" "$program"
	fi
done

# Preloaded into what was not linked with it. Those of clang, and static ones, have their own
# malloc in the program; gcc's library has to come first, and if it does not, that is said.
for program in $tried; do
	status=0
	LD_PRELOAD=$lib timeout -k 5 600 "$program.unlinked" > "$tmp/out" 2> "$tmp/err" || status=$?
	case $program in
	*/gcc-address | */gcc-thread)
		[ "$status" -eq 1 ] && grep -qE 'ASan runtime does not come first|librmmap: .* has to come first' "$tmp/err" ||
			fail "$program, preloaded: status $status: $(cat "$tmp/err")"
		status=0
		runtime=$(ldd "$program.unlinked" | sed -n 's/.*=> \(.*lib[at]san[^ ]*\).*/\1/p')
		ASAN_OPTIONS=verify_asan_link_order=0 LD_PRELOAD=$lib "$program.unlinked" \
			> "$tmp/out" 2> "$tmp/err" || status=$?
		[ "$status" -eq 1 ] && grep -q 'librmmap: .*whose malloc has to come first' "$tmp/err" ||
			fail "$program, preloaded unchecked: status $status: $(cat "$tmp/err")"
		status=0
		LD_PRELOAD=$runtime:$lib "$program.unlinked" > "$tmp/out" 2> "$tmp/err" || status=$?
		;;
	esac
	[ "$status" -eq 7 ] || fail "$program, preloaded: status $status: $(cat "$tmp/err")"
done

if command -v valgrind > /dev/null; then
	works valgrind valgrind -q --error-exitcode=9 "$tmp/plain"
	works "valgrind, attaching" valgrind -q --error-exitcode=9 "$tmp/plain" attach "$handle"
	refuses valgrind valgrind valgrind -q "$tmp/plain"
	finds valgrind 'Invalid write of size 1' valgrind -q "$tmp/plain"
	works "valgrind, preloaded" env LD_PRELOAD="$lib" valgrind -q --error-exitcode=9 "$tmp/plain"
else
	echo "valgrind is not installed"
	[ -n "$tried" ] || skip "neither a compiler with sanitizers nor valgrind is installed"
fi
echo "tried:$tried"
