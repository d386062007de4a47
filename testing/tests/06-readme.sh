# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# README: its command lines run, and print what is shown.

# It reads README.
# shellcheck disable=SC2034 # read by testing/Makefile
needs_source=yes

. testing/tunnels.sh

# section HEADING: the blocks of code below it, without their indentation
section() { sed -n "/^## $1\$/,/^## /s/^    //p" README.md; }

# Numbers that differ from run to run (of IP, of ping, of a program), and how this kernel attaches.
masked() { sed -E 's/\bid [0-9]+/id N/; s/\b(tcx|clsact, priority [0-9]+), id/HOW, id/'; }

# The example prints all of that: the packets before and after, and then what status says.
test_what_is_shown_is_what_comes()
{
	check env "TOOL=$TOOL" testing/examples/before-after
	masked <<<"$OUTPUT" | grep . >"$T/printed"
	{
		section 'Before and after'
		section Use | sed '1,/^# /{/^# /!d}'
	} | masked >"$T/shown"
	check diff "$T/shown" "$T/printed"
}

# On a VXLAN with the name of the tunnel of README.
test_commands_run()
{
	local line n=0

	node_add_netns a
	node_add_netns b
	wire_veth a b
	on a sh -ec 'ip address add 192.0.2.1/24 dev eth0
		ip link add wg0 type vxlan id 7 local 192.0.2.1 remote 192.0.2.2 dstport 4789
		ip link set wg0 up'
	while read -r line; do
		n=$((n + 1))
		check on a env "PATH=${TOOL%/*}:$PATH" bash -c "$line"
	done < <(section Use | grep '^dscp-tool ')
	[ "$n" = 5 ]
	check_exit 3 on a "$TOOL" status wg0
}

# The other blocks name targets of make, and packages that are there already.
test_targets_are_there()
{
	local target targets

	targets=$(section Install | grep -o 'make [a-z]\+' | sort | paste -s -d ' ')
	[ "$targets" = 'make check make deb make demo make install' ]
	for target in ${targets//make /}; do
		check_grep "^\.PHONY:.* $target( |\$)" cat Makefile
	done
	check_grep 'packaging/install-deps build ' section Install
	check env INSTALL_DEPS=no packaging/install-deps build
}
