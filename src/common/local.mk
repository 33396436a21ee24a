# pure code that library, daemon and command line share
noinst_LTLIBRARIES += libcommon.la
libcommon_la_SOURCES = \
	src/common/layout.h
