# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# From the output of strace to the points where a fault is injected, a line each: "NAME HOW-MANIETH
# FAULT", FAULT being KILL or an error. Calls of the dynamic loader, up to its munmap(), are left
# out; and of AddressSanitizer the begin, up to its sigaltstack(), and the memory. With only=REGEX:
# the errors and kills of calls that match, or that have a map or program with a pin that does.

# Faults that the call can really return, mostly as a short or guarded system does.
function error_of(name, line)
{
	if (name == "bpf")
		return count[name] % 2 ? "EPERM" : "ENOMEM"
	if (name in errors)
		return errors[name]
	return "ENOMEM"
}

# A change of something that outlives the process
function changes(name, line)
{
	if (line ~ /= -1 E/)
		return 0
	if (name == "bpf")
		return line ~ /BPF_(MAP_UPDATE|MAP_DELETE|OBJ_PIN|LINK_)/
	if (name == "close")
		return line in link
	if (name ~ /^send/)
		return line ~ /RTM_(NEW|DEL)/
	if (name == "openat")
		return line ~ /O_CREAT/
	return name ~ /^(mkdir|rmdir|unlink|rename|mount)$/
}

# How the map or program of a call was opened
function pin_of(line)
{
	return match(line, /(map|bpf)_fd=[0-9]+/) ? pin[substr(line, RSTART + 7, RLENGTH - 7)] : ""
}

# From many calls in a row that differ in nothing but a key, the first, the last and one in between;
# calls that come again and again around a socket or a descriptor three times.
function flush_run(   i)
{
	for (i = 1; i <= n_run; i++)
		if (n_run <= 3 || i == 1 || i == n_run || i == int(n_run / 2))
			errors_at[++n_errors] = run[i]
	n_run = 0
}

function error_point(name, line,   key)
{
	if (name ~ /^(close|munmap|brk|alarm|rt_sig.*|getrandom|uname|exit_group|ppoll)$/)
		return
	# Where that fails the kernel counts as one without TCX, and clsact is used.
	if (line ~ /BPF_PROG_QUERY/)
		return
	key = line
	sub(/,[^,]*$/, "", key)
	if (match(line, /^[a-z0-9_]+\([^,]*, \{map_fd=[0-9]+/))
		key = substr(line, 1, RLENGTH)
	if (key != last)
		flush_run()
	last = key
	if (name ~ /^(setsockopt|bind|getsockname|newfstatat|fcntl|mprotect|statfs)$/ &&
	    ++often[name] > 3)
		return
	run[++n_run] = name " " count[name] " " error_of(name, line)
}

BEGIN {
	n = split("openat ENFILE read EIO unlink EPERM rmdir EBUSY socket ENFILE " \
		  "getsockname ENOBUFS sendto ENOBUFS sendmsg ENOBUFS recvmsg ENOBUFS " \
		  "recvfrom ENOBUFS fcntl EMFILE dup3 EMFILE flock ENOLCK capget EPERM " \
		  "ioctl EPERM mount EPERM setns EPERM clock_nanosleep EINTR write EIO " \
		  "prlimit64 EPERM", words)
	for (i = 1; i < n; i += 2)
		errors[words[i]] = words[i + 1]
	dirty = only == ""
}

# Calls of AddressSanitizer so far are none of the tool's.
/^sigaltstack\(\{/ {
	sanitized = 1
	n_run = n_errors = n_kills = 0
	dirty = only == ""
	last = ""
}

!/^[a-z0-9_]+\(/ { next }

{
	name = substr($0, 1, index($0, "(") - 1)
	count[name]++
	if (name == "munmap" && !started) {
		started = 1
		next
	}
	if (!started || name == "ppoll" || (sanitized && name ~ /^(mmap|madvise|sigaltstack)$/))
		next
	if (dirty)
		kills[++n_kills] = name " " count[name] " KILL"
	dirty = 0
	wanted = only == "" || ($0 " " pin_of($0)) ~ only
	if (wanted)
		error_point(name, $0)
	fd = $0
	sub(/.*= /, "", fd)
	if (/OBJ_GET/)
		pin[fd] = $0
	if (/LINK_CREATE|OBJ_GET.*hooks/ && fd ~ /^[0-9]+$/)
		link["close(" fd ")"] = 1
	line = $0
	if (name == "close")
		sub(/\).*/, ")", line)
	if (wanted && changes(name, line))
		dirty = 1
}

END {
	flush_run()
	for (i = 1; i <= n_errors; i++)
		print errors_at[i]
	for (i = 1; i <= n_kills; i++)
		print kills[i]
}
