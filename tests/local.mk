# tests: make check
# Every test runs under ./run: the build tree's library, daemon and commands, and no
# RMMAP_ variable of the user's but RMMAP_TEST_PROVIDERS, the providers to try ("tcp net", in
# place of those that are known to be on every host), and RMMAP_TEST_ADDRESS, where. Shell tests begin with
# . "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
TEST_EXTENSIONS = .sh
LOG_COMPILER = $(top_builddir)/run
SH_LOG_COMPILER = $(top_builddir)/run $(SHELL)
check_SCRIPTS = run
AM_TESTS_ENVIRONMENT = \
	for v in $$(env | $(SED) -n '/^RMMAP_TEST_/d; s/^\(RMMAP_[A-Z_]*\)=.*/\1/p'); do unset $$v; done; \
	CC='$(CC)'; CXX='$(CXX)'; NM='$(NM)'; export CC CXX NM; \
	PRELOAD_HEAPS='$(PRELOAD_HEAPS)'; export PRELOAD_HEAPS;

TESTS += \
	tests/build/functions.sh \
	tests/build/layering.sh
EXTRA_DIST += \
	tests/functions.sh \
	tests/build/functions.sh \
	tests/build/layering.sh

# ---- the commands, the examples, what make install puts in place; rmmap.h as C99 and C++ ----
TESTS += tests/cli/cli.sh tests/cli/rundir.sh tests/cli/check.sh tests/cli/plan.sh tests/cli/save.sh tests/examples/examples.sh tests/examples/wordcount.sh tests/examples/books.sh tests/build/install.sh
EXTRA_DIST += tests/cli/cli.sh tests/cli/rundir.sh tests/cli/check.sh tests/cli/plan.sh tests/cli/save.sh tests/examples/examples.sh tests/examples/wordcount.sh tests/examples/books.sh \
	tests/examples/functions.sh tests/build/install.sh
check_PROGRAMS += tests/header_c99 tests/header_cxx
TESTS += tests/header_c99 tests/header_cxx
tests_header_c99_SOURCES = tests/build/header.c
tests_header_c99_CPPFLAGS = -I$(top_srcdir)/include
tests_header_c99_CFLAGS = -std=c99 -pedantic-errors -Wall -Wextra -Werror $(SANITIZE_CFLAGS)
tests_header_c99_LDADD = librmmap.la
tests_header_cxx_SOURCES = tests/build/header.cc
tests_header_cxx_CPPFLAGS = -I$(top_srcdir)/include
tests_header_cxx_CXXFLAGS = -std=c++11 -pedantic-errors -Wall -Wextra -Werror $(SANITIZE_CFLAGS)
tests_header_cxx_LDADD = librmmap.la

