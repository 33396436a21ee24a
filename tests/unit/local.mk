# tests of modules, a folder for each room: libc's own malloc
# ---- unit tests: one program per module of src/common, libc's own malloc ----
if HAVE_CHECK
unit_tests = \
	tests/unit/common/test_cgroup \
	tests/unit/common/test_channel \
	tests/unit/common/test_handle \
	tests/unit/common/test_huge \
	tests/unit/common/test_options \
	tests/unit/common/test_rundir \
	tests/unit/common/test_rundir_serve \
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
tests_unit_common_test_huge_SOURCES = tests/unit/common/test_huge.c tests/unit/unit.h
tests_unit_common_test_huge_CFLAGS = $(unit_cflags)
tests_unit_common_test_huge_LDADD = $(unit_ldadd)
tests_unit_common_test_options_SOURCES = tests/unit/common/test_options.c tests/unit/unit.h
tests_unit_common_test_options_CFLAGS = $(unit_cflags)
tests_unit_common_test_options_LDADD = $(unit_ldadd)
rundir_steps = tests/unit/common/rundir_steps.c tests/unit/common/rundir_steps.h tests/unit/unit.h
tests_unit_common_test_rundir_SOURCES = tests/unit/common/test_rundir.c $(rundir_steps)
tests_unit_common_test_rundir_CFLAGS = $(unit_cflags)
tests_unit_common_test_rundir_LDADD = $(unit_ldadd)
tests_unit_common_test_rundir_serve_SOURCES = tests/unit/common/test_rundir_serve.c $(rundir_steps)
tests_unit_common_test_rundir_serve_CFLAGS = $(unit_cflags)
tests_unit_common_test_rundir_serve_LDADD = $(unit_ldadd)
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

# two endpoints in two processes, over loopback
check_PROGRAMS += tests/unit/fabric/test_fabric
TESTS += tests/unit/fabric/test_fabric
tests_unit_fabric_test_fabric_SOURCES = tests/unit/fabric/test_fabric.c tests/unit/fabric/fabric_try.c \
	tests/unit/fabric/fabric_node.c tests/unit/fabric/fabric_node.h
tests_unit_fabric_test_fabric_CFLAGS = $(AM_CFLAGS) $(FABRIC_CFLAGS)
tests_unit_fabric_test_fabric_LDADD = libdaemon.la
check_PROGRAMS += tests/unit/peer/test_peer
TESTS += tests/unit/peer/test_peer
tests_unit_peer_test_peer_SOURCES = tests/unit/peer/test_peer.c tests/unit/peer/peer_try_admit.c tests/unit/peer/peer_try_bounds.c tests/unit/peer/peer_try_keys.c \
	tests/unit/peer/peer_hosts.c tests/unit/peer/peer_client.c tests/unit/peer/peer_hosts.h
