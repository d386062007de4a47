# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# The fuzz targets, in build-fuzz/. Not called Makefile: the directories below testing/ that the
# compiler of the project builds have one, and these need clang. testing/fuzz/run calls it.
ROOT := ../..
DIR := testing/fuzz
include $(ROOT)/lib/defines.mk

FUZZ_CC ?= clang
BUILD := $(ROOT)/build-fuzz
TARGETS := $(patsubst %.c,%,$(wildcard fuzz_*.c))
TOOL := $(filter-out %.bpf.c,$(wildcard $(ROOT)/dscp-tool/*.c $(ROOT)/dscp-tool/*/*.c)) \
	$(wildcard $(ROOT)/lib/util/*.c)
OBJECTS := $(patsubst $(ROOT)/dscp-tool/bpf/%.bpf.o.gz,%,$(wildcard $(ROOT)/dscp-tool/bpf/*.bpf.o.gz))
SHARED := $(patsubst $(ROOT)/%.c,$(BUILD)/%.o,$(TOOL)) $(BUILD)/stand_ins.o $(BUILD)/output.o \
	$(OBJECTS:%=$(BUILD)/%.embed.o)

# The project's compiler has warned of the tool's own sources. libxdp has a protocol and a kernel to
# itself: the tool without it.
flags := -std=gnu11 -g -O1 -fno-omit-frame-pointer $(DSCP_WARNINGS) $(DSCP_CPPFLAGS) \
	$(filter-out -DHAVE_LIBXDP,$(UTIL_CFLAGS)) $(if $(filter yes,$(HAVE_CORE)),-DHAVE_CORE) \
	-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all $(FUZZ_CFLAGS)

.PHONY: all
all: $(TARGETS:%=$(BUILD)/%)

$(BUILD)/dscp-tool/%.o: $(ROOT)/dscp-tool/%.c stand_ins.h
	$(Q)mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(flags) -w -include stand_ins.h -MMD -MP -c -o $@ $<

$(BUILD)/lib/util/%.o: $(ROOT)/lib/util/%.c stand_ins.h
	$(Q)mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(flags) -w -include stand_ins.h -MMD -MP -c -o $@ $<

$(BUILD)/%.embed.o: $(ROOT)/dscp-tool/bpf/%.bpf.o.gz $(ROOT)/dscp-tool/bpf/embed.S
	$(Q)mkdir -p $(@D)
	$(Q)$(FUZZ_CC) -DOBJECT_SYMBOL=$*_bpf -DOBJECT_FILE='"$<"' -c -o $@ \
		$(ROOT)/dscp-tool/bpf/embed.S

$(BUILD)/%.o: %.c fuzz.h stand_ins.h
	$(Q)mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(flags) -MMD -MP -c -o $@ $<

$(TARGETS:%=$(BUILD)/%): $(BUILD)/%: $(BUILD)/%.o $(SHARED)
	$(call short,FUZZ,build-fuzz/$*)
	$(Q)$(FUZZ_CC) $(flags) -fsanitize=fuzzer -o $@ $^ $(filter-out -lxdp,$(UTIL_LIBS))

-include $(wildcard $(BUILD)/*.d $(BUILD)/*/*.d $(BUILD)/*/*/*.d)
