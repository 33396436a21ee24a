# librmmap.so: everything but the malloc family is a convenience library, so that unit tests
# keep libc's malloc
noinst_LTLIBRARIES += librmmap-core.la
EXTRA_DIST += src/lib/README src/lib/attach/README src/lib/base/README src/lib/heap/README \
	src/lib/publish/README src/lib/rmmapd/README
librmmap_core_la_SOURCES = \
	src/lib/base/arguments.c \
	src/lib/base/array.c \
	src/lib/base/base.h \
	src/lib/base/counters.c \
	src/lib/base/env.c \
	src/lib/base/errors.c \
	src/lib/base/fd.c \
	src/lib/base/lock.c \
	src/lib/base/maps.c \
	src/lib/base/memfd.c \
	src/lib/base/policy.c \
	src/lib/base/scan.c \
	src/lib/base/scan.h \
	src/lib/base/track.c \
	src/lib/rmmapd/client.c \
	src/lib/rmmapd/client.h \
	src/lib/rmmapd/exchange.c \
	src/lib/rmmapd/exchange.h \
	src/lib/rmmapd/exec.c \
	src/lib/rmmapd/parent.c \
	src/lib/rmmapd/spawn.c \
	src/lib/rmmapd/spawn.h \
	src/lib/rmmapd/start.c \
	src/lib/heap/arenas.c \
	src/lib/heap/backing.c \
	src/lib/heap/backing.h \
	src/lib/heap/backing_child.c \
	src/lib/heap/backing_file.c \
	src/lib/heap/backing_file.h \
	src/lib/heap/backing_freeze.c \
	src/lib/heap/backing_marks.c \
	src/lib/heap/backing_spans.c \
	src/lib/heap/backing_spans.h \
	src/lib/heap/chunks.c \
	src/lib/heap/chunks.h \
	src/lib/heap/freeze.c \
	src/lib/heap/freed.c \
	src/lib/heap/freed.h \
	src/lib/heap/heap.c \
	src/lib/heap/heap.h \
	src/lib/heap/hooks.c \
	src/lib/heap/huge.c \
	src/lib/heap/jemalloc.c \
	src/lib/heap/jemalloc.h \
	src/lib/heap/other_arenas.c \
	src/lib/heap/other_malloc.c \
	src/lib/heap/pages.c \
	src/lib/heap/pages.h \
	src/lib/heap/ranges.c \
	src/lib/heap/retained.c \
	src/lib/heap/retained.h \
	src/lib/heap/slot.c \
	src/lib/attach/ask.c \
	src/lib/attach/attach.c \
	src/lib/attach/attach.h \
	src/lib/attach/attachments.c \
	src/lib/attach/coalesce.c \
	src/lib/attach/contents.c \
	src/lib/attach/copy.c \
	src/lib/attach/internal.h \
	src/lib/attach/lazy.c \
	src/lib/attach/map.c \
	src/lib/attach/plan.c \
	src/lib/attach/prefetch.c \
	src/lib/publish/check.c \
	src/lib/publish/collect.c \
	src/lib/publish/compact.c \
	src/lib/publish/internal.h \
	src/lib/publish/layer.c \
	src/lib/publish/overlay.c \
	src/lib/publish/publish.c \
	src/lib/publish/publish.h \
	src/lib/publish/snapshot.c \
	src/lib/publish/surroundings.c \
	src/lib/publish/write.c \
	src/lib/fork.c \
	src/lib/lib.h \
	src/lib/stats.c
librmmap_core_la_CPPFLAGS = $(AM_CPPFLAGS) -DRM_LIBEXECDIR='"$(libexecdir)"'
librmmap_core_la_LIBADD = libcommon.la

# jemalloc with its public names changed to rj_*; programs that link librmmap-core.la link it too
rmjemalloc = src/lib/rmjemalloc.a
rmexports = src/lib/rmexports.a
CLEANFILES += $(rmjemalloc) $(rmexports)
EXTRA_DIST += scripts/build-jemalloc scripts/rename-jemalloc src/lib/librmmap.map
if JEMALLOC_SOURCE
jemalloc_input = jemalloc/lib/libjemalloc_pic.a
$(jemalloc_input): $(top_srcdir)/scripts/build-jemalloc
	$(AM_V_GEN)CC="$(CC)" CFLAGS="$(CFLAGS)" MAKE="$(MAKE)" \
		$(top_srcdir)/scripts/build-jemalloc $(JEMALLOC_SRCDIR) jemalloc
clean-local:
	rm -rf jemalloc
else
jemalloc_input = $(JEMALLOC_ARCHIVE)
endif
$(rmjemalloc): $(top_srcdir)/scripts/rename-jemalloc $(jemalloc_input)
	$(AM_V_GEN)$(MKDIR_P) src/lib && NM="$(NM)" OBJCOPY="$(OBJCOPY)" AR="$(AR)" \
		$(top_srcdir)/scripts/rename-jemalloc $(jemalloc_input) $@ $(rmexports)
$(rmexports): $(rmjemalloc)
	@test -f $@ || { rm -f $(rmjemalloc); $(MAKE) $(AM_MAKEFLAGS) $(rmjemalloc); }
all-local: $(rmexports)

# The library itself. jemalloc goes in through the linker's own arguments: libtool would warn
# of an archive, and it is in no other library. malloc and calloc are jemalloc's own.
lib_LTLIBRARIES += librmmap.la
librmmap_la_SOURCES = src/lib/heap/early.c src/lib/malloc.c src/lib/heap/tune.c
librmmap_la_CFLAGS = $(AM_CFLAGS) -fno-builtin
librmmap_la_LIBADD = librmmap-core.la
librmmap_la_LDFLAGS = $(AM_LDFLAGS) -version-info $(LT_VERSION) \
	-Wl,$(rmexports) -Wl,--version-script=$(top_srcdir)/src/lib/librmmap.map \
	-Wl,--no-undefined -Wl,-z,nodelete -Wl,-z,nodlopen -Wl,-z,now
EXTRA_librmmap_la_DEPENDENCIES = $(rmexports) src/lib/librmmap.map
