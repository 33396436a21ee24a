# librmmap.so: everything but the malloc family is a convenience library, so that unit tests
# keep libc's malloc
noinst_LTLIBRARIES += librmmap-core.la
EXTRA_DIST += src/lib/README src/lib/attach/README src/lib/base/README src/lib/heap/README \
	src/lib/publish/README src/lib/rmmapd/README
librmmap_core_la_SOURCES = \
	src/lib/arguments.c \
	src/lib/attach.c \
	src/lib/attach.h \
	src/lib/attached.c \
	src/lib/beside.c \
	src/lib/carpet.c \
	src/lib/check.c \
	src/lib/client.c \
	src/lib/contents.c \
	src/lib/env.c \
	src/lib/elsewhere.c \
	src/lib/errors.c \
	src/lib/fd.c \
	src/lib/fork.c \
	src/lib/freed.c \
	src/lib/freed.h \
	src/lib/freeze.c \
	src/lib/backing.c \
	src/lib/backing.h \
	src/lib/backing_file.c \
	src/lib/backing_file.h \
	src/lib/backing_protect.c \
	src/lib/gather.c \
	src/lib/scan.c \
	src/lib/snapshot.h \
	src/lib/tidy.c \
	src/lib/track.c \
	src/lib/weave.c \
	src/lib/write.c \
	src/lib/heap.c \
	src/lib/hooks.c \
	src/lib/internal.h \
	src/lib/jemalloc.c \
	src/lib/jemalloc.h \
	src/lib/kept.c \
	src/lib/kept.h \
	src/lib/unused.c \
	src/lib/unused.h \
	src/lib/layer.c \
	src/lib/lazy.c \
	src/lib/map.c \
	src/lib/maps.c \
	src/lib/patch.c \
	src/lib/places.c \
	src/lib/plan.c \
	src/lib/prefetch.c \
	src/lib/publish.c \
	src/lib/slot.c \
	src/lib/parent.c \
	src/lib/spawn.c \
	src/lib/spawn.h \
	src/lib/start.c \
	src/lib/stats.c \
	src/lib/table.c
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
librmmap_la_SOURCES = src/lib/early.c src/lib/malloc.c src/lib/tune.c
librmmap_la_CFLAGS = $(AM_CFLAGS) -fno-builtin
librmmap_la_LIBADD = librmmap-core.la
librmmap_la_LDFLAGS = $(AM_LDFLAGS) -version-info $(LT_VERSION) \
	-Wl,$(rmexports) -Wl,--version-script=$(top_srcdir)/src/lib/librmmap.map \
	-Wl,--no-undefined -Wl,-z,nodelete -Wl,-z,nodlopen -Wl,-z,now
EXTRA_librmmap_la_DEPENDENCIES = $(rmexports) src/lib/librmmap.map
