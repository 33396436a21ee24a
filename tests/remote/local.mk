# ---- between two hosts: shell tests over four small programs ----
remote_tests = \
	tests/remote/structures.sh \
	tests/remote/places.sh \
	tests/remote/refusals.sh \
	tests/remote/small.sh \
	tests/remote/limits.sh \
	tests/remote/cgroup.sh \
	tests/remote/killed_twice.sh \
	tests/remote/admit.sh \
	tests/remote/move.sh \
	tests/remote/move_namespaces.sh \
	tests/remote/revoke.sh \
	tests/remote/providers.sh \
	tests/remote/unreachable.sh \
	tests/remote/namespaces.sh \
	tests/remote/ordinary_user.sh \
	tests/remote/deaths.sh \
	tests/remote/consumers.sh \
	tests/remote/lifeline.sh \
	tests/remote/touches.sh \
	tests/remote/prefetch.sh \
	tests/remote/huge.sh \
	tests/remote/leaving.sh \
	tests/remote/closed.sh \
	tests/remote/fan_in.sh \
	tests/remote/fanout.sh \
	tests/remote/idle.sh
TESTS += $(remote_tests)
EXTRA_DIST += $(remote_tests) tests/remote/functions.sh
check_PROGRAMS += \
	tests/remote/structure tests/remote/field tests/remote/touch tests/remote/forge \
	tests/remote/chase tests/remote/moment tests/remote/huge
remote_helper = tests/remote/remote.c tests/remote/remote.h
tests_remote_structure_SOURCES = tests/remote/structure.c $(remote_helper)
tests_remote_structure_LDADD = libhandoff.la librmmap.la
tests_remote_field_SOURCES = tests/remote/field.c $(remote_helper)
tests_remote_field_LDADD = libhandoff.la librmmap.la
tests_remote_touch_SOURCES = tests/remote/touch.c $(remote_helper)
tests_remote_touch_LDADD = libhandoff.la librmmap.la
tests_remote_chase_SOURCES = tests/remote/chase.c $(remote_helper)
tests_remote_chase_LDADD = libhandoff.la librmmap.la
tests_remote_huge_SOURCES = tests/remote/huge.c $(remote_helper)
tests_remote_huge_LDADD = libhandoff.la librmmap.la
tests_remote_moment_SOURCES = tests/remote/moment.c $(remote_helper)
tests_remote_moment_LDADD = libhandoff.la librmmap.la
tests_remote_forge_SOURCES = tests/remote/forge.c
tests_remote_forge_LDADD = libcommon.la
