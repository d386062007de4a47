# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# Variables for every Makefile below the top. Before including it, set
#   ROOT  the top directory, relative: no absolute path may reach an object
#   DIR   this directory, seen from ROOT
#
# CFLAGS, CPPFLAGS, LDFLAGS and BPF_CFLAGS belong to the user and may be replaced on make's command
# line at any time; the project's own flags are in DSCP_*.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

include $(ROOT)/version.mk

# Cleaning works in a tree that was never configured, which cannot make the man pages it came with.
ifneq ($(filter-out clean,$(or $(MAKECMDGOALS),all)),)
include $(ROOT)/config.mk
$(ROOT)/config.mk: $(ROOT)/configure $(ROOT)/version.mk
	cd $(ROOT) && ./configure --recheck
else
-include $(ROOT)/config.mk
endif

# Every object depends on these besides its sources.
CONFIG := $(ROOT)/config.mk $(ROOT)/version.mk $(ROOT)/lib/defines.mk $(ROOT)/lib/common.mk

# V=1 shows the commands; otherwise $(call short,WHAT,FILE) is the line that stands for them.
V ?= 0
ifeq ($(filter-out 0,$(V)),)
Q := @
short = @printf '  %-8s %s\n' $(1) $(if $(filter $(ROOT)/%,$(2)),$(2:$(ROOT)/%=%),$(DIR)/$(2))
else
Q :=
short :=
endif

DSCP_CPPFLAGS = -I$(ROOT)/headers -I$(ROOT)/lib -iquote $(ROOT)/dscp-tool -D_GNU_SOURCE \
	-DDSCP_TOOL_VERSION='"$(DSCP_TOOL_VERSION)"'
DSCP_WARNINGS := -Wall -Wextra -Wshadow -Wmissing-prototypes
# The tool is to be small: routers have little flash. testing/tests/05-size.sh has the limit.
DSCP_CFLAGS := -std=gnu11 $(if $(filter yes,$(SANITIZE)),,$(SIZE_CFLAGS)) $(DSCP_WARNINGS)
DSCP_LDFLAGS := $(STATIC_LDFLAGS) $(SIZE_LDFLAGS)
# Paths of the build must not get into BTF and line information. All other flags that the compiler
# needs are in BPF_CC_FLAGS, of configure, which tries them.
DSCP_BPF_CFLAGS := -ffile-prefix-map=$(CURDIR)=. \
	$(DSCP_WARNINGS) -Wno-missing-prototypes -Wno-compare-distinct-pointer-types

ifeq ($(WERROR),yes)
DSCP_CFLAGS += -Werror
DSCP_BPF_CFLAGS += -Werror
endif

# Sanitized objects and programs live apart, so that both kinds can be there. BPF objects and the
# man pages are the same for both and stay where their sources are.
OUTPUT :=
SANITIZE_OBJ :=
ifeq ($(SANITIZE),yes)
OUTPUT := $(ROOT)/build-asan/$(DIR)/
DSCP_CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
DSCP_LDFLAGS += -fsanitize=address,undefined
SANITIZE_OBJ := $(OUTPUT)sanitize.o
endif

# The library of lib/util, and the libraries that it needs.
UTIL_LIB := $(if $(OUTPUT),$(ROOT)/build-asan/lib/util/,$(ROOT)/lib/util/)libutil.a
UTIL_CFLAGS := $(if $(filter yes,$(HAVE_LIBXDP)),-DHAVE_LIBXDP $(LIBXDP_CFLAGS)) \
	$(LIBBPF_CFLAGS) $(ZLIB_CFLAGS) $(LIBMNL_CFLAGS) $(JSON_C_CFLAGS)
UTIL_LIBS := $(LIBXDP_LIBS) $(LIBBPF_LIBS) $(ZLIB_LIBS) $(LIBMNL_LIBS) $(JSON_C_LIBS)
