# A source of packages below /srv/updates, as Debian's own for security but for its key, with a newer version
# of the C library: the same, with another number.
set -eu
export DEBIAN_FRONTEND=noninteractive
folder=/srv/updates
rm -rf "$folder"
mkdir -p "$folder"
cd "$folder"
apt-get -q update >&2
# Of _apt, who may write nowhere here.
chmod 0777 "$folder"
apt-get -q download libc6 >&2
dpkg-deb -R libc6_*.deb tree
rm libc6_*.deb
sed -i 's/^Version: .*/&+lab1/' tree/DEBIAN/control
dpkg-deb --root-owner-group -Zgzip -z1 --build tree . >&2
rm -r tree
for package in *.deb; do
	dpkg-deb -f "$package"
	printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$package" "$(stat -c %s "$package")" \
		"$(sha256sum <"$package" | cut -c 1-64)"
done >Packages
codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
cat >Release <<RELEASE
Origin: Debian
Label: Debian-Security
Suite: stable-security
Codename: $codename-security
Date: $(date -Ru)
SHA256:
 $(sha256sum <Packages | cut -c 1-64) $(stat -c %s Packages) Packages
RELEASE
echo "deb [trusted=yes] file:$folder ./" >/etc/apt/sources.list.d/lab.list
