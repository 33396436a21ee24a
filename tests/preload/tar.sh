# SPDX-License-Identifier: BSD-2-Clause
# tar and the compressors, in threads where they have some
. "${abs_top_srcdir:-.}/tests/preload/same.sh" || exit 99

program tar xz gzip
same "tar and xz -T2" sh -c "
	tar -C '$abs_top_srcdir' --sort=name --owner=0 --group=0 --mode=u+w -cf a.tar src tests && md5sum < a.tar
	xz -T2 -2 --block-size=300KiB -k a.tar && md5sum < a.tar.xz && xz -dT2 < a.tar.xz | cmp - a.tar
	mkdir x && tar -C x -xf a.tar.xz && find x -type f | sort | xargs cat | md5sum; tar -tf a.tar.xz | sort | md5sum"
same "tar's own pipes" sh -c "
	tar -C '$abs_top_srcdir' -czf a.tgz src && tar -xOzf a.tgz | md5sum; tar -df a.tgz -C '$abs_top_srcdir'; tar --version | head -n 1"
for compressor in gzip bzip2 zstd xz; do
	if ! command -v "$compressor" > /dev/null; then
		echo "$compressor is not installed"
		continue
	fi
	case $compressor in
	zstd) how=-T2 ;;
	gzip) how=-9n ;;
	*) how=-9 ;;
	esac
	same "$compressor" sh -c "seq 400000 > a; $compressor $how -c a > b; md5sum < b; $compressor -dc < b | cmp - a"
done
same -s 2 "not an archive" sh -c 'echo no > a; tar -xf a'
