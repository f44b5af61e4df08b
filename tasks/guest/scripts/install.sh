# Installs Debian packages; arguments: their names. Services are not started by it: their
# configuration comes after, and starting them is a step of its own.
set -eu
LC_ALL=C.UTF-8
DEBIAN_FRONTEND=noninteractive
export LC_ALL DEBIAN_FRONTEND
policy=/usr/sbin/policy-rc.d
lists=/var/lib/apt/lists

apt() {
	apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=2 -q "$@"
}

printf '#!/bin/sh\nexit 101\n' >"$policy.new"
chmod 755 "$policy.new"
mv -f "$policy.new" "$policy"
trap 'rm -f "$policy"' EXIT
trap 'exit 1' HUP INT TERM PIPE

# Further sources, from which some of the packages come.
ours=/etc/apt/sources.list.d/vikunja-deploy.sources
said=$(mktemp)
trap 'rm -f "$policy" "$said" "$said.hosts"' EXIT

pins=/etc/apt/preferences.d/vikunja-deploy

comes_from_there() {
	# PACKAGE: whether it is there, where it is to come from one of them.
	sed -n 's/^Package: //p' "$pins" | tr ' ' '\n' | grep -qxF -- "$1" || return 0
	apt-cache policy -- "$1" | grep -q ' 900$'
}

refuse_shared_host() {
	# What keeps all else of a source out goes by its host.
	# shellcheck disable=SC2016 # for apt-get to expand
	theirs=$(apt-get indextargets --format '$(SITE) $(SOURCESENTRY)' 'Created-By: Packages')
	for site in $(printf '%s\n' "$theirs" | sed -n "s|^\([^ ]*\) $ours:.*|\1|p" | sort -u); do
		if printf '%s\n' "$theirs" | grep -F "$site " | grep -qv " $ours:"; then
			echo "$site of system.apt_sources is where other packages of the container come from, too: those would be kept out. Use another mirror of it" >&2
			exit 8
		fi
	done
}

if [ -e "$ours" ]; then refuse_shared_host; fi
# Of a dpkg that was killed; or of one that is at work, which apt waits for.
[ -z "$(find /var/lib/dpkg/updates -type f)" ] || apt install || dpkg --configure -a
reach_archive
# The mark alone says nothing: somebody may have emptied the folder but for hidden files.
fresh=
update() {
	fresh=yes
	# A source that fails keeps nobody from what the others have.
	if apt update 2>"$said"; then touch "$lists/.vikunja-deploy"; fi
	cat "$said" >&2
}

if [ -z "$(find "$lists" -maxdepth 1 -name '*_Packages*' -print -quit)" ] ||
	! [ -e "$lists/.vikunja-deploy" ] || [ -n "$(find "$lists/.vikunja-deploy" -mmin +720)" ]; then
	update
fi
if [ -e "$ours" ]; then
	for name in "$@"; do
		if comes_from_there "$name"; then continue; fi
		# Of before there was that source, or the key of it.
		[ -n "$fresh" ] || update
		if comes_from_there "$name"; then continue; fi
		sed -n 's/^URIs: //p' "$ours" | tr ' ' '\n' | sed 's|^[a-z]*://||; s|/.*||' >"$said.hosts"
		why=$(sed -n 's/^[WE]: //p' "$said" | grep -F -f "$said.hosts" | head -n 1)
		echo "$name is not to be had from system.apt_sources${why:+: $why}" >&2
		exit 8
	done
fi
install() {
	apt -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
		-y --no-install-recommends install -- "$@"
}

case " $* " in
*' unattended-upgrades '*)
	# By itself it is to do nothing: who wants it, and when, has a timer of ours.
	echo 'unattended-upgrades unattended-upgrades/enable_auto_updates boolean false' |
		debconf-set-selections
	;;
esac
install "$@" || {
	# What the lists say may be there no longer.
	[ -z "$fresh" ] || exit 100
	update
	install "$@"
}
