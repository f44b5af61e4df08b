# Puts a build into a color's folders, each swapped in whole.
# arguments: COLOR RELEASE (the release line but for the binary's size).
# stdin: the build's tar (backend/, frontend/, mcp-server/).
set -eu
LC_ALL=C
export LC_ALL
color=$1
release=$2
opt=/opt/vikunja
umask 022
staging=$opt/.staging-$color
rm -rf "$staging"
# A disk that was too small for it has its room again.
trap 'rm -rf "$staging"' EXIT
mkdir -p "$staging" "$opt/backend" "$opt/mcp-server" "$opt/frontend"
tar -xf - --no-same-owner --no-same-permissions -C "$staging"
[ -f "$staging/backend/vikunja" ] || {
	echo 'the build holds no backend/vikunja' >&2
	exit 1
}
chmod 755 "$staging/backend/vikunja"
size=$(stat -c %s "$staging/backend/vikunja")
printf '%s %s\n' "$release" "$size" >"$staging/backend/.release"
mkdir -p "$staging/mcp-server" "$staging/frontend"
cp "$staging/backend/.release" "$staging/mcp-server/.release"
# What is released, for release-files.sh.
(
	cd "$staging"
	find backend frontend mcp-server -type f -print0 | xargs -0 sha256sum --
	find backend frontend mcp-server ! -type d -printf "%p\t%H/$color/%P\t%y %m %U:%G %s\t%T@\t%l\n"
) | awk -F '\t' -v OFS='\t' '
	NF == 1 { digest[substr($0, 67)] = substr($0, 1, 64); next }
	{ print $2, $3, $4, ($1 in digest) ? digest[$1] : $5 }' >"$staging/.files"
mv "$staging/.files" "$staging/backend/.files"
sync -f "$staging"
# Without its release line the color counts as empty: a kill between two moves is mended.
rm -f "$opt/backend/$color/.release"
# Whatever happens now, its services have not taken up what comes.
rm -f "/var/lib/vikunja-deploy/stamps/vikunja-backend@$color.service" \
	"/var/lib/vikunja-deploy/stamps/vikunja-mcp@$color.service"
for part in mcp-server frontend backend; do
	rm -rf "$staging/old"
	if [ -e "$opt/$part/$color" ]; then mv -T "$opt/$part/$color" "$staging/old"; fi
	mv -T "$staging/$part" "$opt/$part/$color"
done
sync -f "$opt"
