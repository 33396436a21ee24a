# code that all programs share
noinst_LTLIBRARIES += libcommon.la
EXTRA_DIST += src/common/README
libcommon_la_SOURCES = \
	src/common/arguments.c \
	src/common/arguments.h \
	src/common/cgroup.c \
	src/common/cgroup.h \
	src/common/cgroup_read.c \
	src/common/channel.c \
	src/common/channel.h \
	src/common/crc32c.c \
	src/common/crc32c.h \
	src/common/fabric_spec.c \
	src/common/fault_times.h \
	src/common/handle.c \
	src/common/handle.h \
	src/common/huge.c \
	src/common/huge.h \
	src/common/layout.c \
	src/common/layout.h \
	src/common/memlock.c \
	src/common/memlock.h \
	src/common/number.c \
	src/common/number.h \
	src/common/options.c \
	src/common/options.h \
	src/common/places.c \
	src/common/places.h \
	src/common/probe.h \
	src/common/rundir.c \
	src/common/rundir.h \
	src/common/rundir_serve.c \
	src/common/say.c \
	src/common/say.h \
	src/common/saved.c \
	src/common/saved.h \
	src/common/scan.c \
	src/common/scan.h \
	src/common/segment.c \
	src/common/segment.h \
	src/common/standard.c \
	src/common/standard.h \
	src/common/terms.c \
	src/common/terms.h \
	src/common/unknown.c \
	src/common/wire.c \
	src/common/wire.h
