# A source of Debian packages on the lab's network, on port 8080, suite `lab`, with PostgreSQL's client
# programs of this container's Debian for an older one: with the libraries that they need. Its key is on
# stdout.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -q -y --no-install-recommends install apt-utils dpkg-dev gpg gpg-agent python3-minimal \
	libpython3-stdlib >&2
number=$(pg_lsclusters -h | awk '{ print $1; exit }')
root=/root/package
bin=/usr/lib/postgresql/$number/bin
private=/usr/lib/postgresql/$number/private
rm -rf "$root"
mkdir -p "$root/DEBIAN" "$root$bin" "$root$private"
for program in psql pg_dump pg_restore pg_isready; do
	cp "$bin/$program" "$root$private/"
	ldd "$bin/$program" | sed -n 's/.* => \(\/[^ ]*\) .*/\1/p; s/^[[:blank:]]*\(\/[^ ]*\) .*/\1/p' |
		xargs -I{} cp -Lu {} "$root$private/"
	printf '#!/bin/sh\nexec %s/ld-linux-x86-64.so.2 --library-path %s %s/%s "$@"\n' \
		"$private" "$private" "$private" "$program" >"$root$bin/$program"
	chmod 0755 "$root$bin/$program"
done
cat >"$root/DEBIAN/control" <<CONTROL
Package: postgresql-client-$number
Version: $number.0-0lab1
Architecture: amd64
Maintainer: lab <lab@example.com>
Description: PostgreSQL's client programs for an older Debian
CONTROL
# What is not named must not come from here, however new it is.
mkdir -p /root/other/DEBIAN
sed "s/^Package: .*/Package: curl/; s/^Version: .*/Version: 99.0/" "$root/DEBIAN/control" \
	>/root/other/DEBIAN/control
folder=/srv/packages
mkdir -p "$folder/pool" "$folder/dists/lab/main/binary-amd64"
for tree in "$root" /root/other; do
	dpkg-deb --root-owner-group -Zgzip -z1 --build "$tree" "$folder/pool" >&2
done
cd "$folder"
apt-ftparchive packages pool >dists/lab/main/binary-amd64/Packages
apt-ftparchive -o APT::FTPArchive::Release::Suite=lab -o APT::FTPArchive::Release::Codename=lab \
	-o APT::FTPArchive::Release::Components=main release dists/lab >/tmp/Release
GNUPGHOME=/root/signing
export GNUPGHOME
if [ ! -e "$GNUPGHOME" ]; then
	install -d -m 0700 "$GNUPGHOME"
	gpg --batch --quiet --passphrase '' --quick-generate-key 'lab <lab@example.com>' rsa3072 sign never >&2
fi
gpg --batch --quiet --yes --clearsign --output dists/lab/InRelease /tmp/Release >&2
systemctl -q is-active lab-packages ||
	systemd-run --quiet --unit=lab-packages python3 -m http.server 8080 --directory "$folder"
gpg --batch --armor --export
