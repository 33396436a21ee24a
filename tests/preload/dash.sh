# SPDX-License-Identifier: BSD-2-Clause
# dash: pipelines, subshells, here-documents, traps
. "${abs_top_srcdir:-.}/tests/preload/same.sh" || exit 99

program dash
same -s 5 "pipelines, subshells, here-documents" dash -c '
	for i in 1 2 3 4 5 6 7 8; do (echo sub $i; x=$(echo deep | tr a-z A-Z); echo $x) ; done
	seq 20000 | sort -rn | while read -r n; do [ $((n % 5000)) -eq 0 ] && echo "$n"; done
	cat <<-END
		here $(printf "%s" document) $((6 * 7))
	END
	f() { [ "$1" -eq 0 ] || f $(($1 - 1)); }; f 300; echo deep
	set -- $(seq 20000); echo $#; shift 19999; echo "$1"
	s=; i=0; while [ $i -lt 3000 ]; do s="$s$i"; i=$((i + 1)); done; echo ${#s}
	trap "echo trapped" USR1; kill -USR1 $$
	sleep 0.1 & wait $!; trap "echo bye" EXIT; exit 5'
same "300 subshells" dash -c 'i=0; while [ $i -lt 300 ]; do (x=$(echo $i); [ "$x" = $i ] || echo lost $i); i=$((i + 1)); done; echo all'
same -s 127 "an unknown command" dash -c 'no_such_command_here'
