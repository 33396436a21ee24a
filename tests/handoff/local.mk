# ---- publish and attach on one host: a program per behaviour, with rmmapd ----
handoff_tests = \
	tests/handoff/structures_local \
	tests/handoff/structures_remote \
	tests/handoff/mappings \
	tests/handoff/publish_errors \
	tests/handoff/attach_errors \
	tests/handoff/attach_counts \
	tests/handoff/workers \
	tests/handoff/start \
	tests/handoff/unstarted \
	tests/handoff/reaper \
	tests/handoff/rebound \
	tests/handoff/defaults \
	tests/handoff/lives \
	tests/handoff/private \
	tests/handoff/rounds \
	tests/handoff/small_stack \
	tests/handoff/connection \
	tests/handoff/rundir \
	tests/handoff/scattered \
	tests/handoff/shown \
	tests/handoff/crashes \
	tests/handoff/dag \
	tests/handoff/dag_back \
	tests/handoff/check_words \
	tests/handoff/republish \
	tests/handoff/republish_chain \
	tests/handoff/republish_large \
	tests/handoff/protected \
	tests/handoff/marked \
	tests/handoff/writers \
	tests/handoff/stress \
	tests/handoff/mixture \
	tests/handoff/interrupted \
	tests/handoff/inherited \
	tests/handoff/huge \
	tests/handoff/retaken \
	tests/handoff/zeroed \
	tests/handoff/given_back \
	tests/handoff/pinning \
	tests/handoff/pinning_ibv \
	tests/handoff/pinning_uring \
	tests/handoff/pinning_fi \
	tests/handoff/zeros
check_PROGRAMS += $(handoff_tests)
TESTS += $(handoff_tests)
check_LTLIBRARIES += libhandoff.la
libhandoff_la_SOURCES = \
	tests/handoff/handoff.c tests/handoff/handoff.h tests/handoff/structures.c \
	tests/handoff/versions.c tests/handoff/versions.h
libhandoff_la_CPPFLAGS = $(AM_CPPFLAGS) -DBUILDDIR='"$(abs_top_builddir)"'
handoff_ldadd = libhandoff.la librmmap.la
tests_handoff_structures_local_SOURCES = tests/handoff/structures_local.c
tests_handoff_structures_local_LDADD = $(handoff_ldadd)
tests_handoff_structures_remote_SOURCES = tests/handoff/structures_remote.c
tests_handoff_structures_remote_LDADD = $(handoff_ldadd)
tests_handoff_mappings_SOURCES = tests/handoff/mappings.c
tests_handoff_mappings_LDADD = $(handoff_ldadd)
tests_handoff_publish_errors_SOURCES = tests/handoff/publish_errors.c
tests_handoff_publish_errors_LDADD = $(handoff_ldadd)
tests_handoff_attach_errors_SOURCES = tests/handoff/attach_errors.c
tests_handoff_attach_errors_LDADD = $(handoff_ldadd) libcommon.la
tests_handoff_attach_counts_SOURCES = tests/handoff/attach_counts.c
tests_handoff_attach_counts_LDADD = $(handoff_ldadd) -lpthread
tests_handoff_republish_chain_SOURCES = tests/handoff/republish_chain.c
tests_handoff_republish_chain_LDADD = $(handoff_ldadd)
tests_handoff_pinning_SOURCES = tests/handoff/pinning.c
tests_handoff_pinning_LDADD = $(handoff_ldadd)
tests_handoff_pinning_ibv_SOURCES = tests/handoff/pinning.c
tests_handoff_pinning_ibv_CPPFLAGS = $(AM_CPPFLAGS) -DIMPORTED=ibv_reg_mr
tests_handoff_pinning_ibv_LDADD = $(handoff_ldadd)
tests_handoff_pinning_uring_SOURCES = tests/handoff/pinning.c
tests_handoff_pinning_uring_CPPFLAGS = $(AM_CPPFLAGS) -DIMPORTED=io_uring_register_buffers
tests_handoff_pinning_uring_LDADD = $(handoff_ldadd)
tests_handoff_pinning_fi_SOURCES = tests/handoff/pinning.c
tests_handoff_pinning_fi_CPPFLAGS = $(AM_CPPFLAGS) -DIMPORTED=fi_getinfo
tests_handoff_pinning_fi_LDADD = $(handoff_ldadd)
tests_handoff_given_back_SOURCES = tests/handoff/given_back.c
tests_handoff_given_back_LDADD = $(handoff_ldadd)
tests_handoff_republish_large_SOURCES = tests/handoff/republish_large.c
tests_handoff_republish_large_LDADD = $(handoff_ldadd)
tests_handoff_stress_SOURCES = tests/handoff/stress.c
tests_handoff_stress_LDADD = $(handoff_ldadd) -lpthread
tests_handoff_interrupted_SOURCES = tests/handoff/interrupted.c
tests_handoff_interrupted_LDADD = $(handoff_ldadd)
tests_handoff_inherited_SOURCES = tests/handoff/inherited.c
tests_handoff_inherited_LDADD = $(handoff_ldadd)
tests_handoff_huge_SOURCES = tests/handoff/huge.c
tests_handoff_huge_LDADD = $(handoff_ldadd) libcommon.la
tests_handoff_mixture_SOURCES = tests/handoff/mixture.c
tests_handoff_mixture_LDADD = $(handoff_ldadd) -lpthread
tests_handoff_writers_SOURCES = tests/handoff/writers.c
tests_handoff_writers_LDADD = $(handoff_ldadd) -lpthread
tests_handoff_protected_SOURCES = tests/handoff/protected.c
tests_handoff_protected_LDADD = $(handoff_ldadd)
tests_handoff_marked_SOURCES = tests/handoff/marked.c tests/handoff/marks.c \
	tests/handoff/marks.h
