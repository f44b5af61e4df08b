# Puts a build into a color's folders. Behind release-folders.sh.
# arguments: COLOR RELEASE (the release line but for the binary's size).
# stdin: the build's tar (backend/, frontend/, mcp-server/).
color=$1
release=$2
stage "$color"
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
swap_in "$color"
