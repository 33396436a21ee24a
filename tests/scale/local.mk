# ---- many consumers, hosts, publications; much that is empty ----
scale_tests = \
	tests/scale/consumers.sh \
	tests/scale/hosts.sh \
	tests/scale/publications.sh \
	tests/scale/sparse.sh \
	tests/scale/segments.sh
TESTS += $(scale_tests)
EXTRA_DIST += $(scale_tests) tests/scale/functions.sh
check_PROGRAMS += tests/scale/scale
tests_scale_scale_SOURCES = tests/scale/scale.c $(remote_helper)
tests_scale_scale_LDADD = libhandoff.la librmmap.la
