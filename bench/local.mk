EXTRA_DIST += bench/README bench/WORKFLOWS bench/fanout bench/pictures \
	bench/drawn/time.svg bench/drawn/memory.svg bench/drawn/moved.svg bench/drawn/break-even.svg
# figures; `make bench` builds and runs what README quotes
EXTRA_PROGRAMS += bench/list_handoff bench/eager_fetch bench/bare_read bench/publish \
	bench/attach_walk bench/rounds bench/rounds_plain
bench_rounds_SOURCES = bench/rounds.c bench/bench.h
bench_rounds_CPPFLAGS = $(AM_CPPFLAGS) -DWITH_RMMAP
bench_rounds_LDADD = librmmap.la
bench_rounds_plain_SOURCES = bench/rounds.c bench/bench.h
bench_attach_walk_SOURCES = bench/attach_walk.c bench/bench.h
bench_attach_walk_LDADD = librmmap.la
bench_publish_SOURCES = bench/publish.c bench/bench.h
bench_publish_LDADD = librmmap.la
bench_list_handoff_SOURCES = bench/list_handoff.c bench/bench.h
bench_list_handoff_LDADD = librmmap.la
bench_eager_fetch_SOURCES = bench/eager_fetch.c bench/bench.h
bench_eager_fetch_LDADD = librmmap.la
bench_bare_read_SOURCES = bench/bare_read.c bench/bench.h
bench_bare_read_CFLAGS = $(AM_CFLAGS) $(FABRIC_CFLAGS)
bench_bare_read_LDADD = $(FABRIC_LIBS)

.PHONY: bench
bench: all bench/list_handoff$(EXEEXT) bench/eager_fetch$(EXEEXT) bench/bare_read$(EXEEXT) \
		bench/publish$(EXEEXT) bench/attach_walk$(EXEEXT) \
		bench/rounds$(EXEEXT) bench/rounds_plain$(EXEEXT)
	$(top_builddir)/bench/spine
	$(top_builddir)/bench/snapshots

# malloc itself, under one LD_PRELOAD and another: see bench/README
EXTRA_PROGRAMS += bench/alloc_churn
bench_alloc_churn_SOURCES = bench/alloc_churn.c bench/bench.h
bench_alloc_churn_LDADD = -lpthread

# many workloads for malloc; bench/alloc builds what it needs and prints the table
EXTRA_PROGRAMS += bench/alloc_work bench/alloc_run
bench_alloc_work_SOURCES = bench/alloc_work.c bench/bench.h
bench_alloc_work_LDADD = -lpthread
bench_alloc_run_SOURCES = bench/alloc_run.c bench/bench.h

include bench/ways/local.mk

# what lazy attachments cost
EXTRA_PROGRAMS += bench/paging bench/relay
bench_paging_SOURCES = bench/paging.c bench/bench.h
bench_paging_LDADD = librmmap.la
bench_relay_SOURCES = bench/relay.c bench/bench.h

.PHONY: bench-walks
bench-walks: all bench/paging$(EXEEXT) bench/relay$(EXEEXT) bench/bare_read$(EXEEXT)
	$(top_builddir)/bench/walks
