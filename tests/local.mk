# tests: make check
# Every test runs under ./run: the build tree's library, daemon and commands, and no
# RMMAP_ variable of the user's but RMMAP_TEST_PROVIDERS, the providers to try ("tcp net", in
# place of those that are known to be on every host), and RMMAP_TEST_ADDRESS, where. Shell tests begin with
# . "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
TEST_EXTENSIONS = .sh
LOG_COMPILER = $(top_builddir)/run
SH_LOG_COMPILER = $(top_builddir)/run $(SHELL)
check_SCRIPTS = run
AM_TESTS_ENVIRONMENT = \
	for v in $$(env | $(SED) -n '/^RMMAP_TEST_/d; s/^\(RMMAP_[A-Z_]*\)=.*/\1/p'); do unset $$v; done; \
	CC='$(CC)'; CXX='$(CXX)'; NM='$(NM)'; export CC CXX NM; \
	PRELOAD_HEAPS='$(PRELOAD_HEAPS)'; export PRELOAD_HEAPS;

TESTS += \
	tests/build/functions.sh \
	tests/build/layering.sh
EXTRA_DIST += \
	tests/functions.sh \
	tests/build/functions.sh \
	tests/build/layering.sh

# ---- the commands, the examples, what make install puts in place; rmmap.h as C99 and C++ ----
TESTS += tests/cli/cli.sh tests/cli/rundir.sh tests/cli/check.sh tests/cli/plan.sh tests/cli/save.sh tests/cli/completion.sh tests/examples/examples.sh tests/examples/wordcount.sh tests/examples/books.sh tests/build/install.sh
EXTRA_DIST += tests/smaps.h
EXTRA_DIST += tests/cli/cli.sh tests/cli/rundir.sh tests/cli/check.sh tests/cli/plan.sh tests/cli/save.sh tests/cli/completion.sh tests/examples/examples.sh tests/examples/wordcount.sh tests/examples/books.sh \
	tests/examples/functions.sh tests/build/install.sh
check_PROGRAMS += tests/header_c99 tests/header_cxx
TESTS += tests/header_c99 tests/header_cxx
tests_header_c99_SOURCES = tests/build/header.c
tests_header_c99_CPPFLAGS = -I$(top_srcdir)/include
tests_header_c99_CFLAGS = -std=c99 -pedantic-errors -Wall -Wextra -Werror $(SANITIZE_CFLAGS)
tests_header_c99_LDADD = librmmap.la
tests_header_cxx_SOURCES = tests/build/header.cc
tests_header_cxx_CPPFLAGS = -I$(top_srcdir)/include
tests_header_cxx_CXXFLAGS = -std=c++11 -pedantic-errors -Wall -Wextra -Werror $(SANITIZE_CFLAGS)
tests_header_cxx_LDADD = librmmap.la

# on a Slurm cluster of network namespaces; as root
TESTS += tests/workflows/slurm.sh
EXTRA_DIST += tests/workflows/slurm.sh

EXTRA_DIST += tests/README
# what the manual and README say, held against header, option table and programs
TESTS += tests/docs/man.sh tests/docs/readme.sh
EXTRA_DIST += tests/docs/man.sh tests/docs/readme.sh

# ---- the paper's workflows in three ways ----
workflow_tests = tests/workflows/wordcount.sh tests/workflows/finra.sh \
	tests/workflows/learning.sh tests/workflows/ending.sh
TESTS += $(workflow_tests)
EXTRA_DIST += $(workflow_tests) tests/workflows/functions.sh

