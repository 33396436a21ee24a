# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# packages.sh - sourced by demo and check: Debian packages, root's rights, the daemon's end

# shellcheck disable=SC2034 # for those who source this
build_packages="autoconf automake libtool make gcc g++ libc6-dev binutils pkgconf
	libfabric-dev libibverbs-dev libsodium-dev libjemalloc-dev systemtap-sdt-dev check
	libmicrohttpd-dev libcjson-dev curl"

# What bench/ways compares with.
ways_packages="libcjson-dev libhiredis-dev libmsgpack-dev libprotobuf-c-dev protobuf-c-compiler"

# What examples/workflows use beside some of those; all of it optional to configure.
workflow_packages="redis-server libgsl-dev libsvm-dev gnuplot-nox"

# What tests/preload runs with and without the library.
program_packages="bash bzip2 clang coreutils curl dash ffmpeg gcc git imagemagick make nginx-light
	nodejs openssl perl postgresql python3 redis-server sqlite3 tar xz-utils zstd"

# What tests/workflows/slurm.sh makes a cluster of.
cluster_packages="munge slurm-wlm"

# How to become root: nothing, sudo, or not at all. Never asks where nobody can answer.
as_root=
if [ "$(id -u)" -ne 0 ]; then
	as_root=false
	if command -v sudo >/dev/null; then
		if [ -t 0 ]; then as_root=sudo; else as_root="sudo -n"; fi
	fi
fi

# install_packages NAME... - says what is missing and installs it
install_packages() {
	missing=
	for package; do
		# shellcheck disable=SC2016 # dpkg's own variable
		case $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) in
		installed) ;;
		*) missing="$missing $package" ;;
		esac
	done
	if [ -z "$missing" ]; then
		echo "Nothing to install: all packages are here."
		return 0
	fi
	echo "Installing with apt-get:$missing"
	if [ "$as_root" = false ]; then
		echo "$0: this needs root or sudo; or install these packages first:$missing" >&2
		return 1
	fi
	# shellcheck disable=SC2086 # lists of words
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y update </dev/null &&
	$as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -q -y --no-install-recommends install $missing </dev/null
}

# Until let_start, servers that are installed do not start: Debian's way to say so.
policy=/usr/sbin/policy-rc.d
policy_is_ours=
keep_from_starting() {
	[ "$as_root" != false ] && [ ! -e "$policy" ] || return 0
	# shellcheck disable=SC2016 # nothing to expand
	printf '#!/bin/sh\nexit 101\n' | $as_root install -m 0755 /dev/stdin "$policy" && policy_is_ours=yes
}

let_start() {
	[ -z "$policy_is_ours" ] || $as_root rm -f "$policy"
	policy_is_ours=
}

# stop_rmmapd RMMAP RUNDIR - end the rmmapd of this run directory, if one runs, by its pid
stop_rmmapd() {
	info=$(RMMAP_RUNDIR=$2 "$1" info --json 2>/dev/null) || return 0
	for name in keeper_pid worker_pid; do
		pid=$(printf '%s\n' "$info" | sed -n "s/^ *\"$name\": \([0-9][0-9]*\).*/\1/p")
		[ -n "$pid" ] || continue
		kill -TERM "$pid" 2>/dev/null || continue
		for _ in 1 2 3 4 5 6 7 8 9 10; do
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.3
		done
		kill -KILL "$pid" 2>/dev/null || :
	done
}