tests_unit_peer_test_peer_CFLAGS = $(AM_CFLAGS) $(FABRIC_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_peer_test_peer_LDADD = libdaemon.la

# another host's publication, without a network
fake_host = tests/unit/remote/fake_host.c tests/unit/remote/fake_fabric.c tests/unit/remote/fake_keeper.c \
	tests/unit/remote/fake_peer.c tests/unit/remote/fake_host.h tests/unit/remote/fake_parts.h
if HAVE_CHECK
check_PROGRAMS += tests/unit/peer/test_fanout
TESTS += tests/unit/peer/test_fanout
tests_unit_peer_test_fanout_SOURCES = tests/unit/peer/test_fanout.c tests/unit/unit.h
tests_unit_peer_test_fanout_CFLAGS = $(unit_cflags) $(FABRIC_CFLAGS)
tests_unit_peer_test_fanout_LDADD = libdaemon.la $(CHECK_LIBS)
remote_steps = tests/unit/remote/remote_steps.c tests/unit/remote/remote_steps.h tests/unit/unit.h \
	$(fake_host)
remote_unit_tests = tests/unit/remote/test_remote tests/unit/remote/test_remote_readers \
	tests/unit/remote/test_remote_huge
check_PROGRAMS += $(remote_unit_tests)
TESTS += $(remote_unit_tests)
tests_unit_remote_test_remote_huge_SOURCES = tests/unit/remote/test_remote_huge.c $(remote_steps)
tests_unit_remote_test_remote_huge_CFLAGS = $(unit_cflags) $(FABRIC_CFLAGS)
tests_unit_remote_test_remote_huge_LDADD = libdaemon.la $(CHECK_LIBS)
tests_unit_remote_test_remote_SOURCES = tests/unit/remote/test_remote.c $(remote_steps)
tests_unit_remote_test_remote_CFLAGS = $(unit_cflags) $(FABRIC_CFLAGS)
tests_unit_remote_test_remote_LDADD = libdaemon.la $(CHECK_LIBS)
tests_unit_remote_test_remote_readers_SOURCES = tests/unit/remote/test_remote_readers.c $(remote_steps)
tests_unit_remote_test_remote_readers_CFLAGS = $(unit_cflags) $(FABRIC_CFLAGS)
tests_unit_remote_test_remote_readers_LDADD = libdaemon.la $(CHECK_LIBS)

# what providers ask of memory, with a provider that asks for anything
fake_provider = tests/unit/fabric/fake_provider.c tests/unit/fabric/fake_provider.h tests/unit/unit.h
check_PROGRAMS += tests/unit/fabric/test_modes tests/unit/fabric/test_peers
TESTS += tests/unit/fabric/test_modes tests/unit/fabric/test_peers
tests_unit_fabric_test_modes_SOURCES = tests/unit/fabric/test_modes.c $(fake_provider)
tests_unit_fabric_test_modes_CFLAGS = $(unit_cflags) $(FABRIC_CFLAGS)
tests_unit_fabric_test_modes_LDADD = libdaemon.la $(CHECK_LIBS)
tests_unit_fabric_test_peers_SOURCES = tests/unit/fabric/test_peers.c $(fake_provider)
tests_unit_fabric_test_peers_CFLAGS = $(unit_cflags) $(FABRIC_CFLAGS)
tests_unit_fabric_test_peers_LDADD = libdaemon.la $(CHECK_LIBS)
endif

# ---- rmmapd's modules, apart from the process ----
if HAVE_CHECK
daemon_tests = \
	tests/unit/pager/test_budget \
	tests/unit/fabric/test_callers \
	tests/unit/pager/test_pointers \
	tests/unit/fabric/test_poll_time \
	tests/unit/fabric/test_providers \
	tests/unit/pager/test_stream \
	tests/unit/base/test_loop \
	tests/unit/peer/test_nets \
	tests/unit/keeper/test_records \
	tests/unit/store/test_store \
	tests/unit/store/test_store_layers \
	tests/unit/store/test_store_restart
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
tests_unit_fabric_test_providers_SOURCES = tests/unit/fabric/test_providers.c tests/unit/unit.h
tests_unit_fabric_test_providers_CFLAGS = $(daemon_test_cflags)
tests_unit_fabric_test_providers_LDADD = $(daemon_test_ldadd)
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
store_steps = tests/unit/store/store_steps.c tests/unit/store/store_steps.h tests/unit/unit.h
tests_unit_store_test_store_SOURCES = tests/unit/store/test_store.c $(store_steps)
tests_unit_store_test_store_CFLAGS = $(daemon_test_cflags)
tests_unit_store_test_store_LDADD = $(daemon_test_ldadd)
tests_unit_store_test_store_layers_SOURCES = tests/unit/store/test_store_layers.c $(store_steps)
tests_unit_store_test_store_layers_CFLAGS = $(daemon_test_cflags)
tests_unit_store_test_store_layers_LDADD = $(daemon_test_ldadd)
tests_unit_store_test_store_restart_SOURCES = tests/unit/store/test_store_restart.c $(store_steps)
tests_unit_store_test_store_restart_CFLAGS = $(daemon_test_cflags)
tests_unit_store_test_store_restart_LDADD = $(daemon_test_ldadd)
endif

check_PROGRAMS += tests/unit/pager/test_pager
TESTS += tests/unit/pager/test_pager
tests_unit_pager_test_pager_SOURCES = tests/unit/pager/test_pager.c tests/unit/pager/pager_ahead.c tests/unit/pager/pager_lost.c \
	tests/unit/pager/pager_generations.c \
	tests/unit/pager/pager_consumer.c tests/unit/pager/pager_consumer.h $(fake_host)
tests_unit_pager_test_pager_CFLAGS = $(AM_CFLAGS) $(FABRIC_CFLAGS)
tests_unit_pager_test_pager_LDADD = libdaemon.la -lpthread

# ---- src/lib's pure modules ----
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

# jemalloc needs the library as the library needs jemalloc
core_ldflags = $(AM_LDFLAGS) -Wl,-u,rm_jemalloc_mmap -Wl,-u,rm_jemalloc_hard \
	-Wl,-u,rm_jemalloc_fetch_slow
if HAVE_CHECK
core_tests = \
	tests/unit/heap/test_backing \
	tests/unit/heap/test_backing_free \
	tests/unit/heap/test_chunks \
	tests/unit/heap/test_hooks \
	tests/unit/heap/test_own
check_PROGRAMS += $(core_tests)
TESTS += $(core_tests)
core_ldadd = librmmap-core.la $(rmjemalloc) $(CHECK_LIBS)
backing_steps = tests/unit/heap/backing_steps.c tests/unit/heap/backing_steps.h tests/unit/unit.h
tests_unit_heap_test_backing_SOURCES = tests/unit/heap/test_backing.c $(backing_steps)
tests_unit_heap_test_backing_CFLAGS = $(unit_cflags)
tests_unit_heap_test_backing_LDFLAGS = $(core_ldflags)
tests_unit_heap_test_backing_LDADD = $(core_ldadd)
tests_unit_heap_test_backing_free_SOURCES = tests/unit/heap/test_backing_free.c $(backing_steps)
tests_unit_heap_test_backing_free_CFLAGS = $(unit_cflags)
tests_unit_heap_test_backing_free_LDFLAGS = $(core_ldflags)
tests_unit_heap_test_backing_free_LDADD = $(core_ldadd)
tests_unit_heap_test_chunks_SOURCES = tests/unit/heap/test_chunks.c tests/unit/unit.h
tests_unit_heap_test_chunks_CFLAGS = $(unit_cflags)
tests_unit_heap_test_chunks_LDFLAGS = $(core_ldflags)
tests_unit_heap_test_chunks_LDADD = $(core_ldadd)
tests_unit_heap_test_hooks_SOURCES = tests/unit/heap/test_hooks.c tests/unit/unit.h
tests_unit_heap_test_hooks_CFLAGS = $(unit_cflags)
tests_unit_heap_test_hooks_LDFLAGS = $(core_ldflags) -Wl,--wrap=rm_now_ns
tests_unit_heap_test_hooks_LDADD = $(core_ldadd)
tests_unit_heap_test_own_SOURCES = tests/unit/heap/test_own.c tests/unit/unit.h
tests_unit_heap_test_own_CFLAGS = $(unit_cflags)
tests_unit_heap_test_own_LDFLAGS = $(core_ldflags)
tests_unit_heap_test_own_LDADD = $(core_ldadd)
endif

# ---- rmmap function's ----
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
