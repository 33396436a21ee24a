# scripts: demo and check; the targets that check uses on parts of the suite
EXTRA_DIST += scripts/demo scripts/check scripts/packages.sh .ci/run

# Programs that need no librmmap under them, so that sanitizers and valgrind can look into
# them: unit tests, runs of the fuzzed functions, rmmapd and what drives it as a process.
# Those of tests/unit/heap have its heap: at addresses that a sanitizer's shadow has, and with
# mappings that valgrind would make its own.
list_units = printf '%s\n' $(check_PROGRAMS) | grep -E '(^tests/|/)test_|^fuzz/' | \
	grep -Ev '^tests/unit/heap/'

# What has threads: src/lib, and what rmmapd serves. Only that is built, and not all of check.
if TSAN
tsan_programs = tests/tsan/races
tsan_tests = tests/tsan/races.sh
endif

.PHONY: check-units check-tsan check-valgrind distcheck-units
check-units:
	@units=$$($(list_units)) && $(MAKE) rmmapd $$units $(tsan_programs) && \
	  $(MAKE) check-TESTS TESTS="`echo $$units $(tsan_tests)`"

check-tsan:
if TSAN
	@$(MAKE) rmmapd run tests/unit/pager/test_pager $(tsan_programs) && \
	  $(MAKE) check-TESTS check_PROGRAMS= check_LTLIBRARIES= check_LIBRARIES= \
	    TESTS="tests/unit/pager/test_pager $(tsan_tests)"
else
	@echo "check-tsan: configure with --enable-tsan --with-window=0x550000000000:8 (x86-64)" >&2
	@exit 1
endif

# The whole of distcheck, with these tests only: where the suite has run already.
distcheck-units:
	@units=$$($(list_units)) && $(MAKE) distcheck TESTS="`echo $$units`"

# valgrind has no userfaultfd and a descriptor limit of its own, does not follow into the
# rmmapd that a test starts, and takes what libfabric keeps for leaks, and threads that still
# run (test_work's, which nobody can end): such are left out.
check-valgrind:
	@units=$$($(list_units) | grep -v 'test_\(pager\|fabric\|callers\|peer\|clients\|broken\|life\|worker\|work\)$$') && \
	$(MAKE) $$units && status=0 && for unit in $$units; do \
	  echo "valgrind $$unit"; \
	  CK_EXCLUDE_TAGS=descriptor_table_full $(LIBTOOL) --silent --mode=execute \
	    valgrind -q --error-exitcode=99 --leak-check=full $$unit || status=1; \
	done; exit $$status
