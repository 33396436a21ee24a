# SPDX-License-Identifier: BSD-2-Clause
# bash: pipelines, subshells, here-documents, substitutions, coprocesses, traps
PRELOAD_HEAPS=${PRELOAD_HEAPS:-auto shared}
. "${abs_top_srcdir:-.}/tests/preload/same.sh" || exit 99

program bash
same -s 7 "pipelines, subshells, here-documents" bash -c '
	for i in 1 2 3 4 5 6 7 8; do (echo sub $i; x=$(echo deep | tr a-z A-Z); echo $x) ; done
	seq 20000 | sort -R | sort -n | tail -n 3 | while read n; do echo $((n * 2)); done
	cat <<-END
		here $(printf "%s" document) $((6 * 7))
	END
	cat <<< "$(printf "%05d " $(seq 20000))" | wc
	cat <(echo process) <(echo substitution)
	f() { local a=("$@"); echo ${#a[@]} "${a[@]: -1}"; }
	f $(seq 5000)
	trap "echo trapped" USR1; kill -USR1 $$
	sleep 0.1 & wait $!; coproc cat; echo to >&${COPROC[1]}; read -u ${COPROC[0]} r; echo $r
	exit 7'
same "arrays and strings" bash -c '
	declare -A h; for ((i = 0; i < 20000; i++)); do h[key$i]=$((i * i)); done
	for ((i = 0; i < 20000; i += 2)); do unset "h[key$i]"; done
	echo ${#h[@]} ${h[key19999]}
	s=; for ((i = 0; i < 3000; i++)); do s+="part $i "; done; echo ${#s} "${s//part/x}" | md5sum
	mapfile -t lines < <(seq 30000); echo ${#lines[@]} ${lines[29999]}
	r() { (($1)) && r $(($1 - 1)); }; r 500; echo deep
	IFS=,; set -- $(seq -s, 5000); echo $# "${5000}"'
same "300 subshells" bash -c 'for ((i = 0; i < 300; i++)); do (x=$(echo $i); ((x == i)) || echo lost $i); done; echo all'
same "trapped signals while it allocates" bash -c '
	n=0; trap "n=\$((n + 1)); s=\$(printf %0999d 1)" USR1; trap "done=1" USR2
	(for i in $(seq 100); do kill -USR1 $$ || exit; done; kill -USR2 $$) &
	while [ -z "$done" ]; do a=$(printf "%0500d" 1); b+=x; done; wait
	[ $n -gt 0 ] && echo came'
same -s 2 "a syntax error" bash -c 'for in ; do'
