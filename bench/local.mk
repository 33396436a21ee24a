# bench
EXTRA_DIST += bench/README