tests_handoff_marked_LDADD = $(handoff_ldadd) -lpthread
tests_handoff_republish_SOURCES = tests/handoff/republish.c
tests_handoff_republish_LDADD = $(handoff_ldadd)
tests_handoff_retaken_SOURCES = tests/handoff/retaken.c
tests_handoff_retaken_LDADD = $(handoff_ldadd) -lpthread
tests_handoff_zeroed_SOURCES = tests/handoff/zeroed.c
tests_handoff_zeroed_LDADD = $(handoff_ldadd)
tests_handoff_zeros_SOURCES = tests/handoff/zeros.c
tests_handoff_zeros_LDADD = $(handoff_ldadd) -lpthread
tests_handoff_workers_SOURCES = tests/handoff/workers.c
tests_handoff_workers_LDADD = $(handoff_ldadd)
tests_handoff_start_SOURCES = tests/handoff/start.c
tests_handoff_start_LDADD = $(handoff_ldadd)
tests_handoff_unstarted_SOURCES = tests/handoff/unstarted.c
tests_handoff_unstarted_LDADD = $(handoff_ldadd)
tests_handoff_reaper_SOURCES = tests/handoff/reaper.c
tests_handoff_reaper_LDADD = $(handoff_ldadd)
tests_handoff_rebound_SOURCES = tests/handoff/rebound.c
tests_handoff_rebound_LDADD = $(handoff_ldadd)
tests_handoff_defaults_SOURCES = tests/handoff/defaults.c
tests_handoff_defaults_LDADD = $(handoff_ldadd)
tests_handoff_private_SOURCES = tests/handoff/private.c
tests_handoff_private_LDADD = $(handoff_ldadd)
tests_handoff_crashes_SOURCES = tests/handoff/crashes.c
tests_handoff_crashes_LDADD = $(handoff_ldadd)
tests_handoff_lives_SOURCES = tests/handoff/lives.c
tests_handoff_lives_LDADD = $(handoff_ldadd)
tests_handoff_small_stack_SOURCES = tests/handoff/small_stack.c
tests_handoff_small_stack_LDADD = librmmap.la -lpthread
tests_handoff_rounds_SOURCES = tests/handoff/rounds.c
tests_handoff_rounds_LDADD = $(handoff_ldadd)
tests_handoff_connection_SOURCES = tests/handoff/connection.c
tests_handoff_connection_LDADD = $(handoff_ldadd)
tests_handoff_rundir_SOURCES = tests/handoff/rundir.c
tests_handoff_rundir_LDADD = $(handoff_ldadd)
tests_handoff_scattered_SOURCES = tests/handoff/scattered.c tests/handoff/crafted.c \
	tests/handoff/crafted.h
tests_handoff_scattered_LDADD = $(handoff_ldadd) libcommon.la
tests_handoff_shown_SOURCES = tests/handoff/shown.c tests/handoff/crafted.c tests/handoff/crafted.h
tests_handoff_shown_LDADD = $(handoff_ldadd) libcommon.la
nodes = tests/handoff/nodes.c tests/handoff/nodes.h
tests_handoff_dag_SOURCES = tests/handoff/dag.c $(nodes)
tests_handoff_dag_LDADD = $(handoff_ldadd)
tests_handoff_dag_back_SOURCES = tests/handoff/dag_back.c $(nodes)
tests_handoff_dag_back_LDADD = $(handoff_ldadd)
tests_handoff_check_words_SOURCES = tests/handoff/check_words.c
tests_handoff_check_words_LDADD = $(handoff_ldadd)
