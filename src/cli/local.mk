# the command line
bin_PROGRAMS += rmmap
EXTRA_DIST += src/cli/README
rmmap_SOURCES = \
	src/cli/ask.c \
	src/cli/ask_publish.c \
	src/cli/check.c \
	src/cli/cli.h \
	src/cli/commands.c \
	src/cli/commands.h \
	src/cli/fact.c \
	src/cli/fact.h \
	src/cli/function.c \
	src/cli/hello.c \
	src/cli/info.c \
	src/cli/json.c \
	src/cli/list.c \
	src/cli/load.c \
	src/cli/main.c \
	src/cli/move.c \
	src/cli/newfile.c \
	src/cli/newfile.h \
	src/cli/operand.c \
	src/cli/plan.c \
	src/cli/rdma.c \
	src/cli/run.c \
	src/cli/save.c \
	src/cli/say.c \
	src/cli/snapshot.c \
	src/cli/snapshot.h \
	src/cli/system.c \
	src/cli/workflow.c \
	src/cli/workflow.h
rmmap_CPPFLAGS = $(AM_CPPFLAGS) $(IBVERBS_CFLAGS) -DRM_LIBEXECDIR='"$(libexecdir)"'
if FUNCTION
rmmap_CPPFLAGS += -DRM_FUNCTION
endif
rmmap_LDADD = librmmap.la libcommon.la $(IBVERBS_LIBS)
