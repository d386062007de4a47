# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# Rules for a directory. Its Makefile sets ROOT, DIR (see defines.mk) and some of
#   LIB    a static library, of SRC
#   PROG   a program, of SRC; installed in sbindir if INSTALL_PROG = yes
#   PROGS  programs of one source file each
#   EMBED  an assembler source that carries one packed BPF object; PROG gets one for each of BPF
#   BPF    sources of BPF objects (*.bpf.c), installed in BPF_OBJECT_DIR
#   MAN    man pages NAME.SECTION, from NAME.SECTION.scd
#   EXTRA_CFLAGS, EXTRA_LIBS  of other libraries than lib/util's
# and includes this file.

ifndef CONFIG
include $(ROOT)/lib/defines.mk
endif

OBJS := $(SRC:%.c=$(OUTPUT)%.o)
BPF_OBJS := $(BPF:.c=.o)
EMBED_OBJS := $(if $(EMBED),$(BPF:%.bpf.c=$(OUTPUT)%.embed.o))
# Rules for sources: this one, and those below.
dirs := ./ $(sort $(filter-out ./,$(dir $(SRC) $(BPF))))
MAN_MADE := $(if $(SCDOC),$(MAN))
# A tree may come with its man pages.
MAN_FOUND = $(sort $(MAN_MADE) $(wildcard $(MAN)))
man_dir = $(DESTDIR)$(mandir)/man$(subst .,,$(suffix $(1)))
targets := $(LIB:%=$(OUTPUT)%) $(PROG:%=$(OUTPUT)%) $(PROGS:%=$(OUTPUT)%) $(BPF_OBJS) $(MAN_MADE)

.PHONY: all install uninstall clean

all: $(targets)
	@:

compile = $(CC) $(DSCP_CPPFLAGS) $(CPPFLAGS) $(UTIL_CFLAGS) $(EXTRA_CFLAGS) $(DSCP_CFLAGS) $(CFLAGS)
link = $(CC) $(DSCP_CFLAGS) $(CFLAGS) $(DSCP_LDFLAGS) $(LDFLAGS)

$(OUTPUT)%.o: %.c $(CONFIG)
	$(call short,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(compile) -MMD -MP -c -o $@ $<

# Parts that libbpf does not read are left out: labels in the code, and the relocations of BTF.
# Symbols of functions it needs, local ones too: they tell where subprograms begin.
$(BPF_OBJS:=.gz): %.gz: %
	$(Q)$(if $(LLVM_STRIP),$(LLVM_STRIP) -g -w -N 'LBB*' -R .rel.BTF -R .rel.BTF.ext -o $@.tmp $<,\
		cp $< $@.tmp)
	$(Q)gzip -9n <$@.tmp >$@
	$(Q)rm $@.tmp

$(OUTPUT)%.embed.o: %.bpf.o.gz $(EMBED) $(CONFIG)
	$(call short,EMBED,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(compile) -DOBJECT_SYMBOL=$(*F)_bpf -DOBJECT_FILE='"$<"' -c -o $@ $(EMBED)

$(OUTPUT)sanitize.o: $(ROOT)/lib/sanitize.c $(CONFIG)
	$(Q)mkdir -p $(@D)
	$(Q)$(compile) -c -o $@ $<

$(BPF_OBJS): %.bpf.o: %.bpf.c $(CONFIG)
	$(call short,BPF,$@)
	$(Q)$(BPF_CC) $(BPF_CC_FLAGS) $(DSCP_BPF_CFLAGS) -I$(ROOT)/headers -I$(ROOT)/dscp-tool/bpf \
		$(BPF_INCLUDES) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<
	$(if $(LLVM_STRIP),$(Q)$(LLVM_STRIP) -g $@)

$(LIB:%=$(OUTPUT)%): $(OBJS)
	$(call short,AR,$@)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

$(PROG:%=$(OUTPUT)%): $(OBJS) $(EMBED_OBJS) $(SANITIZE_OBJ) $(UTIL_LIB)
	$(call short,LINK,$@)
	$(Q)$(link) -o $@ $^ $(UTIL_LIBS) $(EXTRA_LIBS)

# A Makefile may have named more objects.
$(PROGS:%=$(OUTPUT)%): %: %.o $(SANITIZE_OBJ) $(UTIL_LIB)
	$(call short,LINK,$@)
	$(Q)$(link) -o $@ $(filter %.o,$^) $(UTIL_LIB) $(UTIL_LIBS) $(EXTRA_LIBS)

# The top Makefile has made it before; this is for make in a directory of a fresh tree.
ifeq ($(LIB),)
$(UTIL_LIB):
	$(Q)$(MAKE) -C $(ROOT)/lib/util
endif

$(MAN_MADE): %: %.scd $(CONFIG)
	$(call short,MAN,$@)
	$(Q)$(SCDOC) <$< >$@

define install_man
	$(INSTALL) -d $(man_dir)
	$(INSTALL) -m 0644 $(1) $(man_dir)

endef

install: all
ifeq ($(INSTALL_PROG),yes)
	$(INSTALL) -d $(DESTDIR)$(sbindir)
	$(INSTALL) -m 0755 $(PROG:%=$(OUTPUT)%) $(DESTDIR)$(sbindir)
endif
ifneq ($(BPF),)
	$(INSTALL) -d $(DESTDIR)$(BPF_OBJECT_DIR)
	$(INSTALL) -m 0644 $(BPF_OBJS) $(DESTDIR)$(BPF_OBJECT_DIR)
endif
	$(foreach page,$(MAN_FOUND),$(call install_man,$(page)))

uninstall:
	$(if $(PROG),rm -f $(PROG:%=$(DESTDIR)$(sbindir)/%))
	$(if $(BPF),rm -f $(patsubst %,$(DESTDIR)$(BPF_OBJECT_DIR)/%,$(notdir $(BPF_OBJS))))
	$(if $(MAN),rm -f $(foreach page,$(MAN),$(call man_dir,$(page))/$(page)))

clean:
	rm -f $(foreach d,$(dirs),$d*.o $d*.o.gz $d*.d $d*.tmp) *.a $(PROG) $(PROGS) $(MAN_MADE)

-include $(foreach d,$(dirs),$(wildcard $(OUTPUT)$d*.d) $(if $(OUTPUT),$(wildcard $d*.bpf.d)))
