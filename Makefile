# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# config.mk is not included here, and targets are made by recursive calls one after the other:
# "make check" on an empty machine has to install a compiler before configure can find one.

.DEFAULT_GOAL := all
.SUFFIXES:
MAKEFLAGS += --no-print-directory

V ?= 0
Q := $(if $(filter-out 0,$(V)),,@)

.PHONY: all lib dscp-tool tests install install-tests uninstall clean distclean demo bench soak lint
.PHONY: quick check check-full dist deb rpm check-deb help

all: dscp-tool

# After a change of configure, again with the arguments it was given first.
config.mk: configure version.mk
	$(Q)./configure --recheck

lib: config.mk
	+$(Q)$(MAKE) -C lib

dscp-tool: lib
	+$(Q)$(MAKE) -C dscp-tool

tests: all
	+$(Q)$(MAKE) -C testing

install: all
	+$(Q)$(MAKE) -C dscp-tool install
	+$(Q)$(MAKE) -C packaging install

install-tests: tests
	+$(Q)$(MAKE) -C testing install-tests

uninstall: config.mk
	+$(Q)$(MAKE) -C dscp-tool uninstall
	+$(Q)$(MAKE) -C packaging uninstall
	+$(Q)$(MAKE) -C testing uninstall

# Here the order matters: packages, then configure, then the build.
demo bench:
	$(Q)packaging/install-deps test
	+$(Q)$(MAKE) tests
	$(Q)testing/$(if $(filter bench,$@),bench/run,demo)

# MINUTES=N: see testing/soak/run
soak:
	$(Q)packaging/install-deps test
	+$(Q)$(MAKE) tests
	$(Q)testing/soak/run $(MINUTES)

# The tiers of testing/plan. The tool and its unit tests with sanitizers are built beside the others.
parallel = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))
define both_builds
+$(Q)$(MAKE) $(parallel) tests
+$(Q)$(MAKE) $(parallel) dscp-tool SANITIZE=yes
+$(Q)$(MAKE) $(parallel) -C testing/unit SANITIZE=yes
endef

quick:
	$(both_builds)
	$(Q)testing/check quick

check:
	$(Q)packaging/install-deps test
	$(both_builds)
	$(Q)testing/check ci

check-full:
	$(Q)packaging/install-deps full
	$(both_builds)
	$(Q)testing/check full

lint:
	$(Q)testing/lint

dist deb rpm:
	$(Q)packaging/make-$@

check-deb:
	$(Q)packaging/install-deps full
	$(Q)packaging/check-deb

clean:
	+$(Q)$(MAKE) -C lib clean
	+$(Q)$(MAKE) -C dscp-tool clean
	+$(Q)$(MAKE) -C testing clean
	rm -rf build-asan build-check build-cross build-deb build-fuzz build-rpm

distclean: clean
	rm -rf config.mk lib/libbpf dscp-tool-*.tar.xz

help:
	@echo 'make              configure if that was not done, and build'
	@echo 'make demo         as root: install what is missing, build, show what the tool does'
	@echo 'make quick        as root: build, run the tests of each edit, about a minute; installs nothing'
	@echo 'make check        as root: install what is missing, build, run the tests of each commit'
	@echo 'make check-full   as root: install what is missing, build, run everything there is; goes on'
	@echo '                  where it was stopped'
	@echo 'make bench        as root: nanoseconds per packet of the BPF programs'
	@echo 'make soak         as root: an hour of traffic and changes in a virtual machine, and no false'
	@echo '                  problem; MINUTES=N'
	@echo 'make lint         style of scripts, C, licences and man pages, and the graph of calls'
	@echo 'make dist         dscp-tool-VERSION.tar.xz, the sources, from a clone made by git'
	@echo 'make deb          packages for Debian, in build-deb/'
	@echo 'make rpm          packages for Fedora and its like, in build-rpm/'
	@echo 'make check-deb    as root: install what is missing, build them twice, check, install and test'
	@echo 'make install      DESTDIR=DIR: below DIR; see ./configure --help for the directories'
	@echo 'make install-tests  the tests, for a tool that was installed, in LIBEXECDIR/dscp-tool-tests'
	@echo 'make uninstall    remove what install and install-tests installed'
	@echo 'make clean        remove what was built; distclean: also what configure wrote'
	@echo
	@echo 'V=1 shows the commands, WERROR=yes makes warnings errors. INSTALL_DEPS=no keeps demo,'
	@echo 'check, bench and soak from installing packages.'
