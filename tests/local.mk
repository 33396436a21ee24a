# tests

# what the manual and README say, held against header, option table and programs
TESTS += tests/man.sh
EXTRA_DIST += tests/man.sh
