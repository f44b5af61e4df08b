# Part of what installs packages: whether an archive of packages answers at all. Without that apt
# tries every package by itself, for minutes. Exit code 6: none does.

ask_archive() {
	# URL FILE: in a session of its own, which is ended as a whole.
	# shellcheck disable=SC2016 # for the shell of that session
	setsid sh -c 'echo $$ >"$1.pid" && exec timeout 60 /usr/lib/apt/apt-helper -o Acquire::Retries=0 \
		-o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 -o APT::Sandbox::User=root \
		download-file "$0" "$1"' "$1" "$2" >"$2.said" 2>&1 </dev/null 9>&-
}

reach_archive() {
	# One of each host.
	# shellcheck disable=SC2016 # for apt-get to expand
	urls=$(apt-get indextargets --format '$(REPO_URI)dists/$(RELEASE)/InRelease' 'Created-By: Packages' |
		sed -n '/^\(http\|https\|ftp\):/p' | sort -u -t / -k 3,3)
	[ -n "$urls" ] || return 0
	aside=$(mktemp -d)
	mkfifo "$aside/answers"
	exec 8<>"$aside/answers"
	number=0
	for url in $urls; do
		number=$((number + 1))
		file=$aside/$number
		{
			answer=no
			ask_archive "$url" "$file" && answer=yes
			# Whoever answers with an error has been reached.
			case $(cat "$file.said") in *' '[45][0-9][0-9]' '*) answer=yes ;; esac
			echo "$answer" >&8
		} &
	done
	reached=no
	while [ "$number" -gt 0 ] && [ "$reached" = no ]; do
		read -r reached <&8
		number=$((number - 1))
	done
	[ "$reached" = yes ] || sed -n '/^E:/p' "$aside"/*.said >&2
	for file in "$aside"/*.pid; do
		kill -- "-$(cat "$file")" 2>/dev/null || :
	done
	wait
	exec 8>&-
	rm -rf "$aside"
	[ "$reached" = yes ] || exit 6
}