# ---- unit tests: one program per module of src/common, libc's own malloc ----
if HAVE_CHECK
unit_tests = \
	tests/unit/common/test_cgroup \
	tests/unit/common/test_channel \
	tests/unit/common/test_handle \
	tests/unit/common/test_options \
	tests/unit/common/test_rundir \
	tests/unit/common/test_say \
	tests/unit/common/test_scan \
	tests/unit/common/test_segment \
	tests/unit/common/test_wire \
	tests/unit/cli/test_workflow
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
unit_cflags = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_ldadd = libcommon.la $(CHECK_LIBS)
tests_unit_common_test_cgroup_SOURCES = tests/unit/common/test_cgroup.c tests/unit/unit.h
tests_unit_common_test_cgroup_CFLAGS = $(unit_cflags)
tests_unit_common_test_cgroup_LDADD = $(unit_ldadd)
tests_unit_common_test_channel_SOURCES = tests/unit/common/test_channel.c tests/unit/unit.h
tests_unit_common_test_channel_CFLAGS = $(unit_cflags)
tests_unit_common_test_channel_LDADD = $(unit_ldadd)
tests_unit_common_test_handle_SOURCES = tests/unit/common/test_handle.c tests/unit/unit.h
tests_unit_common_test_handle_CFLAGS = $(unit_cflags)
tests_unit_common_test_handle_LDADD = $(unit_ldadd)
tests_unit_common_test_options_SOURCES = tests/unit/common/test_options.c tests/unit/unit.h
tests_unit_common_test_options_CFLAGS = $(unit_cflags)
tests_unit_common_test_options_LDADD = $(unit_ldadd)
tests_unit_common_test_rundir_SOURCES = tests/unit/common/test_rundir.c tests/unit/unit.h
tests_unit_common_test_rundir_CFLAGS = $(unit_cflags)
tests_unit_common_test_rundir_LDADD = $(unit_ldadd)
tests_unit_common_test_say_SOURCES = tests/unit/common/test_say.c tests/unit/unit.h
tests_unit_common_test_say_CFLAGS = $(unit_cflags) -Wno-format -Wno-format-security
tests_unit_common_test_say_LDADD = $(unit_ldadd)
tests_unit_common_test_scan_SOURCES = tests/unit/common/test_scan.c tests/unit/unit.h
tests_unit_common_test_scan_CFLAGS = $(unit_cflags)
tests_unit_common_test_scan_LDADD = $(unit_ldadd)
tests_unit_common_test_segment_SOURCES = tests/unit/common/test_segment.c tests/unit/unit.h
tests_unit_common_test_segment_CFLAGS = $(unit_cflags)
tests_unit_common_test_segment_LDADD = $(unit_ldadd)
tests_unit_common_test_wire_SOURCES = tests/unit/common/test_wire.c tests/unit/unit.h
tests_unit_common_test_wire_CFLAGS = $(unit_cflags)
tests_unit_common_test_wire_LDADD = $(unit_ldadd)
tests_unit_cli_test_workflow_SOURCES = tests/unit/cli/test_workflow.c src/cli/workflow.c
tests_unit_cli_test_workflow_CFLAGS = $(unit_cflags)
tests_unit_cli_test_workflow_LDADD = $(unit_ldadd)
endif

# on a Slurm cluster of network namespaces; as root
TESTS += tests/workflows/slurm.sh
EXTRA_DIST += tests/workflows/slurm.sh

EXTRA_DIST += tests/README
# what the manual and README say, held against header, option table and programs
TESTS += tests/docs/man.sh tests/docs/readme.sh
EXTRA_DIST += tests/docs/man.sh tests/docs/readme.sh

# two endpoints in two processes, over loopback
check_PROGRAMS += tests/unit/fabric/test_fabric
TESTS += tests/unit/fabric/test_fabric
tests_unit_fabric_test_fabric_SOURCES = tests/unit/fabric/test_fabric.c
tests_unit_fabric_test_fabric_CFLAGS = $(AM_CFLAGS) $(FABRIC_CFLAGS)
tests_unit_fabric_test_fabric_LDADD = libdaemon.la
check_PROGRAMS += tests/unit/peer/test_peer
TESTS += tests/unit/peer/test_peer
tests_unit_peer_test_peer_SOURCES = tests/unit/peer/test_peer.c tests/unit/peer/peer_try_admit.c tests/unit/peer/peer_try_bounds.c tests/unit/peer/peer_try_keys.c \
	tests/unit/peer/peer_hosts.c tests/unit/peer/peer_client.c tests/unit/peer/peer_hosts.h
