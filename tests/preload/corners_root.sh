# SPDX-License-Identifier: BSD-2-Clause
# corners_root: those of corners.sh that only root can turn
if [ "$(id -u)" -ne 0 ]; then
	echo "$0: skipped: only root may chroot, setuid, mount, and lock all its memory" >&2
	exit 77
fi
CORNERS="chroot mlockall no_proc setuid"
. "${abs_top_srcdir:-.}/tests/preload/corners.sh"
