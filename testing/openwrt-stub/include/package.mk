# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors

PKG_BUILD_DIR := $(BUILD_DIR)/$(PKG_NAME)-$(PKG_VERSION)
PKG_INSTALL_DIR := $(PKG_BUILD_DIR)/ipkg-install
PKG_JOBS := $(if $(PKG_BUILD_PARALLEL),-j2)

CONFIGURE_ARGS = --target=$(GNU_TARGET_NAME) --host=$(GNU_TARGET_NAME) --build=$(GNU_HOST_NAME) \
	--program-prefix="" --program-suffix="" --prefix=/usr --exec-prefix=/usr --bindir=/usr/bin \
	--sbindir=/usr/sbin --libexecdir=/usr/lib --sysconfdir=/etc --datadir=/usr/share \
	--localstatedir=/var --mandir=/usr/man --infodir=/usr/info --disable-nls
CONFIGURE_VARS = $(TARGET_CONFIGURE_OPTS) CFLAGS="$(TARGET_CFLAGS)" CXXFLAGS="$(TARGET_CFLAGS)" \
	CPPFLAGS="$(TARGET_CPPFLAGS)" LDFLAGS="$(TARGET_LDFLAGS)"
MAKE_VARS = CFLAGS="$(TARGET_CFLAGS) $(TARGET_CPPFLAGS)" CXXFLAGS="$(TARGET_CFLAGS)" \
	LDFLAGS="$(TARGET_LDFLAGS)"
MAKE_FLAGS = $(TARGET_CONFIGURE_OPTS) CROSS="$(TARGET_CROSS)" ARCH="$(ARCH)"

.PHONY: all prepare configure compile
.DEFAULT_GOAL := all

# OpenWrt takes the archive from its dl/ by the name that the package gives.
prepare:
	test "$(notdir $(SOURCE))" = "$(PKG_SOURCE)"
	mkdir -p $(BUILD_DIR)
	tar -C $(BUILD_DIR) -xf $(SOURCE)

configure: prepare
	cd $(PKG_BUILD_DIR) && $(CONFIGURE_VARS) ./configure $(CONFIGURE_ARGS)

compile: configure
	+$(MAKE_VARS) $(MAKE) $(PKG_JOBS) -C $(PKG_BUILD_DIR) $(MAKE_FLAGS)
	$(if $(PKG_INSTALL),$(MAKE_VARS) $(MAKE) -C $(PKG_BUILD_DIR) $(MAKE_FLAGS) \
		DESTDIR="$(PKG_INSTALL_DIR)" install)

# The content of Package/NAME is evaluated and written to OUT/NAME.control, its scripts to
# OUT/NAME.postinst-pkg and OUT/NAME.prerm-pkg, as OpenWrt calls them, and its files are copied.
define BuildPackage
$(eval SECTION :=)$(eval CATEGORY :=)$(eval TITLE :=)$(eval DEPENDS :=)
$(eval $(call Package/$(1)))
.PHONY: install-$(1)
all: install-$(1)
install-$(1): compile
	printf '%s\n' 'Package: $(1)' 'Version: $(PKG_VERSION)-$(PKG_RELEASE)' 'Title: $(TITLE)' \
		'Depends: $(DEPENDS)' 'License: $(PKG_LICENSE)' 'Conffiles: $(Package/$(1)/conffiles)' \
		>$(OUT)/$(1).control
	$$(file >$(OUT)/$(1).postinst-pkg,$$(Package/$(1)/postinst))
	$$(file >$(OUT)/$(1).prerm-pkg,$$(Package/$(1)/prerm))
	$(call Package/$(1)/install,$(OUT)/ipkg/$(1))
	$$(RSTRIP) $(OUT)/ipkg/$(1)
endef
