# SPDX-License-Identifier: BSD-2-Clause
# coreutils and awk: sort in threads, big lines, splits, sums, what fails
. "${abs_top_srcdir:-.}/tests/preload/same.sh" || exit 99

program ls sort shuf seq md5sum split od du tac factor expand dd stat env
same ls ls -lR "$abs_top_srcdir/src"
same -s 2 "ls of nothing" ls "$tmp/none"
same "sort in threads" sh -c 'seq 300000 | sort --parallel=4 -S 8M -k1,1r | md5sum'
same "sort in pieces" sh -c 'seq 200000 | shuf --random-source=/bin/bash | sort -n -S 1M -T . | md5sum'
same "sums" sh -c 'dd if=/dev/zero bs=1M count=20 status=none | tee a | sha256sum; b2sum a; cksum a; sum a; md5sum a'
same "pieces of files" sh -ec 'seq 100000 > a; split -n l/7 a; wc -l x*; cat x* | cmp - a; tac a | head -n 3
	csplit -s a 50 {3}; paste -sd+ xx00 | bc 2>/dev/null || cat xx00; join a a | tail -n 1; comm -12 a a | wc'
same "long lines" sh -c 'head -c 20000000 /dev/zero | tr "\0" a | fold -w 9999 | expand | uniq -c | head -n 2
	head -c 20000000 /dev/zero | tr "\0" b | cut -c 1-9 | od -c | head; seq -s " " 200000 | fmt | nl | tail -n 1'
same "numbers" sh -c 'factor 1000000007000000063 2305843009213693951; numfmt --to=iec 123456789; expr abc : ".*b"
	shuf -i 1-1000000 | wc -l; printf "%s\n" $(seq 1000) | tsort 2>/dev/null | wc'
same "trees" sh -ec 'mkdir -p a/b/c; for i in $(seq 300); do echo $i > a/b/c/$i; done; cp -a a z; rm -r a; mv z y
	du -a --apparent-size y | sort | wc -l; find y -name "1*" | sort | xargs cat | md5sum; ln -s y l; readlink -f l/b | tail -c 8; chmod -R go-w y; rm -rf y'
same -s 1 "what fails" sh -c 'cat none; cp none other; stat -c %n none; dd if=none status=none; sort -k0 none; false'
same -s 4 awk awk 'BEGIN { for (i = 0; i < 100000; i++) a[i % 977] = a[i % 977] i; print length(a[5]); exit 4 }'
