# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# Completion for bash, as readline would call it; and the man page against the tool's own table.

. testing/tunnels.sh

# complete_words WORD...: the words that are offered for the last of these words of a command line,
# a line each
complete_words()
{
	# shellcheck disable=SC2016 # for another shell
	on a bash -c '
		. packaging/bash-completion/dscp-tool
		COMP_WORDS=("$@")
		COMP_CWORD=$(($# - 1))
		_dscp_tool
		printf "%s\n" "${COMPREPLY[@]}"' bash "$TOOL" "$@"
}

# A kernel that has loaded GRE or IPIP, for another test, has these in each network namespace.
fallback_devices='(gre|gretap|erspan|tunl|sit|ip6gre|ip6tnl)0'

# offers EXPECTED WORD...: these words, fallback_devices left out
offers()
{
	local -; set +x
	local want=$1 got

	shift
	got=$(complete_words "$@" | sed -E "/^$fallback_devices$/d" | paste -s -d ' ')
	[ "$got" = "$want" ] || fail "of '$*' it offers '$got', not '$want'"
}

commands() { "$TOOL" help | sed -n 's/^  \([a-z-]*\) .*/\1/p'; }

test_commands_and_options_are_those_of_the_tool()
{
	local command

	node_add_netns a
	check diff <(complete_words '' | grep -v '^-' | sort) <(commands | sort)
	for command in $(commands); do
		[ "$command" != help ] || continue
		check diff <(complete_words "$command" -- | sort) \
			<("$TOOL" "$command" --help | sed -n 's/^  [-a-zA-Z, ]\{4\}\(--[a-z-]*\).*/\1/p' | sort)
	done
	offers 'dump-map' d
	offers '--ingress-map --ingress-method' load vx4 --in
	offers '' status --watch v
	offers '--interval' monitor --i
	offers '' monitor --interval v
	offers '--dry-run' load vx4 --dr
	offers '--all-netns' status --a
	offers '' save x
	offers 'dump-map' help d
	: >"$T/tunnels.conf"
	offers "$T/tunnels.conf" apply "$T/tun"
}

# The lines of the table that are options: COMMAND --OPTION -LETTER [VALUE [WORD...]]
table() { "$TOOL" help --complete | grep '^[a-z-]* --'; }

# No tunnel is offered where an option of load has a value.
test_values_are_those_of_the_tool()
{
	local option letter value n=0

	lone_node
	while read -r _ option letter value; do
		[[ $value && $value != DEV ]] || continue
		n=$((n + 1))
		check_exit 1 grep vx4 <(complete_words load "$option" v)
		[ "$letter" = - ] || check_exit 1 grep vx4 <(complete_words load "$letter" v)
	done < <(table | grep '^load ')
	[ $n = 12 ]
	offers 'egress ingress both' load vx4 --direction ''
	offers 'both' load vx4 --direction = b
	offers 'peek' load vx4 -H p
	offers 'tcx' load vx4 --attach = tc
	offers '' load vx4 --port ''
	offers 'a' load vx4 --uplink-netns ''
	offers 'a' load vx4 --uplink-netns = a
	# A value right behind the letter, also where bash makes more words of it.
	offers '-dboth' load vx4 -db
	offers '-Hpeek' load -Hp
	offers '-mAF41 -mAF42 -mAF43' load vx4 -mAF4
	offers 'keep' load vx4 -mEF = k
	offers 'EF' load vx4 -P10.0.0.5 : E
	offers 'vx4 vx6' load -dboth v
	offers '' status -w
	offers '' status -w1
}

test_names_of_dscps()
{
	local name

	node_add_netns a
	offers 'AF41 AF42 AF43' load vx4 --outer-dscp AF4
	offers 'EF' load vx4 --egress-map E
	# Words as bash makes them of --egress-map EF=AF41,CS1=k, and of the same with quotes.
	offers 'keep' load vx4 --egress-map EF = AF41,CS1 = k
	offers 'AF41,CS7' load vx4 --egress-map EF = AF41,CS7
	offers 'copy' load vx4 --peer-map 10.0.0.5 : co
	offers 'NQB' load vx4 --ingress-map = NQ
	offers '*=CS0,EF' load vx4 -m "'*=CS0,E"
	offers 'EF' load vx4 --peer-map 10.0.0.5 : E
	offers 'AF41,CS7' test vx4 --dscp AF41,CS7
	offers 'AF41,CS7' load vx4 -P fd00 : 7 :: /64 : EF = AF41,CS7
	offers "fd00:7::/64:*=CS0,EF" load vx4 -P "'fd00:7::/64:*=CS0,E"
	offers '' load vx4 --peer-map ''
	offers '802.1p' load vx4 --priority-map 8
	offers 'pfifo_fast,EF' load vx4 --priority-map pfifo_fast,E
	offers 'keep' load vx4 --priority-map EF = k
	offers 'keep' load vx4 --handshake-dscp k
	offers 'CS1' load vx4 --handshake-dscp = CS1
	# All that are offered exist: the complaint is about the device.
	for name in $(complete_words load vx4 -o ''); do
		check_exit 2 on a "$TOOL" load nope --outer-dscp "$name"
	done
	[ "$(complete_words load vx4 -o '' | wc -w)" = 26 ]
}

# The page as text: without the marks of scdoc.
page() { sed -e '/^;/d' -e 's/[*_\\]//g' dscp-tool/dscp-tool.8.scd; }

# synopsis COMMAND: in one line
synopsis()
{
	page | sed -n '/^# SYNOPSIS/,/^# DESCRIPTION/p' | tr '\n' ' ' |
		sed 's/dscp-tool /\n/g; s/++/ /g' | grep "^$1 "
}

# section COMMAND: the heads of its options, with an indented line below
section()
{
	page | sed -n "/^# COMMANDS/,/^# /{/^## $1\$/,/^##* /p}" |
		awk '/^\t/ && last ~ /^-/ { print last } { last = $0 }'
}

# The entries that the man page should have: "-d, --direction egress|ingress|both", "--interval
# SECONDS". All commands have --verbose and --help: these it says once, as it does --netns in front
# of a command.
test_man_page_has_each_option()
{
	local command option letter value words

	check diff <("$TOOL" help --complete | cut -d ' ' -f 1 | uniq) <(commands)
	for command in $(commands | grep -vx help); do
		synopsis "$command" >"$T/synopsis"
		while read -r _ option letter value words; do
			[[ $option != --verbose && $option != --help ]] || continue
			# A value is said by its name, but one of a few words is any of them.
			[[ $value != HOW && $value != DIRECTION ]] || value=${words// /|}
			check_grep "[[| ]$option${value:+ ${value//|/[|]}}([]| ]|\$)" cat "$T/synopsis"
			[ "$letter" = - ] || option="$letter, $option"
			echo "$option${value:+ $value}"
		done < <(table | grep "^$command ") >"$T/want"
		check diff "$T/want" <(section "$command")
		check grep -qx "## $command" <(page)
		# save has none.
		{ grep -o -e '--[a-z-]*' "$T/synopsis" || true; } |
			check diff <(grep -o -e '--[a-z-]*' "$T/want") -
	done
	for option in '-h, --help' '-v, --verbose' '-n, --netns NETNS'; do
		check grep -q -e "$option" <(page | tr '\n' ' ')
	done
}

test_devices()
{
	lone_node
	on a ip link add br0 type bridge
	offers 'eth0 peer0 vx4 vx6' load ''
	offers 'br0 eth0 peer0 vx4 vx6' load vx4 --uplink ''
	offers '' unload ''
	check on a "$TOOL" load vx6
	offers 'vx6' unload ''
	offers 'vx6' status v
	offers 'vx6' explain v
	offers 'AF41 AF42 AF43' explain vx6 --dscp AF4
	offers '' explain vx6 --to v
	offers 'vx6' monitor ''
	offers 'vx6' test ''
	check on a "$TOOL" unload --all
}

# -n in front of the command, in all forms; then devices and loaded tunnels are those over there.
test_another_network_namespace()
{
	local words

	lone_node
	node_add_netns other
	on other ip link add vx7 type vxlan id 7 remote 192.0.2.2 dstport 4789
	on other ip link add br7 type bridge
	offers '--netns' --n
	offers 'other' -n o
	offers 'other' --netns o
	offers 'a other' --netns =
	offers 'other' --netns = o
	for words in '-n other' '-nother' '--netns other' '--netns = other'; do
		# shellcheck disable=SC2086 # several words
		{
			offers 'dump-map' $words d
			offers 'both' $words load vx7 --direction b
			offers 'vx7 br7' $words load ''
			offers 'br7' $words load vx7 --uplink b
			offers '' $words unload ''
		}
	done
	offers 'other' -n other load vx7 --uplink-netns o
	check on a "$TOOL" load vx4
	check on a "$TOOL" -n other load vx7 --uplink br7
	offers 'vx7' -n other unload ''
	offers 'vx7' -n other reload ''
	offers 'vx4' reload ''
	check on a "$TOOL" unload --all
}
