# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# A stand-in for OpenWrt's build system: as much of it as packaging/openwrt/Makefile uses, so that its
# configure, compile and install can be tried without an SDK. make -f that file, with
#   TOPDIR      this directory
#   SOURCE      the tarball of "make dist"
#   OUT         an empty directory; the packages' files are in OUT/ipkg/NAME, see package.mk
# and for another machine than this one
#   TARGET_CC, TARGET_AR          its tools
#   GNU_TARGET_NAME               how OpenWrt would call it
#   ARCH                          how Linux calls it
#   STAGING_DIR                   libraries and headers in STAGING_DIR/usr, with their *.pc
#   CONFIG_BIG_ENDIAN=y           its byte order
#   TARGET_CFLAGS, TARGET_CPPFLAGS, TARGET_LDFLAGS
#
# The variables, their names and the arguments of configure and make are OpenWrt's.

INCLUDE_DIR := $(TOPDIR)/include
BUILD_DIR := $(OUT)/build_dir

TARGET_CC ?= gcc
TARGET_AR ?= ar
GNU_TARGET_NAME ?= x86_64-openwrt-linux
GNU_HOST_NAME ?= x86_64-pc-linux-gnu
ARCH ?= x86_64
TARGET_CROSS ?= $(GNU_TARGET_NAME)-musl-
STAGING_DIR ?=
TARGET_CFLAGS ?= -Os -pipe -fno-caller-saves
TARGET_CPPFLAGS ?= $(STAGING_DIR:%=-I%/usr/include)
TARGET_LDFLAGS ?= $(STAGING_DIR:%=-L%/usr/lib) -znow -zrelro

# OpenWrt's own pkg-config looks nowhere else.
PKG_CONFIG ?= pkg-config
export PKG_CONFIG
ifneq ($(STAGING_DIR),)
export PKG_CONFIG_LIBDIR := $(STAGING_DIR)/usr/lib/pkgconfig:$(STAGING_DIR)/usr/share/pkgconfig
endif

# Strips the files of each package, BPF objects like kernel modules. The strip of build systems today
# does not know BPF and leaves it as it is; this one does.
STRIP ?= $(shell $(TARGET_CC) -print-prog-name=strip)
RSTRIP = sh -c 'find "$$0" -name "*.o" -exec llvm-strip --strip-unneeded {} +'

# The tools of the target: none of them knows BPF.
TARGET_CONFIGURE_OPTS = AR="$(TARGET_AR)" AS="$(TARGET_CC) -c $(TARGET_CFLAGS)" LD=false NM=false \
	CC="$(TARGET_CC)" GCC="$(TARGET_CC)" CXX=false RANLIB=false STRIP=false OBJCOPY=false \
	OBJDUMP=false SIZE=false

INSTALL_BIN := install -m0755
INSTALL_DIR := install -d -m0755
INSTALL_DATA := install -m0644
INSTALL_CONF := install -m0600
