dnl SPDX-License-Identifier: BSD-2-Clause
dnl RM_JEMALLOC: find jemalloc's PIC archive, or a source tree to build it from
AC_DEFUN([RM_JEMALLOC], [
  AC_ARG_WITH([jemalloc],
    [AS_HELP_STRING([--with-jemalloc=ARCHIVE|SRCDIR],
      [jemalloc 5.3's position-independent archive, or its source tree @<:@libjemalloc_pic.a of the system@:>@])],
    [], [with_jemalloc=])
  JEMALLOC_ARCHIVE= JEMALLOC_SRCDIR=
  AS_CASE([$with_jemalloc], [yes|no], [AC_MSG_ERROR([--with-jemalloc needs an archive or a directory])])
  AS_IF([test -z "$with_jemalloc"], [
    PKG_CHECK_EXISTS([jemalloc >= 5.3], [],
      [AC_MSG_ERROR([jemalloc 5.3 or newer is needed (Debian: libjemalloc-dev), or --with-jemalloc=ARCHIVE|SRCDIR])])
    jemalloc_libdir=$($PKG_CONFIG --variable=libdir jemalloc)
    JEMALLOC_ARCHIVE=$jemalloc_libdir/libjemalloc_pic.a
    AS_IF([test -r "$JEMALLOC_ARCHIVE"], [],
      [AC_MSG_ERROR([$JEMALLOC_ARCHIVE is not there: this system's jemalloc has no PIC archive; give --with-jemalloc=ARCHIVE|SRCDIR])])
    jemalloc_summary="$($PKG_CONFIG --modversion jemalloc), $JEMALLOC_ARCHIVE"
  ], [test -d "$with_jemalloc"], [
    AS_IF([test -r "$with_jemalloc/include/jemalloc/jemalloc_protos.h.in"], [],
      [AC_MSG_ERROR([$with_jemalloc is not a source tree of jemalloc])])
    JEMALLOC_SRCDIR=$(cd "$with_jemalloc" && pwd)
    jemalloc_summary="source tree $JEMALLOC_SRCDIR"
  ], [
    AS_IF([test -r "$with_jemalloc"], [], [AC_MSG_ERROR([$with_jemalloc cannot be read])])
    JEMALLOC_ARCHIVE=$with_jemalloc
    jemalloc_summary="$JEMALLOC_ARCHIVE"
  ])
  AS_IF([test -n "$JEMALLOC_ARCHIVE"], [
    AC_MSG_CHECKING([for jemalloc 5.3's functions in $JEMALLOC_ARCHIVE])
    AS_IF([$NM "$JEMALLOC_ARCHIVE" 2>/dev/null | grep -q 'malloc_conf_2_conf_harder'],
      [AC_MSG_RESULT([yes])],
      [AC_MSG_RESULT([no])
       AC_MSG_ERROR([$JEMALLOC_ARCHIVE is not jemalloc 5.3 or newer])])])
  AC_SUBST([JEMALLOC_ARCHIVE])
  AC_SUBST([JEMALLOC_SRCDIR])
  AM_CONDITIONAL([JEMALLOC_SOURCE], [test -n "$JEMALLOC_SRCDIR"])
])
