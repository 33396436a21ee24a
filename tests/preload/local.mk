# ---- the allocator: its symbols; programs whose malloc it is, preloaded and linked ----
preload_programs = \
	tests/preload/calls \
	tests/preload/contract \
	tests/preload/contract_linked \
	tests/preload/fork_handler \
	tests/preload/fork_stdio \
	tests/preload/fork_stdio_linked \
	tests/preload/fork_steps \
	tests/preload/forks \
	tests/preload/ifunc \
	tests/preload/private \
	tests/preload/rss \
	tests/preload/same_slot \
	tests/preload/thread_cost \
	tests/preload/threads \
	tests/preload/where \
	tests/preload/where_pie \
	tests/preload/where_no_pie
check_PROGRAMS += $(preload_programs)
check_LTLIBRARIES += tests/preload/libctor.la
TESTS += tests/build/symbols.sh tests/build/probes.sh tests/build/rename_jemalloc.sh tests/preload/programs.sh \
	tests/preload/rss.sh
EXTRA_DIST += tests/build/symbols.sh tests/build/probes.sh tests/build/rename_jemalloc.sh tests/preload/programs.sh \
	tests/preload/rss.sh
# What programs do that never heard of the library: sanitizers, hard corners
TESTS += tests/preload/calls.sh tests/preload/thread_cost.sh tests/preload/sanitizers.sh tests/preload/corners.sh tests/preload/corners_root.sh
EXTRA_DIST += tests/preload/calls.sh tests/preload/thread_cost.sh tests/preload/sanitizers.sh tests/preload/beside.c tests/preload/corners.sh \
	tests/preload/corners_root.sh
check_PROGRAMS += tests/preload/corners
check_LTLIBRARIES += tests/preload/libplug.la
tests_preload_libplug_la_SOURCES = tests/preload/plug.c
tests_preload_libplug_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -rpath /nowhere
tests_preload_corners_SOURCES = tests/preload/corners.c tests/preload/corners.h \
	tests/preload/corners_limits.c tests/preload/corners_process.c \
	tests/preload/corners_rights.c tests/preload/preload.h
tests_preload_corners_LDADD = librmmap.la -lpthread
# Real programs, with and without the library: one test for a family of them. Each heap:
#     make check TESTS="tests/preload/git.sh" PRELOAD_HEAPS="anon shared"
program_tests = \
	tests/preload/bash.sh \
	tests/preload/clang.sh \
	tests/preload/coreutils.sh \
	tests/preload/curl.sh \
	tests/preload/dash.sh \
	tests/preload/ffmpeg.sh \
	tests/preload/gcc.sh \
	tests/preload/git.sh \
	tests/preload/imagemagick.sh \
	tests/preload/make.sh \
	tests/preload/nginx.sh \
	tests/preload/node.sh \
	tests/preload/openssl.sh \
	tests/preload/others.sh \
	tests/preload/perl.sh \
	tests/preload/postgresql.sh \
	tests/preload/python.sh \
	tests/preload/redis.sh \
	tests/preload/sqlite.sh \
	tests/preload/tar.sh
TESTS += $(program_tests)
EXTRA_DIST += tests/preload/same.sh $(program_tests)
tests_preload_libctor_la_SOURCES = tests/preload/ctor.c tests/preload/ctor.h
tests_preload_libctor_la_LDFLAGS = $(AM_LDFLAGS) -avoid-version -rpath /nowhere
tests_preload_contract_SOURCES = tests/preload/contract.c tests/preload/preload.h
tests_preload_contract_linked_SOURCES = tests/preload/contract.c
tests_preload_contract_linked_LDADD = librmmap.la
tests_preload_calls_SOURCES = tests/preload/calls.c tests/preload/preload.h
tests_preload_calls_LDADD = -lpthread
tests_preload_fork_handler_SOURCES = tests/preload/fork_handler.c
tests_preload_fork_handler_LDADD = librmmap.la
tests_preload_fork_steps_SOURCES = tests/preload/fork_steps.c
tests_preload_fork_steps_LDADD = librmmap.la
tests_preload_fork_stdio_SOURCES = tests/preload/fork_stdio.c
tests_preload_fork_stdio_LDADD = -lpthread
tests_preload_fork_stdio_linked_SOURCES = tests/preload/fork_stdio.c
tests_preload_fork_stdio_linked_LDADD = librmmap.la -lpthread
tests_preload_forks_SOURCES = tests/preload/forks.c
tests_preload_forks_LDADD = librmmap.la -lpthread
tests_preload_ifunc_SOURCES = tests/preload/ifunc.c
tests_preload_private_SOURCES = tests/preload/private.c
tests_preload_private_LDADD = -lpthread
tests_preload_rss_SOURCES = tests/preload/rss.c
tests_preload_same_slot_SOURCES = tests/preload/same_slot.c
tests_preload_same_slot_LDADD = librmmap.la
tests_preload_thread_cost_SOURCES = tests/preload/thread_cost.c tests/preload/preload.h
tests_preload_thread_cost_LDADD = -lpthread
tests_preload_threads_SOURCES = tests/preload/threads.c
tests_preload_threads_LDADD = tests/preload/libctor.la -lpthread
tests_preload_where_SOURCES = tests/preload/where.c
tests_preload_where_pie_SOURCES = tests/preload/where.c
tests_preload_where_pie_CPPFLAGS = $(AM_CPPFLAGS) -DIMPORT
tests_preload_where_pie_CFLAGS = $(AM_CFLAGS) -fPIE
tests_preload_where_pie_LDFLAGS = $(AM_LDFLAGS) -pie
tests_preload_where_pie_LDADD = librmmap.la
tests_preload_where_no_pie_SOURCES = tests/preload/where.c
tests_preload_where_no_pie_CPPFLAGS = $(AM_CPPFLAGS) -DIMPORT
tests_preload_where_no_pie_CFLAGS = $(AM_CFLAGS) -fno-pie
tests_preload_where_no_pie_LDFLAGS = $(AM_LDFLAGS) -no-pie
tests_preload_where_no_pie_LDADD = librmmap.la
