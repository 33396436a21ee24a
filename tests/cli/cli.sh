#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The rmmap command: usage and help, JSON, run's warnings, hello on one host and on two.
. "${abs_top_srcdir:-.}/tests/functions.sh"

# status WANTED COMMAND... - output in out and err
status() {
	wanted=$1
	shift
	got=0
	"$@" >"$tmp/out" 2>"$tmp/err" </dev/null || got=$?
	[ "$got" -eq "$wanted" ] || {
		cat "$tmp/err" >&2
		fail "exit status $got instead of $wanted of: $*"
	}
}

# one line on stderr, beginning with rmmap:
one_line() {
	[ "$(wc -l <"$tmp/err")" -eq 1 ] || fail "not one line: $(cat "$tmp/err")"
	grep -q '^rmmap: ' "$tmp/err" || fail "no rmmap: in $(cat "$tmp/err")"
}

json_checked=no
valid_json() {
	if command -v python3 >/dev/null; then
		python3 -m json.tool <"$tmp/out" >/dev/null || fail "no JSON: $(cat "$tmp/out")"
		json_checked=yes
	elif perl -MJSON::PP -e1 2>/dev/null; then
		perl -MJSON::PP -0777 -ne 'decode_json($_)' "$tmp/out" || fail "no JSON: $(cat "$tmp/out")"
		json_checked=yes
	fi
}

json() { sed -n "s/^ *\"$1\": \"\{0,1\}\([^\",]*\).*/\1/p" "$tmp/out" | head -n 1; }

new_rundir a

# ---- usage and help ----
for line in "" "nonsense" "--nonsense" "run" "run --slot" "run --slot 1024 true" "run --slot x true" \
	"run --nonsense true" "hello a b" "info more" "list more" "list --json=1" "stat" "stat a b" \
	"unpublish" "unpublish --json a" "plan" "plan a b" "check" "check a b"; do
	# shellcheck disable=SC2086 # words
	status 2 rmmap $line
	one_line
	[ ! -s "$tmp/out" ] || fail "usage error on stdout: rmmap $line"
done
status 0 rmmap --version
grep -qx 'rmmap [0-9]*\.[0-9]*\.[0-9]*' "$tmp/out" || fail "--version: $(cat "$tmp/out")"
status 0 rmmap --help
commands=$(sed -n 's/^  \([a-z][a-z]*\) .*/\1/p' "$tmp/out")
[ "$(echo "$commands" | wc -w)" -ge 12 ] || fail "--help names these commands only: $commands"
for command in $commands; do
	rmmap "$command" --help | grep -q "^usage: rmmap $command" || fail "$command --help"
	rmmap "$command" --help | grep -q -- '^  --help' || fail "$command --help has no options"
	grep -q "^\\.Cm $command\$" "$abs_top_srcdir/man/rmmap.1" || fail "$command is not in rmmap(1)"
done
[ ! -w /dev/full ] || {
	got=0
	rmmap --help 2>"$tmp/err" >/dev/full || got=$?
	[ "$got" -eq 1 ] || fail "a full standard output is no failure"
	one_line
}

# ---- before any rmmapd runs ----
status 0 rmmap list
[ ! -s "$tmp/out" ] || fail "a list where no rmmapd runs: $(cat "$tmp/out")"
status 0 rmmap list --json
valid_json
status 0 rmmap info
for fact in environment userfaultfd "huge pages" memlock "run directory" rmmapd fabric rdma; do
	grep -q "^$fact  *\(ok\|short\|-\)  *[^ ]" "$tmp/out" || fail "info says nothing of $fact"
done
status 0 rmmap info --json
valid_json
[ "$(json daemon)" = null ] || fail "info found an rmmapd where none is"
status 1 rmmap stat abcdef01
one_line
status 1 rmmap unpublish abcdef01
one_line
status 0 env RMMAP_RUNDIR="$tmp/nothing" rmmap info
status 0 env RMMAP_RUNDIR="$tmp/nothing" rmmap list
[ ! -e "$tmp/nothing" ] || fail "info or list made the run directory"
status 0 env RMMAP_FABRIC=tcp@: RMMAP_FETCH=never rmmap info
grep -q '^environment *short.*RMMAP_FABRIC' "$tmp/out" || fail "info does not see a bad RMMAP_FABRIC"
status 0 env RMMAP_TTL='a"b\c' RMMAP_RUNDIR="$tmp/q\"uo\\te" rmmap info --json
valid_json

