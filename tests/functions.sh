# SPDX-License-Identifier: BSD-2-Clause
# functions.sh - what every shell test begins with:
#
#     . "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
#     set -e
#
# Plain sh. It gives the test a directory of its own, $tmp, which goes at the end
# together with every rmmapd that the test's run directories have, however the
# test ends. Run one by hand from the build tree: ./run sh ../tests/NAME.sh
#
#   fail TEXT              say why, end with 1
#   skip TEXT              say what is missing, end with 77
#   requires CMD ARG...    skip unless this command succeeds
#   own_malloc             sets lib, librmmap.so's path; skip if a sanitizer has malloc there
#   cleanup_fn CMD ARG...  run it at the end; the last one comes first
#   new_rundir NAME        a fresh run directory: a "host" of its own. Sets RMMAP_RUNDIR,
#                          and the variable NAME: RMMAP_RUNDIR=$NAME rmmap list
#   daemon_pid DIR         the keeper's pid of that run directory; fails if none runs
#   stop_daemon DIR        end that rmmapd; it is not an error if none runs
#   wait_for SECONDS CMD ARG...   until it succeeds; fails if it does not in time

: "${abs_top_builddir:=$PWD}"
: "${abs_top_srcdir:=${srcdir:-.}}"

# Tests need no network: a publisher listens on the loopback interface unless it is told more.
# RMMAP_TEST_PROVIDERS and RMMAP_TEST_ADDRESS have them use the first of other providers.
: "${RMMAP_TEST_ADDRESS:=127.0.0.1}"
: "${RMMAP_FABRIC=$(expr "${RMMAP_TEST_PROVIDERS:-tcp}" : '\([^ ]*\)')@$RMMAP_TEST_ADDRESS}"
export RMMAP_FABRIC

fail()
{
	echo "$0: $*" >&2
	exit 1
}

skip()
{
	echo "$0: skipped: $*" >&2
	exit 77
}

requires()
{
	"$@" </dev/null >/dev/null 2>&1 || skip "this does not work here: $*"
}

own_malloc()
{
	lib=$abs_top_builddir/.libs/librmmap.so.0
	if nm -D "$lib" | grep -qE '__(asan|tsan)_[a-hj-z]'; then
		skip "librmmap was built with a sanitizer, which has its own malloc"
	fi
}

# ---- the end ----

_cleanups=

_quote()
{
	for _arg do
		printf "'%s' " "$(printf '%s\n' "$_arg" | sed "s/'/'\\\\''/g")"
	done
}

cleanup_fn()
{
	_cleanups="$(_quote "$@")
$_cleanups"
}

_end()
{
	_status=$?
	trap '' HUP INT TERM
	trap - EXIT
	set +e
	# what a test that failed leaves to be read
	if [ "$_status" -ne 0 ] && [ "$_status" -ne 77 ] && [ -s "$tmp/rmmapd.log" ]; then
		echo "---- the end of what rmmapd logged ----" >&2
		tail -n 60 "$tmp/rmmapd.log" >&2
	fi
	eval "$_cleanups"
	cd /
	rm -rf "$tmp"
	exit "$_status"
}

# A socket's path is short, so a long TMPDIR is of no use.
_parent=${TMPDIR:-/tmp}
[ "${#_parent}" -le 40 ] || _parent=/tmp
tmp=$(mktemp -d "$_parent/rmmap-test.XXXXXX") || exit 99
tmp=$(cd "$tmp" && pwd -P) || exit 99
trap _end EXIT
trap 'exit 99' HUP INT TERM

wait_for()
{
	_tries=$(($1 * 20))
	shift
	until "$@"; do
		_tries=$((_tries - 1))
		[ "$_tries" -gt 0 ] || return 1
		sleep 0.05
	done
}

# ---- run directories and their rmmapd ----

new_rundir()
{
	case $1 in
	*[!A-Za-z0-9_]* | [0-9]* | '') fail "new_rundir: '$1' is no name of a variable" ;;
	esac
	mkdir -m 0700 "$tmp/$1" || exit 99
	eval "$1=\$tmp/\$1"
	RMMAP_RUNDIR=$tmp/$1
	: "${RMMAP_LOG=$tmp/rmmapd.log}"
	export RMMAP_RUNDIR RMMAP_LOG
	cleanup_fn stop_daemon "$RMMAP_RUNDIR"
}

_info_pid()
{
	RMMAP_RUNDIR=$1 rmmap info --json 2>/dev/null |
		sed -n 's/.*"keeper_pid" *: *\([0-9][0-9]*\).*/\1/p'
}

# The lock file names the keeper, but a number alone may be another process's by now: it has
# to have that file open, or to be who answers at the socket.
daemon_pid()
{
	_pid=$(cat "$1/rmmapd.lock" 2>/dev/null) || return 1
	case $_pid in
	*[!0-9]* | '' | 0 | 1) return 1 ;;
	esac
	kill -0 "$_pid" 2>/dev/null || return 1
	if ls -l "/proc/$_pid/fd" 2>/dev/null | grep -qF " $1/rmmapd.lock" ||
	   [ "$(_info_pid "$1")" = "$_pid" ]; then
		echo "$_pid"
		return 0
	fi
	return 1
}

_gone()
{
	for _one do
		# a zombie that its parent has not reaped is gone, too
		case $(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$_one/status" 2>/dev/null) in
		'' | Z | X) ;;
		*) return 1 ;;
		esac
	done
}

stop_daemon()
{
	_keeper=$(daemon_pid "$1") || return 0
	_workers=$(cat "/proc/$_keeper/task/$_keeper/children" 2>/dev/null)
	kill -TERM "$_keeper" 2>/dev/null
	# it may have readers to wait for; the test is over
	# shellcheck disable=SC2086
	if ! wait_for 1 _gone $_keeper $_workers; then
		kill -KILL $_keeper 2>/dev/null
		if ! wait_for 1 _gone $_keeper $_workers; then
			kill -KILL $_workers 2>/dev/null
			wait_for 60 _gone $_keeper $_workers
		fi
	fi
	return 0
}
