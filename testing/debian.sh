# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# An empty Debian in a directory: debootstrap makes the system once, it is kept as a tarball and
# entered by chroot. The including file sets $tmp, its directory.

: "${tmp:?}"

system_cache=${DSCP_TEST_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/dscp-tool}

# sources SUITE: lines of sources.list for SUITE and its updates, as far as apt has them here
sources()
{
	# shellcheck disable=SC2016 # apt's variables
	apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
		"Created-By: Packages" "Component: main" | grep -E "^deb [^ ]+ $1(-updates|-security)? " |
		sort -u
}

# fetch_system SUITE DIR MIRROR: a mirror that fails for a moment gets a second chance.
fetch_system()
{
	local try

	for try in first second; do
		rm -rf "$2"
		debootstrap --variant=minbase "$1" "$2" "$3" && return
		echo "debootstrap's $try try has failed"
	done
	return 1
}

# make_base SUITE [MIRROR]: without MIRROR from the sources that apt has here.
make_base()
{
	local suite=$1 mirror=${2-} dir=$tmp/base

	if [ -n "$mirror" ]; then
		echo "deb $mirror $suite main" >"$tmp/sources.list"
	else
		sources "$suite" >"$tmp/sources.list"
		mirror=$(sed -n "s/^deb \([^ ]*\) $suite .*/\1/p" "$tmp/sources.list" | head -n 1)
	fi
	[ -n "$mirror" ] || { echo "apt has no source for a release \"$suite\" here"; return 1; }
	fetch_system "$suite" "$dir" "$mirror" || return
	cp "$tmp/sources.list" "$dir/etc/apt/sources.list"
	rm -f "$dir"/var/cache/apt/archives/*.deb
	tar -C "$dir" -cf "$base.$$" . && mv "$base.$$" "$base" && rm -rf "$dir"
}

# find_base SUITE [MIRROR]: sets base, a tarball; the lock is for another run with the same idea.
find_base()
{
	local status=0

	base=$system_cache/debootstrap-$1-$(dpkg --print-architecture).tar
	mkdir -p "$system_cache" && exec {lock}>"$system_cache/lock-debootstrap" && flock "$lock" ||
		return
	[ -e "$base" ] || make_base "$@" || status=1
	exec {lock}>&-
	return "$status"
}

# unpack_system TARBALL DIR: makes DIR, with apt's lists of today
unpack_system()
{
	mkdir "$2" && tar -C "$2" -xf "$1" && cp /etc/resolv.conf "$2/etc/resolv.conf" || return
	# Nothing is started in a directory.
	printf '#!/bin/sh\nexit 101\n' >"$2/usr/sbin/policy-rc.d"
	chmod 755 "$2/usr/sbin/policy-rc.d"
	# A mirror may fail for a moment, or be a snapshot of some weeks ago; its signatures count.
	printf '%s\n' 'DPkg::Lock::Timeout "600";' 'Acquire::Retries "5";' \
		'Acquire::Check-Valid-Until "false";' >"$2/etc/apt/apt.conf.d/90dscp-tool"
	in_root "$2" apt-get -q -o APT::Update::Error-Mode=any update
}

# enter OPTIONS DIR COMMAND...: DIR is a mount point there, which namespaces of the command's own
# need, and has a /proc; nothing outlives the command.
enter()
{
	# shellcheck disable=SC2016,SC2086 # for another shell; words
	unshare --mount --pid --fork --kill-child $1 sh -c '
		mount --bind "$0" "$0" && mount -t proc proc "$0/proc" && exec chroot "$0" env -i \
			PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
			DEBIAN_FRONTEND=noninteractive ${http_proxy:+"http_proxy=$http_proxy"} "$@"' "${@:2}"
}

in_root() { enter '' "$@"; }

apt_install()
{
	in_root "$1" apt-get -q -y --no-install-recommends install "${@:2}"
}