for line in 'RMMAP_FETHC=lazy RMMAP_FETCH' 'RMMAP_RUN_DIR=/tmp RMMAP_RUNDIR' 'RMMAP_TLL=5 RMMAP_TTL'; do
	status 0 env "${line% *}" rmmap info
	grep -q "^environment *short.*${line%%=*} (did you mean ${line#* }?)" "$tmp/out" ||
		fail "info does not see ${line%%=*}: $(grep -A1 '^environment' "$tmp/out")"
done
status 0 env RMMAP_UNHEARD_OF=1 rmmap info --json
valid_json
grep -q 'no variable of rmmap: RMMAP_UNHEARD_OF"' "$tmp/out" || fail "info: $(cat "$tmp/out")"

# ---- run ----
status 7 rmmap run sh -c 'exit 7'
[ ! -s "$tmp/err" ] || fail "run warns of sh: $(cat "$tmp/err")"
status 0 rmmap run --slot 5 cat /proc/self/maps
grep -q '^105[0-9a-f]*-' "$tmp/out" || fail "run --slot 5: no memory in slot 5"
grep -q 'librmmap\.so\.0' "$tmp/out" || fail "run: librmmap is not mapped"
# the filter of core dumps: what it was, and private mappings of files
echo 0x31 >/proc/self/coredump_filter
status 0 rmmap run cat /proc/self/coredump_filter
grep -q '^00000031$' "$tmp/out" || fail "run has another filter: $(cat "$tmp/out")"
status 0 rmmap run --core cat /proc/self/coredump_filter
grep -q '^00000035$' "$tmp/out" || fail "run --core has the filter $(cat "$tmp/out")"
status 0 rmmap run -- echo --json
[ "$(cat "$tmp/out")" = --json ] || fail "run takes its program's options"
status 1 rmmap run "$tmp/nothing-there"
one_line
printf '#!/bin/cat\nscript\n' >"$tmp/script"
chmod +x "$tmp/script"
status 0 rmmap run "$tmp/script"
[ ! -s "$tmp/err" ] || fail "run warns of a script of cat: $(cat "$tmp/err")"

compiler=${CC:-cc}
printf 'int main(void) { return 3; }\n' >"$tmp/three.c"
if $compiler -static -o "$tmp/static" "$tmp/three.c" 2>/dev/null; then
	status 3 rmmap run "$tmp/static"
	grep -q 'statically linked' "$tmp/err" || fail "run does not warn of a static program"
	printf '#!%s\n' "$tmp/static" >"$tmp/script"
	status 3 rmmap run "$tmp/script"
	grep -q 'statically linked' "$tmp/err" || fail "run does not look at a script's interpreter"
fi
if $compiler -Wl,--dynamic-linker=/lib/ld-musl-any.so.1 -o "$tmp/musl" "$tmp/three.c" 2>/dev/null; then
	status 1 rmmap run "$tmp/musl"
	grep -q 'another libc' "$tmp/err" || fail "run does not warn of another libc"
fi
if [ "$(id -u)" -eq 0 ]; then
	cp /bin/true "$tmp/setuid"
	chown 65534 "$tmp/setuid"
	chmod 4755 "$tmp/setuid"
	status 0 rmmap run "$tmp/setuid"
	grep -q 'LD_PRELOAD is ignored' "$tmp/err" || fail "run does not warn of a setuid program"
elif [ -u /bin/su ]; then
	status 0 rmmap run /bin/su --version
	grep -q 'LD_PRELOAD is ignored' "$tmp/err" || fail "run does not warn of a setuid program"
fi

# ---- hello on one host ----
umask 077
rmmap hello >"$tmp/handle" 2>"$tmp/err" || fail "hello: $(cat "$tmp/err")"
grep -qx 'rmmap1:[A-Za-z0-9_-]*' "$tmp/handle" || fail "hello printed no handle"
grep -q "$(cat "$tmp/handle")" "$tmp/err" && fail "the handle is on stderr too"
status 0 rmmap hello --json "@$tmp/handle"
valid_json
nodes=$(json verified_nodes)
[ "$nodes" -gt 100000 ] || fail "only $nodes nodes"
[ "$(json provider)" = null ] || fail "a provider on one host"
[ "$(json fi_reads)" = 0 ] || fail "fi_reads on one host"
rmmap hello - <"$tmp/handle" | grep -q "^verified  *$nodes nodes" || fail "hello -"
rmmap hello "$(cat "$tmp/handle")" | grep -q "^verified  *$nodes nodes" || fail "hello HANDLE"
status 0 rmmap list --json
valid_json
id=$(json id)
[ "$(json state)" = published ] || fail "list: $(cat "$tmp/out")"
status 0 rmmap list
grep -q "^$id  *published" "$tmp/out" || fail "list: $(cat "$tmp/out")"
status 0 rmmap stat --json "@$tmp/handle"
valid_json
[ "$(json id)" = "$id" ] || fail "stat of the handle and list differ in the id"
[ "$(json data_bytes)" -gt 20000000 ] || fail "data_bytes is $(json data_bytes)"
status 0 rmmap stat "$id"
grep -q "^id  *$id\$" "$tmp/out" || fail "stat of the id"
status 0 rmmap info --json
valid_json
[ "$(json publications)" = 1 ] || fail "info counts $(json publications) publications"

