# rmmapd; everything but main.c is a library, so that tests can link it
noinst_LTLIBRARIES += libdaemon.la
libdaemon_la_SOURCES = \
	src/daemon/util.h \
	src/daemon/loop.h src/daemon/loop.c \
	src/daemon/fabric.h src/daemon/fabric_internal.h src/daemon/fabric.c \
	src/daemon/fabric_choose.c src/daemon/fabric_message.c src/daemon/fabric_mr.c \
	src/daemon/fabric_rma.c
libdaemon_la_CFLAGS = $(AM_CFLAGS) $(FABRIC_CFLAGS) $(SODIUM_CFLAGS)
libdaemon_la_LIBADD = libcommon.la $(FABRIC_LIBS) $(SODIUM_LIBS)