tests_unit_peer_test_peer_CFLAGS = $(AM_CFLAGS) $(FABRIC_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_peer_test_peer_LDADD = libdaemon.la

# another host's publication, without a network
EXTRA_DIST += tests/unit/remote/fake_host.h
if HAVE_CHECK
check_PROGRAMS += tests/unit/peer/test_fanout
TESTS += tests/unit/peer/test_fanout
tests_unit_peer_test_fanout_SOURCES = tests/unit/peer/test_fanout.c tests/unit/unit.h
tests_unit_peer_test_fanout_CFLAGS = $(unit_cflags) $(FABRIC_CFLAGS)
tests_unit_peer_test_fanout_LDADD = libdaemon.la $(CHECK_LIBS)
remote_steps = tests/unit/remote/remote_steps.c tests/unit/remote/remote_steps.h tests/unit/unit.h \
	tests/unit/remote/fake_host.c
check_PROGRAMS += tests/unit/remote/test_remote tests/unit/remote/test_remote_readers
TESTS += tests/unit/remote/test_remote tests/unit/remote/test_remote_readers
tests_unit_remote_test_remote_SOURCES = tests/unit/remote/test_remote.c $(remote_steps)
tests_unit_remote_test_remote_CFLAGS = $(unit_cflags) $(FABRIC_CFLAGS)
tests_unit_remote_test_remote_LDADD = libdaemon.la $(CHECK_LIBS)
tests_unit_remote_test_remote_readers_SOURCES = tests/unit/remote/test_remote_readers.c $(remote_steps)
tests_unit_remote_test_remote_readers_CFLAGS = $(unit_cflags) $(FABRIC_CFLAGS)
tests_unit_remote_test_remote_readers_LDADD = libdaemon.la $(CHECK_LIBS)

# what providers ask of memory, with a provider that asks for anything
check_PROGRAMS += tests/unit/fabric/test_modes
TESTS += tests/unit/fabric/test_modes
tests_unit_fabric_test_modes_SOURCES = tests/unit/fabric/test_modes.c tests/unit/unit.h
tests_unit_fabric_test_modes_CFLAGS = $(unit_cflags) $(FABRIC_CFLAGS)
tests_unit_fabric_test_modes_LDADD = libdaemon.la $(CHECK_LIBS)
endif

# ---- rmmapd's modules, apart from the process ----
if HAVE_CHECK
daemon_tests = \
	tests/unit/pager/test_budget \
	tests/unit/fabric/test_callers \
	tests/unit/pager/test_pointers \
	tests/unit/fabric/test_poll_time \
	tests/unit/pager/test_stream \
	tests/unit/base/test_loop \
	tests/unit/peer/test_nets \
	tests/unit/keeper/test_records \
	tests/unit/store/test_store
check_PROGRAMS += $(daemon_tests)
TESTS += $(daemon_tests)
daemon_test_cflags = $(AM_CFLAGS) $(CHECK_CFLAGS) $(FABRIC_CFLAGS)
daemon_test_ldadd = libdaemon.la $(CHECK_LIBS)
tests_unit_pager_test_budget_SOURCES = tests/unit/pager/test_budget.c tests/unit/unit.h
tests_unit_pager_test_budget_CFLAGS = $(daemon_test_cflags)
tests_unit_pager_test_budget_LDADD = $(daemon_test_ldadd)
tests_unit_fabric_test_callers_SOURCES = tests/unit/fabric/test_callers.c tests/unit/unit.h
tests_unit_fabric_test_callers_CFLAGS = $(daemon_test_cflags) $(SODIUM_CFLAGS)
tests_unit_fabric_test_callers_LDADD = $(daemon_test_ldadd)
tests_unit_pager_test_pointers_SOURCES = tests/unit/pager/test_pointers.c tests/unit/unit.h
tests_unit_pager_test_pointers_CFLAGS = $(daemon_test_cflags)
tests_unit_pager_test_pointers_LDADD = $(daemon_test_ldadd)
tests_unit_fabric_test_poll_time_SOURCES = tests/unit/fabric/test_poll_time.c tests/unit/unit.h
tests_unit_fabric_test_poll_time_CFLAGS = $(daemon_test_cflags)
tests_unit_fabric_test_poll_time_LDADD = $(daemon_test_ldadd)
tests_unit_pager_test_stream_SOURCES = tests/unit/pager/test_stream.c tests/unit/unit.h
tests_unit_pager_test_stream_CFLAGS = $(daemon_test_cflags)
tests_unit_pager_test_stream_LDADD = $(daemon_test_ldadd)
tests_unit_base_test_loop_SOURCES = tests/unit/base/test_loop.c tests/unit/unit.h
tests_unit_base_test_loop_CFLAGS = $(daemon_test_cflags)
tests_unit_base_test_loop_LDADD = $(daemon_test_ldadd)
tests_unit_peer_test_nets_SOURCES = tests/unit/peer/test_nets.c tests/unit/unit.h
tests_unit_peer_test_nets_CFLAGS = $(daemon_test_cflags)
tests_unit_peer_test_nets_LDADD = $(daemon_test_ldadd)
tests_unit_keeper_test_records_SOURCES = tests/unit/keeper/test_records.c tests/unit/unit.h
tests_unit_keeper_test_records_CFLAGS = $(daemon_test_cflags)
tests_unit_keeper_test_records_LDADD = $(daemon_test_ldadd)
tests_unit_store_test_store_SOURCES = tests/unit/store/test_store.c tests/unit/unit.h
tests_unit_store_test_store_CFLAGS = $(daemon_test_cflags)
tests_unit_store_test_store_LDADD = $(daemon_test_ldadd)
endif

check_PROGRAMS += tests/unit/pager/test_pager
TESTS += tests/unit/pager/test_pager
tests_unit_pager_test_pager_SOURCES = tests/unit/pager/test_pager.c tests/unit/pager/pager_ahead.c tests/unit/pager/pager_lost.c \
	tests/unit/pager/pager_generations.c \
	tests/unit/pager/pager_consumer.c tests/unit/pager/pager_consumer.h tests/unit/remote/fake_host.c
tests_unit_pager_test_pager_CFLAGS = $(AM_CFLAGS) $(FABRIC_CFLAGS)
tests_unit_pager_test_pager_LDADD = libdaemon.la -lpthread

# ---- rmmapd as a process; the tests speak its socket's language themselves ----
if HAVE_CHECK
rmmapd_tests = \
	tests/daemon/test_clients \
	tests/daemon/test_layers \
	tests/daemon/test_life \
	tests/daemon/test_upstream \
	tests/daemon/test_worker
check_PROGRAMS += $(rmmapd_tests)
TESTS += $(rmmapd_tests)
daemon_host = tests/daemon/host.c tests/daemon/host.h tests/unit/unit.h
tests_daemon_test_clients_SOURCES = tests/daemon/test_clients.c $(daemon_host)
tests_daemon_test_clients_CFLAGS = $(unit_cflags)
tests_daemon_test_clients_LDADD = $(unit_ldadd)
tests_daemon_test_layers_SOURCES = tests/daemon/test_layers.c $(daemon_host)
tests_daemon_test_layers_CFLAGS = $(unit_cflags)
tests_daemon_test_layers_LDADD = $(unit_ldadd)
tests_daemon_test_life_SOURCES = tests/daemon/test_life.c $(daemon_host)
tests_daemon_test_life_CFLAGS = $(unit_cflags)
tests_daemon_test_life_LDADD = $(unit_ldadd)
tests_daemon_test_upstream_SOURCES = tests/daemon/test_upstream.c $(daemon_host)
tests_daemon_test_upstream_CFLAGS = $(unit_cflags)
tests_daemon_test_upstream_LDADD = $(unit_ldadd)
tests_daemon_test_worker_SOURCES = tests/daemon/test_worker.c $(daemon_host)
tests_daemon_test_worker_CFLAGS = $(unit_cflags)
tests_daemon_test_worker_LDADD = $(unit_ldadd)
endif

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
	tests/handoff/writers \
	tests/handoff/stress \
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
tests_handoff_writers_SOURCES = tests/handoff/writers.c
tests_handoff_writers_LDADD = $(handoff_ldadd) -lpthread
tests_handoff_protected_SOURCES = tests/handoff/protected.c
tests_handoff_protected_LDADD = $(handoff_ldadd)
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
if HAVE_CHECK
check_PROGRAMS += tests/unit/attach/test_plan tests/unit/attach/test_coalesce
TESTS += tests/unit/attach/test_plan tests/unit/attach/test_coalesce
tests_unit_attach_test_plan_SOURCES = tests/unit/attach/test_plan.c tests/unit/unit.h \
	src/lib/attach/plan.c src/lib/base/array.c
tests_unit_attach_test_plan_CFLAGS = $(unit_cflags)
tests_unit_attach_test_plan_LDADD = $(unit_ldadd)
tests_unit_attach_test_coalesce_SOURCES = tests/unit/attach/test_coalesce.c tests/unit/unit.h \
	src/lib/attach/coalesce.c src/lib/attach/contents.c src/lib/attach/plan.c src/lib/base/array.c
tests_unit_attach_test_coalesce_CFLAGS = $(unit_cflags)
tests_unit_attach_test_coalesce_LDADD = $(unit_ldadd)
check_PROGRAMS += tests/unit/publish/test_overlay
TESTS += tests/unit/publish/test_overlay
tests_unit_publish_test_overlay_SOURCES = tests/unit/publish/test_overlay.c tests/unit/unit.h \
	src/lib/publish/overlay.c src/lib/publish/compact.c src/lib/base/array.c
tests_unit_publish_test_overlay_CFLAGS = $(unit_cflags)
tests_unit_publish_test_overlay_LDADD = $(unit_ldadd)
endif

# ---- the allocator: its symbols; programs whose malloc it is, preloaded and linked ----
preload_programs = \
	tests/preload/calls \
	tests/preload/contract \
	tests/preload/contract_linked \
	tests/preload/fork_handler \
	tests/preload/fork_stdio \
	tests/preload/fork_stdio_linked \
	tests/preload/fork_steps \
	tests/preload/forks \
	tests/preload/ifunc \
	tests/preload/private \
	tests/preload/rss \
	tests/preload/same_slot \
	tests/preload/thread_cost \
	tests/preload/threads \
	tests/preload/where \
	tests/preload/where_pie \
	tests/preload/where_no_pie
check_PROGRAMS += $(preload_programs)
check_LTLIBRARIES += tests/preload/libctor.la
TESTS += tests/build/symbols.sh tests/build/probes.sh tests/build/rename_jemalloc.sh tests/preload/programs.sh \
	tests/preload/rss.sh
EXTRA_DIST += tests/build/symbols.sh tests/build/probes.sh tests/build/rename_jemalloc.sh tests/preload/programs.sh \
	tests/preload/rss.sh
# What programs do that never heard of the library: sanitizers, hard corners
TESTS += tests/preload/calls.sh tests/preload/thread_cost.sh tests/preload/sanitizers.sh tests/preload/corners.sh tests/preload/corners_root.sh
EXTRA_DIST += tests/preload/calls.sh tests/preload/thread_cost.sh tests/preload/sanitizers.sh tests/preload/beside.c tests/preload/corners.sh \
	tests/preload/corners_root.sh
check_PROGRAMS += tests/preload/corners
check_LTLIBRARIES += tests/preload/libplug.la
tests_preload_libplug_la_SOURCES = tests/preload/plug.c
tests_preload_libplug_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -rpath /nowhere
tests_preload_corners_SOURCES = tests/preload/corners.c tests/preload/corners.h \
	tests/preload/corners_limits.c tests/preload/corners_process.c \
	tests/preload/corners_rights.c tests/preload/preload.h
tests_preload_corners_LDADD = librmmap.la -lpthread
# Real programs, with and without the library: one test for a family of them. Each heap:
#     make check TESTS="tests/preload/git.sh" PRELOAD_HEAPS="anon shared"
program_tests = \
	tests/preload/bash.sh \
	tests/preload/clang.sh \
	tests/preload/coreutils.sh \
	tests/preload/curl.sh \
	tests/preload/dash.sh \
	tests/preload/ffmpeg.sh \
	tests/preload/gcc.sh \
	tests/preload/git.sh \
	tests/preload/imagemagick.sh \
	tests/preload/make.sh \
	tests/preload/nginx.sh \
	tests/preload/node.sh \
	tests/preload/openssl.sh \
	tests/preload/others.sh \
	tests/preload/perl.sh \
	tests/preload/postgresql.sh \
	tests/preload/python.sh \
	tests/preload/redis.sh \
	tests/preload/sqlite.sh \
	tests/preload/tar.sh
TESTS += $(program_tests)
EXTRA_DIST += tests/preload/same.sh $(program_tests)
tests_preload_libctor_la_SOURCES = tests/preload/ctor.c tests/preload/ctor.h
tests_preload_libctor_la_LDFLAGS = $(AM_LDFLAGS) -avoid-version -rpath /nowhere
tests_preload_contract_SOURCES = tests/preload/contract.c tests/preload/preload.h
tests_preload_contract_linked_SOURCES = tests/preload/contract.c
tests_preload_contract_linked_LDADD = librmmap.la
tests_preload_calls_SOURCES = tests/preload/calls.c tests/preload/preload.h
tests_preload_calls_LDADD = -lpthread
tests_preload_fork_handler_SOURCES = tests/preload/fork_handler.c
tests_preload_fork_handler_LDADD = librmmap.la
tests_preload_fork_steps_SOURCES = tests/preload/fork_steps.c
tests_preload_fork_steps_LDADD = librmmap.la
tests_preload_fork_stdio_SOURCES = tests/preload/fork_stdio.c
tests_preload_fork_stdio_LDADD = -lpthread
tests_preload_fork_stdio_linked_SOURCES = tests/preload/fork_stdio.c
tests_preload_fork_stdio_linked_LDADD = librmmap.la -lpthread
tests_preload_forks_SOURCES = tests/preload/forks.c
tests_preload_forks_LDADD = librmmap.la -lpthread
tests_preload_ifunc_SOURCES = tests/preload/ifunc.c
tests_preload_private_SOURCES = tests/preload/private.c
tests_preload_private_LDADD = -lpthread
tests_preload_rss_SOURCES = tests/preload/rss.c
tests_preload_same_slot_SOURCES = tests/preload/same_slot.c
tests_preload_same_slot_LDADD = librmmap.la
tests_preload_thread_cost_SOURCES = tests/preload/thread_cost.c tests/preload/preload.h
tests_preload_thread_cost_LDADD = -lpthread
tests_preload_threads_SOURCES = tests/preload/threads.c
tests_preload_threads_LDADD = tests/preload/libctor.la -lpthread
tests_preload_where_SOURCES = tests/preload/where.c
tests_preload_where_pie_SOURCES = tests/preload/where.c
tests_preload_where_pie_CPPFLAGS = $(AM_CPPFLAGS) -DIMPORT
tests_preload_where_pie_CFLAGS = $(AM_CFLAGS) -fPIE
tests_preload_where_pie_LDFLAGS = $(AM_LDFLAGS) -pie
tests_preload_where_pie_LDADD = librmmap.la
tests_preload_where_no_pie_SOURCES = tests/preload/where.c
tests_preload_where_no_pie_CPPFLAGS = $(AM_CPPFLAGS) -DIMPORT
tests_preload_where_no_pie_CFLAGS = $(AM_CFLAGS) -fno-pie
tests_preload_where_no_pie_LDFLAGS = $(AM_LDFLAGS) -no-pie
tests_preload_where_no_pie_LDADD = librmmap.la
# jemalloc needs the library as the library needs jemalloc
core_ldflags = $(AM_LDFLAGS) -Wl,-u,rm_jemalloc_mmap -Wl,-u,rm_jemalloc_hard
if HAVE_CHECK
core_tests = \
	tests/unit/heap/test_backing \
	tests/unit/heap/test_hooks \
	tests/unit/heap/test_own
check_PROGRAMS += $(core_tests)
TESTS += $(core_tests)
core_ldadd = librmmap-core.la $(rmjemalloc) $(CHECK_LIBS)
tests_unit_heap_test_backing_SOURCES = tests/unit/heap/test_backing.c tests/unit/unit.h
tests_unit_heap_test_backing_CFLAGS = $(unit_cflags)
tests_unit_heap_test_backing_LDFLAGS = $(core_ldflags)
tests_unit_heap_test_backing_LDADD = $(core_ldadd)
tests_unit_heap_test_hooks_SOURCES = tests/unit/heap/test_hooks.c tests/unit/unit.h
tests_unit_heap_test_hooks_CFLAGS = $(unit_cflags)
tests_unit_heap_test_hooks_LDFLAGS = $(core_ldflags) -Wl,--wrap=rm_now_ns
tests_unit_heap_test_hooks_LDADD = $(core_ldadd)
tests_unit_heap_test_own_SOURCES = tests/unit/heap/test_own.c tests/unit/unit.h
tests_unit_heap_test_own_CFLAGS = $(unit_cflags)
tests_unit_heap_test_own_LDFLAGS = $(core_ldflags)
tests_unit_heap_test_own_LDADD = $(core_ldadd)
endif

# ---- src/lib under ThreadSanitizer: --enable-tsan, with a window that it allows ----
# The malloc family gets names of its own, and test objects stand in for beside.c and a few
# system calls; all else is what librmmap.so is made of.
EXTRA_DIST += tests/tsan/races.sh
if TSAN
check_PROGRAMS += tests/tsan/races
TESTS += tests/tsan/races.sh
check_LIBRARIES = tests/tsan/libentries.a
tests_tsan_libentries_a_SOURCES = src/lib/malloc.c
tests_tsan_libentries_a_CFLAGS = $(AM_CFLAGS) -fno-builtin
tsan_entries = tests/tsan/entries.a
CLEANFILES += $(tsan_entries) tests/tsan/names
$(tsan_entries): tests/tsan/libentries.a
	$(AM_V_GEN)$(NM) -g --defined-only tests/tsan/libentries.a | \
	  $(AWK) '$$2 == "T" && $$3 != "free_mixed" { print $$3, "heap_" $$3 }' >tests/tsan/names && \
	$(OBJCOPY) --redefine-syms=tests/tsan/names tests/tsan/libentries.a $@
tests_tsan_races_SOURCES = tests/tsan/races.c tests/tsan/beside.c tests/tsan/system.c \
	tests/tsan/heap.h tests/handoff/handoff.h
# A program that may lie at any address might lie where jemalloc's own memory is to be.
tests_tsan_races_LDFLAGS = $(core_ldflags) -no-pie -Wl,--wrap=mmap -Wl,--wrap=pwrite \
	-Wl,--wrap=pwritev -Wl,--wrap=clone
tests_tsan_races_LDADD = $(tsan_entries) libhandoff.la librmmap-core.la $(rmjemalloc) -lpthread
endif

# ---- the paper's workflows in three ways ----
workflow_tests = tests/workflows/wordcount.sh tests/workflows/finra.sh \
	tests/workflows/learning.sh tests/workflows/ending.sh
TESTS += $(workflow_tests)
EXTRA_DIST += $(workflow_tests) tests/workflows/functions.sh
# ---- rmmap function: events by HTTP ----
check_PROGRAMS += tests/header_function_c99 tests/header_function_cxx
TESTS += tests/header_function_c99 tests/header_function_cxx tests/function/requests.sh \
	tests/function/clients.sh tests/function/end.sh tests/function/sdk.sh \
	tests/function/wordcount.sh
EXTRA_DIST += tests/function/functions.sh tests/function/requests.sh tests/function/clients.sh \
	tests/function/clients.py tests/function/end.sh tests/function/sdk.sh tests/function/sdk.mjs \
	tests/function/wordcount.sh
tests_header_function_c99_SOURCES = tests/function/header.c
tests_header_function_c99_CPPFLAGS = -I$(top_srcdir)/include
tests_header_function_c99_CFLAGS = -std=c99 -pedantic-errors -Wall -Wextra -Werror $(SANITIZE_CFLAGS)
tests_header_function_cxx_SOURCES = tests/function/header.cc
tests_header_function_cxx_CPPFLAGS = -I$(top_srcdir)/include
tests_header_function_cxx_CXXFLAGS = -std=c++11 -pedantic-errors -Wall -Wextra -Werror $(SANITIZE_CFLAGS)
check_LTLIBRARIES += tests/libfunction_handler.la
tests_libfunction_handler_la_SOURCES = tests/function/handler.c
tests_libfunction_handler_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -rpath /nowhere
if FUNCTION
if HAVE_CHECK
check_PROGRAMS += tests/unit/function/test_text tests/unit/function/test_work
TESTS += tests/unit/function/test_text tests/unit/function/test_work
tests_unit_function_test_text_SOURCES = tests/unit/function/test_text.c tests/unit/unit.h
tests_unit_function_test_text_CFLAGS = $(unit_cflags)
tests_unit_function_test_text_LDADD = libevent.a $(CHECK_LIBS)
tests_unit_function_test_work_SOURCES = tests/unit/function/test_work.c tests/unit/unit.h src/function/work.c
tests_unit_function_test_work_CFLAGS = $(unit_cflags)
tests_unit_function_test_work_LDADD = libevent.a libcommon.la $(CHECK_LIBS) -lpthread
endif
endif
TESTS += tests/function/knative.sh
EXTRA_DIST += tests/function/knative.sh
