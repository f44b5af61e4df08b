# Part of what installs packages: whether an archive of packages answers at all. Without that apt
# tries every package by itself, for minutes. Exit code 6: none does.
# shellcheck disable=SC2016

reach_archive() {
	# One of each host.
	urls=$(apt-get indextargets --format '$(REPO_URI)dists/$(RELEASE)/InRelease' 'Created-By: Packages' |
		grep -E '^(http|https|ftp):' | sort -u -t / -k 3,3)
	[ -n "$urls" ] || return 0
	aside=$(mktemp -d)
	for url in $urls; do
		if said=$(timeout 60 /usr/lib/apt/apt-helper -o Acquire::Retries=0 \
			-o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 -o APT::Sandbox::User=root \
			download-file "$url" "$aside/release" 2>&1); then
			url=
			break
		fi
		# Whoever answers with an error has been reached.
		case $said in *' 40'[0-9]' '*) url= ;; esac
		[ -n "$url" ] || break
		printf '%s\n' "$said" | grep '^E:' >&2
	done
	rm -rf "$aside"
	[ -z "$url" ] || exit 6
}
