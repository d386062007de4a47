# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# README and docs/guide.md: their command lines run, and print the lines that are shown.

# It reads them.
# shellcheck disable=SC2034 # read by testing/Makefile
needs_source=yes

. testing/tunnels.sh

# section HEADING: the blocks of code below it, without their indentation
section() { sed -n "/^## $1\$/,/^## /s/^    //p" README.md; }

# Numbers that differ from run to run (of IP, of ping, of a program), and how this kernel attaches.
masked() { sed -E 's/\bid [0-9]+/id N/; s/\b(tcx|clsact, priority [0-9]+), id/HOW, id/'; }

# The example prints all of that: the packets before and after, and then the status.
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

# A VXLAN with the name of the tunnel there, and one in user space
node_with_tunnels()
{
	node_add_netns a
	node_add_netns b
	wire_veth a b
	on a sh -ec 'ip address add 192.0.2.1/24 dev eth0
		ip route add default via 192.0.2.2
		ip link add wg0 type vxlan id 7 local 192.0.2.1 remote 192.0.2.2 dstport 4789
		ip link set wg0 up
		ip tuntap add tun0 mode tun
		ip link set tun0 up'
}

# run_commands COUNT: so many lines of standard input are commands of the tool, and succeed
run_commands()
{
	local line n=0

	while read -r line; do
		[[ $line = 'dscp-tool '* ]] || continue
		n=$((n + 1))
		check on a env "PATH=${TOOL%/*}:$PATH" bash -c "$line" <"$T/empty"
	done
	[ "$n" = "$1" ] || fail "$n commands"
}

test_commands_run()
{
	node_with_tunnels
	: >"$T/empty"
	run_commands 5 < <(section Use)
	check_exit 3 on a "$TOOL" status wg0
}

test_commands_of_the_guide_run()
{
	node_with_tunnels
	: >"$T/empty"
	# The loaded tunnels go to a file there, and systemd starts the services.
	run_commands 7 < <(sed -n 's/^    //p' docs/guide.md | grep -v systemctl)
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
