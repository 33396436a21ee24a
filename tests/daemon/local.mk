# ---- rmmapd as a process; the tests speak its socket's language themselves ----
if HAVE_CHECK
rmmapd_tests = \
	tests/daemon/test_broken \
	tests/daemon/test_clients \
	tests/daemon/test_layers \
	tests/daemon/test_life \
	tests/daemon/test_upstream \
	tests/daemon/test_worker
check_PROGRAMS += $(rmmapd_tests)
TESTS += $(rmmapd_tests)
daemon_host = tests/daemon/host.c tests/daemon/client.c tests/daemon/snapshot.c tests/daemon/host.h \
	tests/unit/unit.h
tests_daemon_test_broken_SOURCES = tests/daemon/test_broken.c $(daemon_host)
tests_daemon_test_broken_CFLAGS = $(unit_cflags)
tests_daemon_test_broken_LDADD = $(unit_ldadd)
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
