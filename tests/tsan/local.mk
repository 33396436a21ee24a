# ---- src/lib under ThreadSanitizer: --enable-tsan, with a window that it allows ----
# The malloc family gets names of its own, and test objects stand in for beside.c and a few
# system calls; all else is what librmmap.so is made of.
EXTRA_DIST += tests/tsan/races.sh
if TSAN
check_PROGRAMS += tests/tsan/races
TESTS += tests/tsan/races.sh
check_LIBRARIES = tests/tsan/libentries.a
tests_tsan_libentries_a_SOURCES = src/lib/malloc.c
tests_tsan_libentries_a_CFLAGS = $(AM_CFLAGS) -fno-builtin
tsan_entries = tests/tsan/entries.a
CLEANFILES += $(tsan_entries) tests/tsan/names
$(tsan_entries): tests/tsan/libentries.a
	$(AM_V_GEN)$(NM) -g --defined-only tests/tsan/libentries.a | \
	  $(AWK) '$$2 == "T" && $$3 != "free_mixed" { print $$3, "heap_" $$3 }' >tests/tsan/names && \
	$(OBJCOPY) --redefine-syms=tests/tsan/names tests/tsan/libentries.a $@
tests_tsan_races_SOURCES = tests/tsan/races.c tests/tsan/beside.c tests/tsan/system.c \
	tests/tsan/heap.h tests/handoff/handoff.h
# A program that may lie at any address might lie where jemalloc's own memory is to be.
tests_tsan_races_LDFLAGS = $(core_ldflags) -no-pie -Wl,--wrap=mmap -Wl,--wrap=pwrite \
	-Wl,--wrap=pwritev -Wl,--wrap=clone
tests_tsan_races_LDADD = $(tsan_entries) libhandoff.la librmmap-core.la $(rmjemalloc) -lpthread
endif
