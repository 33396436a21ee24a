# shell completion, made from the programs' tables by a program that runs while RMMAP is built
EXTRA_DIST += completion/README completion/completion.h completion/bash.c completion/fish.c \
	completion/main.c completion/parts.c completion/zsh.c \
	completion/bash.in completion/fish.in completion/zsh.in

completion_sources = \
	$(srcdir)/completion/bash.c \
	$(srcdir)/completion/fish.c \
	$(srcdir)/completion/main.c \
	$(srcdir)/completion/parts.c \
	$(srcdir)/completion/zsh.c \
	$(srcdir)/src/cli/commands.c \
	$(srcdir)/src/common/number.c \
	$(srcdir)/src/common/options.c \
	$(srcdir)/src/common/terms.c \
	$(srcdir)/src/daemon/arguments.c \
	$(srcdir)/src/function/arguments.c
completion_headers = \
	$(srcdir)/completion/completion.h \
	$(srcdir)/src/cli/cli.h \
	$(srcdir)/src/cli/commands.h \
	$(srcdir)/src/common/arguments.h \
	$(srcdir)/src/common/options.h \
	$(srcdir)/src/daemon/arguments.h \
	$(srcdir)/src/function/arguments.h \
	src/common/config-build.h
completion/generate: $(completion_sources) $(completion_headers) Makefile
	$(AM_V_GEN)$(MKDIR_P) completion && \
	$(CC_FOR_BUILD) $(CFLAGS_FOR_BUILD) -std=gnu11 -D_GNU_SOURCE -DRM_TABLES_ONLY \
	  -I$(srcdir)/include -Isrc/common -I$(srcdir)/src/common -o $@ $(completion_sources)

completion_files = completion/bash/rmmap completion/bash/rmmapd \
	completion/zsh/_rmmap completion/zsh/_rmmapd \
	completion/fish/rmmap.fish completion/fish/rmmapd.fish
CLEANFILES += completion/generate $(completion_files)
complete = $(MKDIR_P) $(@D) && completion/generate $$shell $$program \
	<$(srcdir)/completion/$$shell.in >$@.tmp && mv $@.tmp $@
completion/bash/rmmap completion/bash/rmmapd: completion/generate completion/bash.in
	$(AM_V_GEN)shell=bash program=$(@F); $(complete)
completion/zsh/_rmmap completion/zsh/_rmmapd: completion/generate completion/zsh.in
	$(AM_V_GEN)shell=zsh program=`echo $(@F) | $(SED) s/^_//`; $(complete)
completion/fish/rmmap.fish completion/fish/rmmapd.fish: completion/generate completion/fish.in
	$(AM_V_GEN)shell=fish program=`basename $(@F) .fish`; $(complete)

if BASH_COMPLETION
bashcompletion_DATA = completion/bash/rmmap completion/bash/rmmapd
endif
if ZSH_COMPLETION
zshcompletion_DATA = completion/zsh/_rmmap completion/zsh/_rmmapd
endif
if FISH_COMPLETION
fishcompletion_DATA = completion/fish/rmmap.fish completion/fish/rmmapd.fish
endif
