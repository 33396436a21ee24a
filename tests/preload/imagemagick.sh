# SPDX-License-Identifier: BSD-2-Clause
# ImageMagick: a generated image through filters, in OpenMP's threads
. "${abs_top_srcdir:-.}/tests/preload/same.sh" || exit 99

program convert identify
convert -version | grep -q ImageMagick || skip "convert is not ImageMagick's"
MAGICK_THREAD_LIMIT=3
export MAGICK_THREAD_LIMIT
same "a generated image" sh -ec '
	convert -size 600x400 plasma:red-blue -seed 1 -depth 8 gray.png 2>/dev/null || convert -size 600x400 gradient:red-blue gray.png
	convert -size 600x400 gradient:red-blue -swirl 90 -blur 0x3 -rotate 17 -resize 50% -depth 8 rgb:a; md5sum < a
	convert -size 300x300 radial-gradient: -edge 2 -negate -sharpen 0x2 -define png:exclude-chunks=date,time b.png
	identify -format "%m %wx%h %#\n" b.png; convert b.png -quality 80 c.jpg; identify -format "%m %wx%h\n" c.jpg
	convert b.png \( +clone -flip \) -append \( -size 300x600 xc:blue \) +append -depth 8 rgb:d; md5sum < d
	montage b.png b.png b.png -tile 3x1 -geometry +2+2 -depth 8 rgb:e && wc -c < e'
same -s 1 "no such image" convert none.png a.png
