# examples: built by make, run by the tests, installed as sources
noinst_PROGRAMS += \
	examples/01_publish examples/02_attach \
	examples/03_optional examples/03_optional_nopie \
	examples/wordcount/split examples/wordcount/map examples/wordcount/reduce

example_cppflags = -D_GNU_SOURCE -I$(top_srcdir)/include

examples_01_publish_SOURCES = examples/01_publish.c examples/shapes.h
examples_01_publish_CPPFLAGS = $(example_cppflags)
examples_01_publish_LDADD = librmmap.la
examples_01_publish_LDFLAGS = $(AM_LDFLAGS) -no-install
examples_02_attach_SOURCES = examples/02_attach.c examples/shapes.h
examples_02_attach_CPPFLAGS = $(example_cppflags)
examples_02_attach_LDADD = librmmap.la
examples_02_attach_LDFLAGS = $(AM_LDFLAGS) -no-install

# a weak reference is NULL in a program that is not PIE: dlsym must work in both
examples_03_optional_SOURCES = examples/03_optional.c
examples_03_optional_CPPFLAGS = $(example_cppflags)
examples_03_optional_CFLAGS = $(AM_CFLAGS) -fPIE
examples_03_optional_LDFLAGS = $(AM_LDFLAGS) -XCClinker -pie
examples_03_optional_nopie_SOURCES = examples/03_optional.c
examples_03_optional_nopie_CPPFLAGS = $(example_cppflags)
examples_03_optional_nopie_CFLAGS = $(AM_CFLAGS) -fno-pie
examples_03_optional_nopie_LDFLAGS = $(AM_LDFLAGS) -XCClinker -no-pie

wordcount_common = examples/wordcount/handoff.c examples/wordcount/words.h
examples_wordcount_split_SOURCES = examples/wordcount/split.c $(wordcount_common)
examples_wordcount_split_CPPFLAGS = $(example_cppflags)
examples_wordcount_split_LDADD = librmmap.la
examples_wordcount_split_LDFLAGS = $(AM_LDFLAGS) -no-install
examples_wordcount_map_SOURCES = examples/wordcount/map.c examples/wordcount/table.c \
	$(wordcount_common)
examples_wordcount_map_CPPFLAGS = $(example_cppflags)
examples_wordcount_map_LDADD = librmmap.la
examples_wordcount_map_LDFLAGS = $(AM_LDFLAGS) -no-install
examples_wordcount_reduce_SOURCES = examples/wordcount/reduce.c examples/wordcount/table.c \
	$(wordcount_common)
examples_wordcount_reduce_CPPFLAGS = $(example_cppflags)
examples_wordcount_reduce_LDADD = librmmap.la
examples_wordcount_reduce_LDFLAGS = $(AM_LDFLAGS) -no-install

examplesdir = $(docdir)/examples
dist_examples_DATA = examples/01_publish.c examples/02_attach.c examples/03_optional.c \
	examples/shapes.h
wordcountdir = $(examplesdir)/wordcount
dist_wordcount_DATA = examples/wordcount/split.c examples/wordcount/map.c \
	examples/wordcount/reduce.c examples/wordcount/table.c examples/wordcount/handoff.c \
	examples/wordcount/words.h
dist_wordcount_SCRIPTS = examples/wordcount/wordcount.sh
