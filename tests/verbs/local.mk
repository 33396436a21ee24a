# tests/verbs: make check-verbs, RMMAP's tests in a guest of qemu that has a software RDMA device
EXTRA_DIST += \
	tests/verbs/check-verbs tests/verbs/guest-image tests/verbs/guest-run tests/verbs/init \
	tests/verbs/inside.sh tests/verbs/killed.sh tests/verbs/memlock.sh \
	tests/verbs/link-publisher.sh tests/verbs/link-reader.sh

# Not part of make check: it downloads with apt, and takes minutes.
.PHONY: check-verbs
check-verbs:
	@$(MAKE) all run $(check_PROGRAMS) $(check_LTLIBRARIES)
	@abs_top_builddir='$(abs_top_builddir)' abs_top_srcdir='$(abs_top_srcdir)' \
	  $(SHELL) $(srcdir)/tests/verbs/check-verbs $(VERBS_TESTS)

distclean-local: distclean-verbs
.PHONY: distclean-verbs
distclean-verbs:
	rm -rf tests/verbs/guest
