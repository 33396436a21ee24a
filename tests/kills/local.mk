# ---- rmmapd's processes killed at each message and record ----
check_PROGRAMS += tests/kills/kills tests/kills/consumer
check_LTLIBRARIES += tests/kills/libshim.la
TESTS += tests/kills/kills
tests_kills_kills_SOURCES = \
	tests/kills/kills.c tests/kills/kills.h tests/kills/control.h tests/kills/case.c \
	tests/kills/child.c tests/kills/host.c tests/kills/judge.c tests/kills/plan.c \
	tests/kills/settle.c
tests_kills_kills_LDADD = libcommon.la
tests_kills_consumer_SOURCES = tests/kills/consumer.c tests/kills/control.h tests/kills/field.h
tests_kills_consumer_LDADD = librmmap.la
tests_kills_libshim_la_SOURCES = tests/kills/shim.c tests/kills/control.h
tests_kills_libshim_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -rpath /nowhere
tests_kills_libshim_la_CFLAGS = $(AM_CFLAGS) -fvisibility=default
