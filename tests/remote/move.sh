#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# rmmap move: a publication becomes another rmmapd's, with its readers and its time to live, and
# outlives its first host. What fails leaves the original as it was, and nothing over there.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/remote/functions.sh"
set -e

new_key() { (umask 077 && head -c 32 /dev/urandom >"$1/move.key"); }
# listening DIR - rmmapd runs there and listens; sets address
listening()
{
	at "$1" rmmap hello >"$tmp/hello" 2>/dev/null
	at "$1" rmmap unpublish "@$tmp/hello"
	address=$(at "$1" rmmap info --json | sed -n 's/.*"address": "\([^"]*\)".*/\1/p' | head -n 1)
	[ -n "$address" ] || fail "no address in $1"
}
walks() { at "$1" "$field" walk eager up "$2" >"$tmp/walk" || fail "walk: $(cat "$tmp/walk")"; }
held() { at "$1" rmmap list --json | grep -c '"id"' || :; }
# the last reader's leaving, and what is undone over there, is news a moment later
holds_nothing() { [ "$(held "$1")" -eq 0 ]; }

# moves DIR HANDLE PEER [OPTION] - sets moved
moves()
{
	moved=$(at "$1" rmmap move ${4:+"$4"} "$2" "$3" 2>"$tmp/err") || fail "move: $(cat "$tmp/err")"
	case $moved in rmmap1:*) ;; *) fail "move prints '$moved'" ;; esac
}

# cannot WORDS DIR HANDLE PEER - refused in one line; the original is as it was
cannot()
{
	_status=0
	_before=$(fact admitted "$3" "$2")
	at "$2" rmmap move "$3" "$4" >"$tmp/out" 2>"$tmp/err" || _status=$?
	[ "$_status" -eq 1 ] && [ ! -s "$tmp/out" ] && [ "$(wc -l <"$tmp/err")" -eq 1 ] ||
		fail "move ends with $_status: $(cat "$tmp/out" "$tmp/err")"
	grep -q -- "$1" "$tmp/err" || fail "move says not '$1': $(cat "$tmp/err")"
	[ "$(fact admitted "$3" "$2")" = "$_before" ] || fail "it counts as a reader: $1"
	[ "$(fact state "$3" "$2")" = published ] || fail "the original is gone: $1"
}

# ---- who may ----
handle=$(at "$a" "$field" publish 16 1 4)
listening "$b"
peer=$address
cannot 'move.key in the run directory' "$a" "$handle" "$peer"
new_key "$a"
cannot 'takes no publications from this host' "$a" "$handle" "$peer"
new_key "$b"
cannot 'takes no publications from this host' "$a" "$handle" "$peer"
cp "$a/move.key" "$b/move.key"
chmod 644 "$b/move.key"
cannot 'takes no publications from this host' "$a" "$handle" "$peer"
chmod 644 "$a/move.key"
cannot 'others may read it' "$a" "$handle" "$peer"
chmod 600 "$a/move.key" "$b/move.key"
[ "$(held "$b")" -eq 0 ] || fail "something came, without a key"

# ---- where to ----
listening "$a"
home=$address
cannot 'this very host' "$a" "$handle" "$home"
cannot 'does not answer' "$a" "$handle" 127.0.0.1:1
for nowhere in nonsense 127.0.0.1 127.0.0.1:0 :80 ::1:80 '[::1:80' 127.0.0.1:99999; do
	cannot 'is given as HOST:PORT' "$a" "$handle" "$nowhere"
done
_status=0
at "$b" rmmap move "$handle" "$home" >"$tmp/out" 2>"$tmp/err" || _status=$?
[ "$_status" -eq 1 ] && grep -q 'only on the host' "$tmp/err" || fail "not from there: $(cat "$tmp/err")"

# ---- a copy: both are there, and agree on what is where ----
walks "$a" "$handle"
moves "$a" "$handle" "$peer" --keep
[ "$(fact admitted "$handle" "$a")" -eq 1 ] || fail "the move counted as a reader"
[ "$(fact readers "$moved" "$b")" -eq 3 ] || fail "$(fact readers "$moved" "$b") readers, not 3"
[ "$(fact admitted "$moved" "$b")" -eq 0 ] || fail "somebody has read it"
at "$b" "$field" many eager "$moved" "$handle" >"$tmp/walk" || fail "both: $(cat "$tmp/walk")"
at "$b" rmmap unpublish "$moved"

# ---- the handle cannot be told to anybody: the original stays ----
_status=0
at "$a" rmmap move "$handle" "$peer" >&- 2>"$tmp/err" || _status=$?
[ "$_status" -eq 1 ] && grep -q 'the original is still there' "$tmp/err" ||
	fail "without standard output: $_status: $(cat "$tmp/err")"
[ "$(fact state "$handle" "$a")" = published ] || fail "moved, and nobody knows where to"
for id in $(at "$b" rmmap list --json | sed -n 's/.*"id" *: *"\([0-9a-f]*\)".*/\1/p'); do
	at "$b" rmmap unpublish "$id"
done

