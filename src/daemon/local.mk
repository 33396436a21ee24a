# rmmapd; everything but main.c is a library, so that tests can link it
noinst_LTLIBRARIES += libdaemon.la
EXTRA_DIST += src/daemon/README src/daemon/base/README src/daemon/fabric/README \
	src/daemon/keeper/README src/daemon/local/README src/daemon/pager/README \
	src/daemon/peer/README src/daemon/remote/README src/daemon/store/README \
	src/daemon/worker/README
libdaemon_la_SOURCES = \
	src/daemon/base/container.h \
	src/daemon/base/log.h src/daemon/base/log.c \
	src/daemon/base/loop.h src/daemon/base/loop.c
libdaemon_la_CFLAGS = $(AM_CFLAGS) $(FABRIC_CFLAGS) $(IBVERBS_CFLAGS) $(SODIUM_CFLAGS)
libdaemon_la_LIBADD = libcommon.la $(FABRIC_LIBS) $(IBVERBS_LIBS) $(SODIUM_LIBS)

# keeper and worker
libdaemon_la_SOURCES += \
	src/daemon/keeper/keep.h src/daemon/keeper/keeper.h \
	src/daemon/keeper/defaults.h src/daemon/keeper/defaults.c src/daemon/keeper/take.c \
	src/daemon/keeper/start.c src/daemon/keeper/records.c src/daemon/keeper/keep.c src/daemon/keeper/keeper.c \
	src/daemon/keeper/internal.h src/daemon/keeper/keep_worker.c \
	src/daemon/base/context.h src/daemon/worker/worker.h \
	src/daemon/worker/worker.c src/daemon/worker/restore.c \
	src/daemon/worker/internal.h src/daemon/peer/nets.c \
	src/daemon/base/limit.h src/daemon/base/limit.c src/daemon/keeper/attempts.h src/daemon/keeper/attempts.c

# publications
libdaemon_la_SOURCES += \
	src/daemon/store/store.h src/daemon/store/internal.h \
	src/daemon/store/store.c src/daemon/store/take.c src/daemon/store/publication.c \
	src/daemon/store/sealed.c \
	src/daemon/store/layers.h src/daemon/store/layers.c src/daemon/store/visible.h src/daemon/store/visible.c

# processes of this host
libdaemon_la_SOURCES += \
	src/daemon/local/local.h src/daemon/local/internal.h \
	src/daemon/local/client.c src/daemon/local/shortage.c src/daemon/local/requests.c \
	src/daemon/local/local.c src/daemon/local/listen.c src/daemon/local/attachment.c src/daemon/local/connection.c \
	src/daemon/local/publish.c src/daemon/local/upstream.c \
	src/daemon/local/attach.c src/daemon/local/lazy.c src/daemon/local/info.c src/daemon/local/move.c

# libfabric
libdaemon_la_SOURCES += \
	src/daemon/fabric/poll_time.h src/daemon/fabric/fabric.h src/daemon/fabric/internal.h src/daemon/fabric/fabric.c \
	src/daemon/fabric/address.c src/daemon/fabric/choose.c src/daemon/fabric/message.c \
	src/daemon/fabric/here.c src/daemon/fabric/queue.c \
	src/daemon/fabric/memory.c src/daemon/fabric/name.c src/daemon/fabric/peer.c src/daemon/fabric/piece.c \
	src/daemon/fabric/read.c src/daemon/fabric/callers.h src/daemon/fabric/callers.c \
	src/daemon/fabric/rdma.h src/daemon/fabric/rdma.c \
	src/daemon/fabric/providers.h src/daemon/fabric/providers.c

# control between hosts
libdaemon_la_SOURCES += \
	src/daemon/peer/nets.h src/daemon/peer/pages.h src/daemon/peer/peer.h src/daemon/peer/internal.h src/daemon/peer/served.h src/daemon/peer/session.h src/daemon/peer/wire.h src/daemon/peer/wire_words.h \
	src/daemon/peer/send.c src/daemon/peer/leave.c src/daemon/peer/session_state.c \
	src/daemon/peer/served_blob.c src/daemon/peer/served_data.c src/daemon/peer/serve.c src/daemon/peer/peers.c src/daemon/peer/session_admit.c src/daemon/peer/serve_attach.c src/daemon/peer/session.c \
	src/daemon/peer/session_table.c src/daemon/peer/served.c src/daemon/peer/served_keys.c \
	src/daemon/peer/served_bounds.c \
	src/daemon/peer/move_key.c src/daemon/peer/move.c src/daemon/peer/probe.c src/daemon/remote/take.c \
	src/daemon/peer/served_helper.c src/daemon/peer/fanout_ask.c src/daemon/peer/fanout_give.c \
	src/daemon/peer/wire_pages.c src/daemon/peer/wire_data.c src/daemon/peer/wire_move.c src/daemon/peer/session_data.c \
	src/daemon/peer/wire.c

# publications of other hosts
libdaemon_la_SOURCES += \
	src/daemon/remote/remote.h src/daemon/remote/internal.h src/daemon/remote/cache.h src/daemon/remote/fetch_all.h \
	src/daemon/remote/remote.c src/daemon/remote/readers.c src/daemon/remote/table.c \
	src/daemon/remote/regions.c \
	src/daemon/remote/info.c src/daemon/remote/claim.c src/daemon/remote/life.c src/daemon/remote/helper.c src/daemon/remote/pass_on.c src/daemon/remote/attachment.h src/daemon/remote/cache.c src/daemon/remote/cache_bits.c src/daemon/remote/cache_huge.c \
	src/daemon/remote/huge.c src/daemon/remote/count.c src/daemon/remote/fetch.c \
	src/daemon/remote/fetch_all.c

# page faults
libdaemon_la_SOURCES += \
	src/daemon/pager/pager.h src/daemon/pager/internal.h src/daemon/pager/uffd.h \
	src/daemon/pager/batch.c src/daemon/pager/end.c src/daemon/pager/pager.c src/daemon/pager/fault.c src/daemon/pager/map.c \
	src/daemon/pager/ahead.c src/daemon/pager/asked.c src/daemon/pager/block.c src/daemon/pager/give.c src/daemon/pager/files.c src/daemon/pager/ranges.c src/daemon/pager/filled.c \
	src/daemon/pager/uffd.c src/daemon/base/reserve.h src/daemon/base/reserve.c \
	src/daemon/pager/budget.h src/daemon/pager/budget.c src/daemon/pager/pointers.h src/daemon/pager/pointers.c \
	src/daemon/pager/stream.h src/daemon/pager/stream.c

# the systemd user unit
EXTRA_DIST += src/daemon/rmmapd.service.in
CLEANFILES += src/daemon/rmmapd.service
if SYSTEMD
systemduserunit_DATA = src/daemon/rmmapd.service
endif
src/daemon/rmmapd.service: $(srcdir)/src/daemon/rmmapd.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) src/daemon && \
	$(SED) -e 's|@libexecdir[@]|$(libexecdir)|g' $(srcdir)/src/daemon/rmmapd.service.in >$@.tmp && \
	mv $@.tmp $@

# the program; in the build tree it is ./rmmapd, where ./run looks for it
libexec_PROGRAMS += rmmapd
rmmapd_SOURCES = src/daemon/arguments.c src/daemon/arguments.h src/daemon/main.c
rmmapd_CFLAGS = $(AM_CFLAGS)
rmmapd_LDADD = libdaemon.la
