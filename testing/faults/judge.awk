# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# Judges the lines of `tcpdump -nv` about VXLAN packets: does each have a DSCP that it may have? The
# inner port says when it was sent: the first digit is the phase, the rest the number of the point.
# old, new: "FROM=TO..." with numbers, "*=TO", "identity" or "none", of the load before and after

function parse(text, map,   n, words, pair, i, d)
{
	for (d = 0; d < 64; d++)
		map[d] = text == "none" ? 0 : d
	n = split(text, words, ",")
	for (i = 1; i <= n; i++)
		if (split(words[i], pair, "=") == 2)
			for (d = 0; d < 64; d++)
				if (pair[1] == "*" || pair[1] == d)
					map[d] = pair[2]
}

function allowed(phase, inner, outer)
{
	if (phase == 1) # status said: broken
		return outer == 0 || outer == before[inner] || outer == after[inner]
	if (phase == 2) # healthy
		return outer == before[inner] || outer == after[inner]
	if (phase == 4) # the command was given again
		return outer == after[inner]
	return outer == 0 # not loaded
}

BEGIN {
	digits = "0123456789abcdef"
	parse(old, before)
	parse(new, after)
}

{
	for (i = 1; i < NF; i++)
		if ($i == "(tos") {
			# Both headers, whichever line they are on
			high = index(digits, substr($(i + 1), 3, 1)) - 1
			low = index(digits, substr($(i + 1), 4, 1)) - 1
			if (substr($(i + 1), 4, 1) == ",") { # one digit: 0x0
				low = high
				high = 0
			}
			tos[++n] = high * 4 + int(low / 4)
		}
}

/ > 10\.0\.4\.2\.[0-9]+: / {
	port = $0
	sub(/.* > 10\.0\.4\.2\./, "", port)
	sub(/:.*/, "", port)
	if (n == 2) {
		judged++
		if (!allowed(int(port / 10000), tos[2], tos[1]))
			wrong[port] = "inner DSCP " tos[2] ", outer " tos[1]
	}
	n = 0
}

END {
	for (port in wrong)
		print "point " port % 10000 ": phase " int(port / 10000) ": " wrong[port]
	print judged + 0 " packets judged" >"/dev/stderr"
}
