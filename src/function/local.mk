# rmmap function: a program of its own, so that rmmap needs no HTTP server
EXTRA_DIST += src/function/README
if FUNCTION
libexec_PROGRAMS += rmmap-function
noinst_LIBRARIES += libevent.a
# pure, fuzzed, for the unit tests too
libevent_a_SOURCES = \
	src/function/event.c \
	src/function/event.h \
	src/function/json.c \
	src/function/jsontext.c \
	src/function/pool.c \
	src/function/pool.h \
	src/function/text.c \
	src/function/text.h
libevent_a_CFLAGS = $(AM_CFLAGS) $(CJSON_CFLAGS)
rmmap_function_SOURCES = \
	src/function/answer.c \
	src/function/answer.h \
	src/function/arguments.c \
	src/function/arguments.h \
	src/function/call.c \
	src/function/framing.c \
	src/function/function.h \
	src/function/handler.c \
	src/function/health.c \
	src/function/http.c \
	src/function/listen.c \
	src/function/main.c \
	src/function/response.c \
	src/function/settings.c \
	src/function/wait.c \
	src/function/work.c
rmmap_function_CFLAGS = $(AM_CFLAGS) $(MICROHTTPD_CFLAGS)
rmmap_function_LDADD = libevent.a librmmap.la libcommon.la $(MICROHTTPD_LIBS) $(CJSON_LIBS) \
	-lpthread -ldl
endif
include_HEADERS += include/rmmap-function.h