# ---- moved, by its short id; its host goes, it stays; and back again ----
at "$a" rmmap stat "$handle" >"$tmp/stat"
id=$(sed -n 's/^id *//p' "$tmp/stat")
moves "$a" "$id" "$peer"
refused ENOENT gone "$a" eager "$handle"
wait_for 60 holds_nothing "$a" || fail "the original is still there"
stop_daemon "$a"
walks "$b" "$moved"
[ "$(fact readers "$moved" "$b")" -eq 2 ] || fail "$(fact readers "$moved" "$b") readers, not 2"
listening "$a"
home=$address
moves "$b" "$moved" "$home"
wait_for 60 holds_nothing "$b" || fail "the original is still there"
walks "$b" "$moved"
refused ENOENT 'gone' "$a" eager "$moved"
stop_daemon "$a"

# ---- an rmmapd that nobody asked anything yet listens if it has the key ----
RMMAP_RUNDIR=$a "$RMMAP_DAEMON" --foreground >"$tmp/foreground" 2>&1 &
here() { at "$a" rmmap info --json | grep -q '"address": "127'; }
wait_for 120 here || fail "it does not listen: $(cat "$tmp/foreground")"
listening "$a"
home=$address
handle=$(at "$b" "$field" publish 1 2)
RMMAP_TTL=none
export RMMAP_TTL
handle=$(at "$b" "$field" publish 1 2)
unset RMMAP_TTL
moves "$b" "$handle" "$home"
grep -q null <<END || fail "its time to live did not come with it"
$(at "$a" rmmap stat --json "$moved" | grep expires_ms)
END
at "$a" rmmap unpublish "$moved"

# ---- all its readers have been; a limit over there; one that is stopping ----
handle=$(at "$a" "$field" publish 1 3 1)
at "$a" rmmap move "$handle" "$peer" 2>/dev/null >"$tmp/moved" || fail "one reader is to come"
at "$b" "$field" walk eager up "$(cat "$tmp/moved")" 50 \
	"rmmap move '$(cat "$tmp/moved")' 127.0.0.1:1 >'$tmp/out' 2>'$tmp/err' || :" >"$tmp/walk" ||
	fail "walk: $(cat "$tmp/walk")"
grep -q 'all readers of the publication' "$tmp/err" || fail "move says: $(cat "$tmp/err")"
gone() { ! at "$b" rmmap stat "@$tmp/moved" >/dev/null 2>&1; }
wait_for 60 gone || fail "what all its readers had is still there"
new_rundir c
cp -p "$a/move.key" "$c/move.key"
RMMAP_LIMIT=4M
export RMMAP_LIMIT
listening "$c" || fail "no rmmapd with a limit"
unset RMMAP_LIMIT
handle=$(at "$a" "$field" publish 16 4)
cannot 'RMMAP_LIMIT' "$a" "$handle" "$address"
wait_for 60 holds_nothing "$c" || fail "more than RMMAP_LIMIT came"
walks "$a" "$handle"

# ---- its worker is killed in the middle: it is asked again; with all of it, nothing is lost ----
listening "$b"
peer=$address
for delay in 0.02 0.1 0.3; do
	handle=$(at "$a" "$field" publish 96 5)
	# shellcheck disable=SC2046 # a list of pids
	(sleep $delay && kill -KILL $(workers_of "$b")) 2>/dev/null &
	if at "$a" rmmap move "$handle" "$peer" >"$tmp/out" 2>"$tmp/err"; then
		wait $!
		walks "$b" "$(cat "$tmp/out")"
		at "$b" rmmap unpublish "@$tmp/out"
	else
		wait $!
		cat "$tmp/err"
		walks "$a" "$handle"
		at "$a" rmmap unpublish "$handle"
	fi
done
for delay in 0.02 0.1 0.3; do
	listening "$b"
	peer=$address
	handle=$(at "$a" "$field" publish 96 6)
	# shellcheck disable=SC2046 # a list of pids
	(sleep $delay && kill -KILL $(pids_of "$b")) 2>/dev/null &
	if at "$a" rmmap move "$handle" "$peer" >"$tmp/out" 2>"$tmp/err"; then
		refused ENOENT gone "$a" eager "$handle"
	else
		grep -q 'does not answer' "$tmp/err" || fail "it died: $(cat "$tmp/err")"
		[ "$(fact admitted "$handle" "$a")" -eq 0 ] || fail "a dead host is a reader"
		walks "$a" "$handle"
		at "$a" rmmap unpublish "$handle"
	fi
	wait $!
done

# ---- who asked is killed: what was begun over there is undone ----
listening "$b"
peer=$address
handle=$(at "$a" "$field" publish 96 7)
RMMAP_RUNDIR=$a rmmap move "$handle" "$peer" >"$tmp/out" 2>"$tmp/err" &
pid=$!
sleep 0.05
kill -KILL $pid 2>/dev/null || :
wait $pid || :
one_of_two()
{
	[ -s "$tmp/out" ] || { [ "$(fact state "$handle" "$a")" = published ] && [ "$(held "$b")" -eq 0 ]; }
}
wait_for 120 one_of_two || fail "$(at "$a" rmmap list; at "$b" rmmap list)"
if [ "$(fact state "$handle" "$a")" = published ]; then
	walks "$a" "$handle"
fi

# ---- no handle, no secret in any log ----
for text in "$handle" "$moved"; do
	! grep -qF "$text" "$RMMAP_LOG" || fail "a handle is in the log"
done
