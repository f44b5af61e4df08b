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

[ -z "$(find /var/lib/dpkg/updates -type f)" ] || dpkg --configure -a
reach_archive
# The mark alone says nothing: somebody may have emptied the folder but for hidden files.
if [ -z "$(find "$lists" -maxdepth 1 -name '*_Packages*' -print -quit)" ] ||
	! [ -e "$lists/.vikunja-deploy" ] || [ -n "$(find "$lists/.vikunja-deploy" -mmin +720)" ]; then
	# A source that fails keeps nobody from what the others have.
	if apt update; then touch "$lists/.vikunja-deploy"; fi
fi
apt -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
	-y --no-install-recommends install -- "$@"
