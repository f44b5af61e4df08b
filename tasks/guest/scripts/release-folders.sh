# How a release comes into a color's folders, each swapped in whole.
set -eu
LC_ALL=C
export LC_ALL
umask 022
opt=/opt/vikunja

stage() {
	# COLOR: an empty folder to make it in; a disk that was too small for it has its room again.
	staging=$opt/.staging-$1
	rm -rf "$staging"
	trap 'rm -rf "$staging"' EXIT
	mkdir -p "$staging" "$opt/backend" "$opt/mcp-server" "$opt/frontend"
}

note() {
	# COLOR: what is released, for release-files.sh.
	(
		cd "$staging"
		rm -f backend/.files
		find backend frontend mcp-server -type f -print0 | xargs -0 sha256sum --
		find backend frontend mcp-server ! -type d -printf "%p\t%H/$1/%P\t%y %m %U:%G %s\t%T@\t%l\n"
	) | awk -F '\t' -v OFS='\t' '
		NF == 1 { digest[substr($0, 67)] = substr($0, 1, 64); next }
		{ print $2, $3, $4, ($1 in digest) ? digest[$1] : $5 }' >"$staging/.files"
	mv "$staging/.files" "$staging/backend/.files"
}

swap_in() {
	# COLOR: what was staged
	note "$1"
	sync -f "$staging"
	# Without its release line the color counts as empty: a kill between two moves is mended.
	rm -f "$opt/backend/$1/.release"
	# Whatever happens now, its services have not taken up what comes.
	rm -f "/var/lib/vikunja-deploy/stamps/vikunja-backend@$1.service" \
		"/var/lib/vikunja-deploy/stamps/vikunja-mcp@$1.service"
	for part in mcp-server frontend backend; do
		rm -rf "$staging/old"
		if [ -e "$opt/$part/$1" ]; then mv -T "$opt/$part/$1" "$staging/old"; fi
		mv -T "$staging/$part" "$opt/$part/$1"
	done
	sync -f "$opt"
}
