# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# The build: how large the tool is, that it carries the installed objects, and that it can be
# cleaned away.

# shellcheck disable=SC2034 # read by testing/Makefile
needs_source=yes

limit=232000 # bytes, stripped, BPF objects included

configured() { sed -n "s/^$1 := *\(.*[^ ]\) *$/\1/p" config.mk; }

# Why the size of this tool says nothing, if so.
why_not_comparable()
{
	local cc

	if [ ! -e config.mk ] || [ ! "$TOOL" -ef dscp-tool/dscp-tool ]; then
		echo "the tool is not what configure and make have made here"
	elif [ "$(configured CFLAGS)" != "-Oz -g" ] || [ -n "${CFLAGS+set}$(configured CPPFLAGS)" ] ||
		[ -n "$(configured LDFLAGS)" ]; then
		echo "not built with the flags that configure uses by default"
	elif ! readelf -h "$TOOL" | grep -q 'Machine: .*X86-64'; then
		echo "not built for amd64"
	elif [ -z "$(configured LLVM_STRIP)" ] || [ -z "$(configured SIZE_LDFLAGS)" ]; then
		echo "what makes it small is missing here: llvm-strip, or glibc 2.36"
	else
		cc=$(configured CC)
		$cc -Os -dM -E -x c /dev/null >"$T/macros"
		! grep -qE '__SSP|__CET__|_FORTIFY_SOURCE|__clang__' "$T/macros" ||
			echo "$cc is not gcc, or hardens what it compiles without being asked"
	fi
}

test_the_tool_is_small()
{
	local reason size

	reason=$(why_not_comparable)
	[ -z "$reason" ] || skip "$reason"
	check strip -o "$T/tool" "$TOOL"
	size=$(stat -c %s "$T/tool")
	echo "$size bytes"
	[ "$size" -le $limit ] || fail "$size bytes, and $limit are the limit"
}

# Code, maps and BTF, each with its name, and the symbols of functions and maps.
content()
{
	local section

	readelf -SW "$1" | sed -n 's/^ *\[ *[0-9]*\] \([^ ]*\) *PROGBITS.*/\1/p' >"$T/sections"
	grep -q '^\.maps$' "$T/sections" || fail "no section .maps in $1"
	while read -r section; do
		# The sections that relocations apply to are said to be there.
		readelf -x "$section" "$1" | grep -v 'NOTE: This section has relocations'
	done <"$T/sections"
	readelf -sW "$1" | awk '$4 == "FUNC" || $4 == "OBJECT" { $1 = ""; print }' | sort
}

test_the_objects_inside_are_those_installed()
{
	local object

	[ -e dscp-tool/bpf/dscp_egress.bpf.o.gz ] || skip "nothing is built here"
	for object in dscp-tool/bpf/*.bpf.o; do
		gzip -dc "$object.gz" >"$T/inside"
		content "$object" >"$T/a"
		content "$T/inside" >"$T/b"
		check diff "$T/a" "$T/b"
	done
}

# A tarball comes with it; scdoc need not be there.
test_clean_leaves_the_man_page_that_it_cannot_make()
{
	local file page

	for file in version.mk lib/defines.mk lib/common.mk dscp-tool/Makefile dscp-tool/*.scd; do
		mkdir -p "$(dirname "$T/tree/$file")"
		cp "$file" "$T/tree/$file"
	done
	for page in dscp-tool-json.5 dscp-tool-examples.7 dscp-tool.8; do
		page=$T/tree/dscp-tool/$page
		: >"$page"
		rm -f "$T/tree/config.mk"
		check make -C "$T/tree/dscp-tool" clean
		[ -e "$page" ] || fail "gone from a tree that was not configured"
		echo 'SCDOC :=' >"$T/tree/config.mk"
		check make -C "$T/tree/dscp-tool" clean
		[ -e "$page" ] || fail "gone, and there is no scdoc"
		echo 'SCDOC := scdoc' >"$T/tree/config.mk"
		check make -C "$T/tree/dscp-tool" clean
		[ ! -e "$page" ] || fail "still there"
	done
}
