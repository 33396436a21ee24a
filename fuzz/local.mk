# fuzz: a harness for each parser
#
# make check runs each over its seeds and 20,000 mutations (driver.c, any compiler).
# make fuzz CC=clang builds fuzz/lf_NAME with libFuzzer; then
#     mkdir corpus && fuzz/fuzz_NAME --write-seeds corpus && fuzz/lf_NAME corpus
fuzz_programs = \
	fuzz/fuzz_cgroup \
	fuzz/fuzz_handle \
	fuzz/fuzz_options \
	fuzz/fuzz_peer \
	fuzz/fuzz_saved \
	fuzz/fuzz_table \
	fuzz/fuzz_wire \
	fuzz/fuzz_workflow
if FUNCTION
fuzz_programs += fuzz/fuzz_event
endif
check_PROGRAMS += $(fuzz_programs)
TESTS += $(fuzz_programs)
fuzz_driver = fuzz/driver.c fuzz/fuzz.h
fuzz_fuzz_cgroup_SOURCES = fuzz/fuzz_cgroup.c $(fuzz_driver)
fuzz_fuzz_cgroup_LDADD = libcommon.la
fuzz_fuzz_handle_SOURCES = fuzz/fuzz_handle.c $(fuzz_driver)
fuzz_fuzz_handle_LDADD = libcommon.la
fuzz_fuzz_options_SOURCES = fuzz/fuzz_options.c $(fuzz_driver)
fuzz_fuzz_options_LDADD = libcommon.la
fuzz_fuzz_peer_SOURCES = fuzz/fuzz_peer.c $(fuzz_driver)
fuzz_fuzz_peer_CFLAGS = $(AM_CFLAGS) $(FABRIC_CFLAGS) $(SODIUM_CFLAGS)
fuzz_fuzz_peer_LDADD = libdaemon.la
fuzz_fuzz_saved_SOURCES = fuzz/fuzz_saved.c $(fuzz_driver)
fuzz_fuzz_saved_LDADD = libcommon.la
fuzz_fuzz_table_SOURCES = fuzz/fuzz_table.c $(fuzz_driver)
fuzz_fuzz_table_LDADD = libcommon.la
fuzz_fuzz_wire_SOURCES = fuzz/fuzz_wire.c $(fuzz_driver)
fuzz_fuzz_wire_LDADD = libcommon.la
fuzz_fuzz_workflow_SOURCES = fuzz/fuzz_workflow.c src/cli/workflow.c $(fuzz_driver)
fuzz_fuzz_workflow_LDADD = libcommon.la
fuzz_fuzz_event_SOURCES = fuzz/fuzz_event.c $(fuzz_driver)
fuzz_fuzz_event_LDADD = libevent.a libcommon.la $(CJSON_LIBS) -lpthread

# With libFuzzer the code under test is compiled anew: it has to be instrumented itself.
fuzz_lf_flags = -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined
fuzz_lf_programs = \
	fuzz/lf_cgroup \
	fuzz/lf_handle \
	fuzz/lf_options \
	fuzz/lf_peer \
	fuzz/lf_saved \
	fuzz/lf_table \
	fuzz/lf_wire \
	fuzz/lf_workflow
if FUNCTION
fuzz_lf_programs += fuzz/lf_event
endif
EXTRA_PROGRAMS += $(fuzz_lf_programs)
fuzz_lf_cgroup_SOURCES = fuzz/fuzz_cgroup.c fuzz/fuzz.h $(libcommon_la_SOURCES)
fuzz_lf_cgroup_CFLAGS = $(AM_CFLAGS) $(fuzz_lf_flags)
fuzz_lf_handle_SOURCES = fuzz/fuzz_handle.c fuzz/fuzz.h $(libcommon_la_SOURCES)
fuzz_lf_handle_CFLAGS = $(AM_CFLAGS) $(fuzz_lf_flags)
fuzz_lf_options_SOURCES = fuzz/fuzz_options.c fuzz/fuzz.h $(libcommon_la_SOURCES)
fuzz_lf_options_CFLAGS = $(AM_CFLAGS) $(fuzz_lf_flags)
fuzz_lf_peer_SOURCES = fuzz/fuzz_peer.c fuzz/fuzz.h src/daemon/peer/wire.c \
	src/daemon/peer/wire_pages.c src/daemon/peer/wire_data.c src/daemon/peer/wire_move.c \
	src/daemon/peer/wire.h src/daemon/peer/wire_words.h
fuzz_lf_peer_CFLAGS = $(AM_CFLAGS) $(FABRIC_CFLAGS) $(SODIUM_CFLAGS) $(fuzz_lf_flags)
fuzz_lf_peer_LDADD = $(SODIUM_LIBS)
fuzz_lf_saved_SOURCES = fuzz/fuzz_saved.c fuzz/fuzz.h $(libcommon_la_SOURCES)
fuzz_lf_saved_CFLAGS = $(AM_CFLAGS) $(fuzz_lf_flags)
fuzz_lf_table_SOURCES = fuzz/fuzz_table.c fuzz/fuzz.h $(libcommon_la_SOURCES)
fuzz_lf_table_CFLAGS = $(AM_CFLAGS) $(fuzz_lf_flags)
fuzz_lf_wire_SOURCES = fuzz/fuzz_wire.c fuzz/fuzz.h $(libcommon_la_SOURCES)
fuzz_lf_wire_CFLAGS = $(AM_CFLAGS) $(fuzz_lf_flags)
fuzz_lf_workflow_SOURCES = fuzz/fuzz_workflow.c src/cli/workflow.c fuzz/fuzz.h $(libcommon_la_SOURCES)
fuzz_lf_workflow_CFLAGS = $(AM_CFLAGS) $(fuzz_lf_flags)
fuzz_lf_event_SOURCES = fuzz/fuzz_event.c fuzz/fuzz.h $(libevent_a_SOURCES) $(libcommon_la_SOURCES)
fuzz_lf_event_CFLAGS = $(AM_CFLAGS) $(CJSON_CFLAGS) $(fuzz_lf_flags)
fuzz_lf_event_LDADD = $(CJSON_LIBS) -lpthread
CLEANFILES += $(fuzz_lf_programs) fuzz_*.crash

fuzz: $(fuzz_lf_programs)
.PHONY: fuzz
