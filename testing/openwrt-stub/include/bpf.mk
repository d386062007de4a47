# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors

BPF_DEPENDS := @HAS_BPF_TOOLCHAIN +@NEED_BPF_TOOLCHAIN
CLANG ?= clang
LLVM_STRIP ?= llvm-strip
BPF_TARGET := bpf$(if $(CONFIG_BIG_ENDIAN),eb,el)
