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

dnl RM_COMPLETION: --with-bash-completion-dir and so on, and the compiler for this machine, which
dnl makes the program that writes the files
AC_DEFUN([RM_COMPLETION], [
  RM_COMPLETION_DIR([bash], [bash-completion], [bash-completion/completions])
  RM_COMPLETION_DIR([zsh], [], [zsh/site-functions])
  RM_COMPLETION_DIR([fish], [fish], [fish/vendor_completions.d])
  AC_ARG_VAR([CC_FOR_BUILD], [C compiler for the machine that builds @<:@CC, or when cross-compiling gcc or cc@:>@])
  AC_ARG_VAR([CFLAGS_FOR_BUILD], [flags for CC_FOR_BUILD])
  AS_IF([test -n "$CC_FOR_BUILD"], [],
    [test "$cross_compiling" != yes], [CC_FOR_BUILD=$CC],
    [AC_CHECK_PROGS([CC_FOR_BUILD], [$build_alias-gcc gcc cc], [no])
     AS_IF([test "$CC_FOR_BUILD" = no], [AC_MSG_ERROR(
       [a compiler for this machine is needed, to write the completion files: set CC_FOR_BUILD])])])
])
dnl RM_COMPLETION_DIR(SHELL, PACKAGE, DEFAULT): the directory that pkg-config knows, in our
dnl datadir or prefix and never outside of it; else DEFAULT in datadir
AC_DEFUN([RM_COMPLETION_DIR], [
  AC_ARG_WITH([$1-completion-dir],
    [AS_HELP_STRING([--with-$1-completion-dir=DIR], [where completion for $1 goes, or no @<:@DATADIR/$3@:>@])],
    [], [with_$1_completion_dir=yes])
  AS_IF([test "$with_$1_completion_dir" = yes], [
    with_$1_completion_dir='${datadir}/$3'
    m4_ifval([$2], [
    rm_dir=$($PKG_CONFIG --define-variable=prefix=@prefix@ --define-variable=datadir=@datadir@ \
      --variable=completionsdir $2 2>/dev/null | $SED 's|^@\([[a-z]]*\)@|${\1}|')
    AS_CASE([$rm_dir], ['${datadir}/'*|'${prefix}/'*], [with_$1_completion_dir=$rm_dir])])])
  AC_SUBST([$1completiondir], [$with_$1_completion_dir])
  AM_CONDITIONAL(m4_toupper([$1])[_COMPLETION], [test "$with_$1_completion_dir" != no])
])
