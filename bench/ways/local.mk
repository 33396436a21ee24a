# the same structures by each way that a C programmer has; bench/run draws the tables
check_PROGRAMS += bench/ways/pair bench/ways/wire bench/ways/mapped bench/ways/plain
TESTS += tests/build/bench.sh
EXTRA_DIST += tests/build/bench.sh bench/run.in bench/report bench/RESULTS.md
ways_shared = bench/ways/side.c bench/ways/link.c bench/ways/structures.c bench/ways/ways.h \
	bench/ways/link.h bench/ways/structures.h bench/ways/shapes.h bench/ways/shapes_code.h bench/bench.h
bench_ways_pair_SOURCES = bench/ways/pair.c bench/ways/structures.h bench/bench.h
bench_ways_wire_SOURCES = bench/ways/wire.c bench/bench.h
bench_ways_mapped_SOURCES = $(ways_shared) bench/ways/rmmap.c
bench_ways_mapped_CPPFLAGS = $(AM_CPPFLAGS) -DWITH_RMMAP
bench_ways_mapped_LDADD = librmmap.la
bench_ways_plain_SOURCES = $(ways_shared) bench/ways/offsets.c bench/ways/binary.c bench/ways/codec.h \
	bench/ways/fork.c bench/ways/shm.c bench/ways/fi_read.c
bench_ways_plain_CPPFLAGS = $(AM_CPPFLAGS)
bench_ways_plain_CFLAGS = $(AM_CFLAGS) $(FABRIC_CFLAGS)
bench_ways_plain_LDADD = $(FABRIC_LIBS) -lrt -lpthread
EXTRA_DIST += bench/ways/msgpack.c bench/ways/redis.c bench/ways/protobuf.c bench/ways/json.c \
	bench/ways/records.proto
if HAVE_MSGPACK
bench_ways_plain_SOURCES += bench/ways/msgpack.c
bench_ways_plain_CPPFLAGS += -DWITH_MSGPACK
bench_ways_plain_CFLAGS += $(MSGPACK_CFLAGS)
bench_ways_plain_LDADD += $(MSGPACK_LIBS)
if HAVE_HIREDIS
bench_ways_plain_SOURCES += bench/ways/redis.c
bench_ways_plain_CPPFLAGS += -DWITH_REDIS
bench_ways_plain_CFLAGS += $(HIREDIS_CFLAGS)
bench_ways_plain_LDADD += $(HIREDIS_LIBS)
endif
endif
if HAVE_CJSON
bench_ways_plain_SOURCES += bench/ways/json.c
bench_ways_plain_CPPFLAGS += -DWITH_JSON
bench_ways_plain_CFLAGS += $(CJSON_CFLAGS)
bench_ways_plain_LDADD += $(CJSON_LIBS)
endif
if HAVE_PROTOBUF_C
bench_ways_plain_SOURCES += bench/ways/protobuf.c
nodist_bench_ways_plain_SOURCES = bench/ways/records.pb-c.c
bench_ways_plain_CPPFLAGS += -DWITH_PROTOBUF -I$(top_builddir)/bench/ways
bench_ways_plain_CFLAGS += $(PROTOBUF_C_CFLAGS)
bench_ways_plain_LDADD += $(PROTOBUF_C_LIBS)
CLEANFILES += bench/ways/records.pb-c.c bench/ways/records.pb-c.h
bench/ways/records.pb-c.c: $(srcdir)/bench/ways/records.proto
	$(AM_V_GEN)$(MKDIR_P) bench/ways && \
		$(PROTOC_C) --proto_path=$(srcdir)/bench/ways --c_out=bench/ways records.proto
bench/ways/records.pb-c.h: bench/ways/records.pb-c.c
bench/ways/plain-protobuf.$(OBJEXT): bench/ways/records.pb-c.h
endif
