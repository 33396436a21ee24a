# ---- rmmap function: events by HTTP ----
check_PROGRAMS += tests/header_function_c99 tests/header_function_cxx
TESTS += tests/header_function_c99 tests/header_function_cxx tests/function/requests.sh \
	tests/function/clients.sh tests/function/end.sh tests/function/sdk.sh \
	tests/function/wordcount.sh
EXTRA_DIST += tests/function/functions.sh tests/function/requests.sh tests/function/clients.sh \
	tests/function/clients.py tests/function/end.sh tests/function/sdk.sh tests/function/sdk.mjs \
	tests/function/wordcount.sh
tests_header_function_c99_SOURCES = tests/function/header.c
tests_header_function_c99_CPPFLAGS = -I$(top_srcdir)/include
tests_header_function_c99_CFLAGS = -std=c99 -pedantic-errors -Wall -Wextra -Werror $(SANITIZE_CFLAGS)
tests_header_function_cxx_SOURCES = tests/function/header.cc
tests_header_function_cxx_CPPFLAGS = -I$(top_srcdir)/include
tests_header_function_cxx_CXXFLAGS = -std=c++11 -pedantic-errors -Wall -Wextra -Werror $(SANITIZE_CFLAGS)
check_LTLIBRARIES += tests/libfunction_handler.la
tests_libfunction_handler_la_SOURCES = tests/function/handler.c
tests_libfunction_handler_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -rpath /nowhere
TESTS += tests/function/knative.sh
EXTRA_DIST += tests/function/knative.sh
