# SPDX-License-Identifier: BSD-2-Clause
# ffmpeg: encoders and filters in threads, on pictures and sounds that it makes itself
. "${abs_top_srcdir:-.}/tests/preload/same.sh" || exit 99

program ffmpeg
same "video" sh -ec '
	ffmpeg -v error -f lavfi -i testsrc2=s=640x360:d=2 -threads 2 -c:v mpeg4 -flags +bitexact -fflags +bitexact a.avi
	ffmpeg -v error -i a.avi -vf scale=320:180,hflip -f framemd5 - | tail -n 5; md5sum < a.avi'
same "sound" sh -ec '
	ffmpeg -v error -f lavfi -i sine=d=5 -c:a flac -flags +bitexact -fflags +bitexact a.flac
	ffmpeg -v error -i a.flac -af atempo=1.5,volume=0.5 -f md5 -; md5sum < a.flac'
same "pictures" sh -ec '
	ffmpeg -v error -f lavfi -i mandelbrot=s=320x240 -frames:v 10 p%02d.png; cat p*.png | wc -c
	ffmpeg -v error -i p%02d.png -c:v ffv1 -threads 2 -slices 4 -f md5 -'
same -s 1 "no such file" ffmpeg -v error -nostdin -i none.avi -f null -
