# Installs what of these Debian packages is missing in the builder; arguments: their names. For sh,
# behind reach.sh. What apt and dpkg say is one report. Exit code 6: no archive of packages answers.
set -eu
exec >&2
missing=
for name; do
	status=$(dpkg-query --show --showformat='${db:Status-Status}' "$name" 2>/dev/null) || status=
	[ "$status" = installed ] || missing="$missing $name"
done
[ -n "$missing" ] || exit 0
export DEBIAN_FRONTEND=noninteractive
dpkg --configure -a
reach_archive
# Of a root file system that was made today, they are there.
mark=/var/lib/apt/lists/.vikunja-deploy
[ -n "$(find "$mark" -mmin -720 2>/dev/null)" ] || apt-get update --quiet=2 || :
# shellcheck disable=SC2086 # package names have no blanks: the splitting is meant
apt-get install --quiet=2 --yes --no-install-recommends \
	-o DPkg::Options::=--force-unsafe-io \
	-o DPkg::Options::=--path-exclude=/usr/share/doc/* \
	-o DPkg::Options::=--path-exclude=/usr/share/man/* \
	-o Acquire::Languages=none -- $missing
apt-get clean
