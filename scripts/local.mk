# scripts: demo and check; the targets that check uses on parts of the suite
EXTRA_DIST += scripts/demo scripts/check scripts/packages.sh .ci/run

# The unit tests, and the runs of the fuzzed functions: programs that need no librmmap
# under them, so that sanitizers and valgrind can look into them.
list_units = printf '%s\n' $(check_PROGRAMS) | grep -E '(^tests/|/)test_|^fuzz/'

.PHONY: check-units check-valgrind distcheck-units
check-units:
	@units=$$($(list_units)) && $(MAKE) $$units && $(MAKE) check-TESTS TESTS="`echo $$units`"

# The whole of distcheck, with the unit tests only: where the suite has run already.
distcheck-units:
	@units=$$($(list_units)) && $(MAKE) distcheck TESTS="`echo $$units`"

# Without the test that fills the descriptor table: valgrind has limits of its own.
check-valgrind:
	@units=$$($(list_units)) && $(MAKE) $$units && status=0 && for unit in $$units; do \
	  echo "valgrind $$unit"; \
	  CK_EXCLUDE_TAGS=descriptor_table_full $(LIBTOOL) --silent --mode=execute \
	    valgrind -q --error-exitcode=99 --leak-check=full $$unit || status=1; \
	done; exit $$status
