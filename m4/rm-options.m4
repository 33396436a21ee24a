dnl SPDX-License-Identifier: BSD-2-Clause
dnl RM_WINDOW: --with-window=BASE[:SLOTS], the addresses that heaps lie in
AC_DEFUN([RM_WINDOW], [
  AC_ARG_WITH([window],
    [AS_HELP_STRING([--with-window=BASE@<:@:SLOTS@:>@],
      [addresses for heaps: a multiple of 0x1000000000, and how many 64 GiB slots
       @<:@0x100000000000:1024@:>@])],
    [], [with_window=0x100000000000:1024])
  rm_window_base=$(AS_ECHO(["$with_window"]) | cut -d: -f1)
  rm_window_slots=$(AS_ECHO(["$with_window:1024"]) | cut -d: -f2)
  AS_IF([test "$(( rm_window_base % 0x1000000000 ))" -eq 0 && test "$(( rm_window_base ))" -gt 0 &&
         test "$rm_window_slots" -ge 1 && test "$rm_window_slots" -le 1024], [],
    [AC_MSG_ERROR([--with-window=$with_window: want BASE:SLOTS, BASE a multiple of 0x1000000000, SLOTS 1 to 1024])])
  AC_SUBST([RM_WINDOW_BASE], [$rm_window_base])
  AC_SUBST([RM_WINDOW_SLOTS], [$rm_window_slots])
  RM_WINDOW_TEXT="$rm_window_base, $rm_window_slots slots of 64 GiB"
  AC_CONFIG_FILES([src/common/config-build.h])
])

dnl RM_SANITIZERS: --enable-asan, --enable-ubsan, --enable-tsan
AC_DEFUN([RM_SANITIZERS], [
  rm_sanitizers=none
  SANITIZE_CFLAGS=
  m4_foreach([san], [[asan, address], [ubsan, undefined], [tsan, thread]], [
    RM_SANITIZER(m4_car(san), m4_cadr(san))])
  AC_SUBST([SANITIZE_CFLAGS])
  AM_CONDITIONAL([SANITIZED], [test "$rm_sanitizers" != none])
  RM_TSAN
])

dnl RM_TSAN: does all lie in the middle range that ThreadSanitizer leaves to programs, the window
dnl and the 16 slots behind it, in one of which jemalloc's own memory is then (jemalloc.c)?
AC_DEFUN([RM_TSAN], [
  rm_tsan=no
  AS_IF([test "$enable_tsan" = yes], [AS_CASE([$host_cpu], [x86_64],
    [AS_IF([test "$(( rm_window_base ))" -ge "$(( 0x550000000000 ))" &&
            test "$(( rm_window_base + (rm_window_slots + 16) * 0x1000000000 ))" -le "$(( 0x568000000000 ))"],
       [rm_tsan=yes],
       [AC_MSG_WARN([ThreadSanitizer allows nothing in this window, so src/lib runs without it: --with-window=0x550000000000:8])])])])
  AM_CONDITIONAL([TSAN], [test "$rm_tsan" = yes])
])
m4_define([m4_cadr], [m4_car(m4_shift($@))])
AC_DEFUN([RM_SANITIZER], [
  AC_ARG_ENABLE([$1], [AS_HELP_STRING([--enable-$1], [build with -fsanitize=$2])])
  AS_IF([test "$enable_$1" = yes], [
    SANITIZE_CFLAGS="$SANITIZE_CFLAGS -fsanitize=$2 -fno-omit-frame-pointer"
    AS_IF([test "$rm_sanitizers" = none], [rm_sanitizers=$2], [rm_sanitizers="$rm_sanitizers $2"])])
])

dnl RM_WARNINGS: what the compiler knows of a list; --enable-werror
AC_DEFUN([RM_WARNINGS], [
  AC_ARG_ENABLE([werror], [AS_HELP_STRING([--enable-werror], [compiler warnings are errors])],
    [], [enable_werror=no])
  WARN_CFLAGS=
  for flag in -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
              -Wundef -Wvla -Wwrite-strings -Wformat=2 -Wno-format-nonliteral -Wcast-align; do
    AS_VAR_PUSHDEF([cache], [rm_cv_cc_flag_$flag])
    AC_CACHE_CHECK([whether $CC takes $flag], [cache], [
      rm_save=$CFLAGS
      CFLAGS="$CFLAGS -Werror $flag"
      AC_COMPILE_IFELSE([AC_LANG_PROGRAM()], [AS_VAR_SET([cache], [yes])], [AS_VAR_SET([cache], [no])])
      CFLAGS=$rm_save])
    AS_VAR_IF([cache], [yes], [WARN_CFLAGS="$WARN_CFLAGS $flag"])
    AS_VAR_POPDEF([cache])
  done
  AS_IF([test "$enable_werror" = yes], [WARN_CFLAGS="$WARN_CFLAGS -Werror"])
  AC_SUBST([WARN_CFLAGS])
])
