# rmmapd; everything but main.c is a library, so that tests can link it
noinst_LTLIBRARIES += libdaemon.la
EXTRA_DIST += src/daemon/README src/daemon/base/README src/daemon/fabric/README \
	src/daemon/keeper/README src/daemon/local/README src/daemon/pager/README \
	src/daemon/peer/README src/daemon/remote/README src/daemon/store/README \
	src/daemon/worker/README
libdaemon_la_SOURCES = \
	src/daemon/util.h \
	src/daemon/loop.h src/daemon/loop.c
libdaemon_la_CFLAGS = $(AM_CFLAGS) $(FABRIC_CFLAGS) $(IBVERBS_CFLAGS) $(SODIUM_CFLAGS)
libdaemon_la_LIBADD = libcommon.la $(FABRIC_LIBS) $(IBVERBS_LIBS) $(SODIUM_LIBS)

# keeper and worker
libdaemon_la_SOURCES += \
	src/daemon/keep.h src/daemon/keeper.h \
	src/daemon/defaults.h src/daemon/defaults.c src/daemon/take.c \
	src/daemon/start.c src/daemon/records.c src/daemon/keep.c src/daemon/keeper.c \
	src/daemon/worker.h src/daemon/worker_internal.h \
	src/daemon/worker.c src/daemon/worker_fabric.c \
	src/daemon/limit.h src/daemon/limit.c src/daemon/attempts.h src/daemon/attempts.c

# publications
libdaemon_la_SOURCES += \
	src/daemon/store.h src/daemon/store_internal.h \
	src/daemon/store.c src/daemon/store_take.c \
	src/daemon/layers.h src/daemon/layers.c src/daemon/shown.h src/daemon/shown.c

# processes of this host
libdaemon_la_SOURCES += \
	src/daemon/local.h src/daemon/local_internal.h \
	src/daemon/local.c src/daemon/local_listen.c src/daemon/local_held.c src/daemon/connection.c \
	src/daemon/local_publish.c src/daemon/local_upstream.c \
	src/daemon/local_attach.c src/daemon/local_lazy.c src/daemon/local_info.c src/daemon/local_move.c

# libfabric
libdaemon_la_SOURCES += \
	src/daemon/spin.h src/daemon/fabric.h src/daemon/fabric_internal.h src/daemon/fabric.c \
	src/daemon/fabric_address.c src/daemon/fabric_choose.c src/daemon/fabric_message.c \
	src/daemon/fabric_here.c \
	src/daemon/fabric_mr.c src/daemon/fabric_name.c src/daemon/fabric_peer.c \
	src/daemon/fabric_rma.c src/daemon/fabric_callers.h src/daemon/fabric_callers.c \
	src/daemon/rdma.h src/daemon/rdma.c

# control between hosts
libdaemon_la_SOURCES += \
	src/daemon/peer.h src/daemon/peer_internal.h src/daemon/peer_wire.h src/daemon/peer_words.h \
	src/daemon/peer.c src/daemon/peer_admit.c src/daemon/peer_attach.c src/daemon/peer_client.c \
	src/daemon/peer_fetch.c src/daemon/peer_server.c src/daemon/peer_grant.c \
	src/daemon/peer_bounds.c \
	src/daemon/peer_key.c src/daemon/peer_move.c src/daemon/peer_probe.c src/daemon/peer_take.c \
	src/daemon/peer_helpers.c src/daemon/peer_asker.c src/daemon/peer_relay.c \
	src/daemon/peer_wire_pages.c src/daemon/peer_wire_data.c src/daemon/peer_data.c \
	src/daemon/peer_wire.c

# publications of other hosts
libdaemon_la_SOURCES += \
	src/daemon/remote.h src/daemon/remote_internal.h src/daemon/cache.h src/daemon/sweep.h \
	src/daemon/remote.c src/daemon/remote_users.c src/daemon/remote_cache.c \
	src/daemon/remote_regions.c \
	src/daemon/remote_info.c src/daemon/remote_claim.c src/daemon/relay.c src/daemon/cache.c src/daemon/fetch.c \
	src/daemon/sweep.c

# page faults
libdaemon_la_SOURCES += \
	src/daemon/pager.h src/daemon/lazy.h src/daemon/uffd.h \
	src/daemon/pager.c src/daemon/lazy_fetch.c src/daemon/lazy_map.c \
	src/daemon/lazy_ahead.c src/daemon/lazy_ranges.c src/daemon/lazy_filled.c \
	src/daemon/uffd.c src/daemon/reserve.h src/daemon/reserve.c \
	src/daemon/budget.h src/daemon/budget.c src/daemon/pointers.h src/daemon/pointers.c \
	src/daemon/stream.h src/daemon/stream.c

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
rmmapd_SOURCES = src/daemon/main.c
rmmapd_CFLAGS = $(AM_CFLAGS)
rmmapd_LDADD = libdaemon.la
