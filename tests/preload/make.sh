# SPDX-License-Identifier: BSD-2-Clause
# make -j: a build, nothing to do, an error among jobs
. "${abs_top_srcdir:-.}/tests/preload/same.sh" || exit 99

program make
requires command -v cc
# a make that runs this test would share its jobs
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
project "$tmp/project"
same -s 9 "a C project" sh -c "
	cp '$tmp/project'/* . && make -j4 | sort && make -j4 && cat *.o program | md5sum && ./program"
same "many jobs" sh -ec '
	{ echo "all: $(seq -f "t%.0f" -s " " 300)"; echo "t%:"; printf "\t@echo \$@ > \$@; sleep 0.0\$*\n"; } > Makefile
	make -s -j8; cat t* | sort | md5sum; make -s -j8'
same -s 2 "an error" sh -c '
	printf "all: a b\na:\n\t@false\nb:\n\t@sleep 0.2\n" > Makefile; make -j2 2>&1 | grep -v Waiting; exit 2'
same "functions of its own" sh -ec '
	printf "N := \$(shell seq 3000)\nX := \$(foreach n,\$(N),\$(n)x\$(words \$(wordlist 1,9,\$(N))))\nall:\n\t@echo \$(words \$(sort \$(X))) \$(lastword \$(X))\n" > Makefile; make'