# ---- a file's name in a handle's place ----
cp "$tmp/handle" "$tmp/h"
for command in check hello stat unpublish; do
	status 1 rmmap $command "$tmp/h"
	one_line
	grep -qF "did you mean @$tmp/h" "$tmp/err" || fail "$command: $(cat "$tmp/err")"
done
printf x >"$tmp/abc"
for command in stat unpublish; do
	status 1 sh -c "cd '$tmp' && rmmap $command abc"
	one_line
	grep -q 'did you mean @abc$' "$tmp/err" || fail "$command of a short id: $(cat "$tmp/err")"
done

# ---- a misspelt variable is in the log, of the program and of rmmapd ----
new_rundir misspelt
status 0 env RMMAP_LOG="$tmp/misspelt.log" RMMAP_FETHC=lazy rmmap hello
[ "$(grep -c 'no variable of rmmap: RMMAP_FETHC (did you mean RMMAP_FETCH?)' "$tmp/misspelt.log")" -eq 2 ] ||
	fail "RMMAP_LOG says nothing of RMMAP_FETHC: $(cat "$tmp/misspelt.log")"
RMMAP_RUNDIR=$a

# ---- what is no handle: said without repeating it ----
handle=$(cat "$tmp/handle")
middle=$(printf %s "$handle" | cut -c 20-60)
for bad in "${handle%?????}" "$(printf %s "$handle" | tr 'a-m' 'n-z')" "x$handle" "$handle$handle"; do
	for command in hello stat unpublish; do
		status 1 rmmap $command "$bad"
		one_line
		grep -q "$middle" "$tmp/err" && fail "$command repeats the handle"
		grep -q "$(printf %s "$bad" | cut -c 20-60)" "$tmp/err" && fail "$command repeats it"
	done
done
status 2 rmmap "$handle"
grep -q "$middle" "$tmp/err" && fail "a handle in place of a command is repeated"
status 2 rmmap stat "--handle=$handle"
grep -q "$middle" "$tmp/err" && fail "a handle in an option is repeated"
: >"$tmp/empty"
status 1 rmmap hello "@$tmp/empty"
one_line
status 1 rmmap hello "@$tmp/nothing-there"
one_line
status 1 rmmap hello -
one_line

# ---- hello on another host ----
new_rundir b
for fetch in eager auto; do
	status 0 env RMMAP_FETCH=$fetch rmmap hello --json "@$tmp/handle"
	valid_json
	[ "$(json verified_nodes)" = "$nodes" ] || fail "$fetch: $(json verified_nodes) nodes"
	case $(json provider) in
	*"${RMMAP_FABRIC%%[;@]*}"*) ;;
	*) fail "$fetch: provider $(json provider)" ;;
	esac
	[ "$fetch" = auto ] || [ "$(json fetched_bytes)" -gt 20000000 ] ||
		fail "$fetch: $(json fetched_bytes) bytes were fetched"
done
status 0 rmmap info --json
valid_json
[ "$(json fetched_bytes)" -gt 20000000 ] || fail "rmmapd fetched $(json fetched_bytes) bytes"
[ "$(json fi_reads)" -gt 0 ] || fail "rmmapd made no fi_read call"
status 1 rmmap unpublish "@$tmp/handle"
one_line

# ---- the end of a publication ----
export RMMAP_RUNDIR="$a"
status 0 rmmap unpublish "$id"
status 1 rmmap hello "@$tmp/handle"
one_line
status 1 rmmap unpublish "$id"
one_line

[ "$json_checked" = yes ] || skip "the JSON was not checked: neither python3 nor perl's JSON::PP is here"
