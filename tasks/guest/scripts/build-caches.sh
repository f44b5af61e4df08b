# What builds leave at their place: which toolchains one used, and that no others stay than those of
# builds that are kept. Run as the build's user, in its environment. Arguments: ACTION HOME, then
#   note KEY TREE [FOLDER…]   the build of this key used these folders, and the Go that TREE asks for
#   prune LIMIT [KEY…]        toolchains that no build of these keys has used go, and all caches once
#                             they are larger than LIMIT MB; says what went
# A toolchain is there or not: what goes is put aside as a whole before it is removed.
set -eu
LC_ALL=C
export LC_ALL
action=$1 home=$2 store=$2/toolchains
notes=$store/.used gone=$store/.gone modules=${GOMODCACHE:-$2/go/pkg/mod}
mkdir -p "$notes"
shift 2

put_aside() {
	# PATH
	# A folder that may not be written does not move.
	[ ! -d "$1" ] || chmod u+w "$1"
	mkdir -p "$gone"
	mv -T -- "$1" "$gone/$(basename "$1").$(find "$gone" -mindepth 1 -maxdepth 1 | wc -l)"
}

remove() {
	[ ! -e "$gone" ] || chmod -R u+w "$gone"
	rm -rf "$gone"
}

note() {
	# KEY TREE [FOLDER…]
	key=$1 tree=$2
	shift 2
	# Go's own fetched one is known only to Go.
	go=$(cd "$tree" && go env GOROOT 2>/dev/null) || go=
	printf '%s\n' "$go" "$@" >"$notes/.new"
	mv "$notes/.new" "$notes/$key"
}

unused() {
	# KEY…: paths of toolchains that none of them has used
	for note in "$notes"/*; do
		case " $* " in
		*" ${note##*/} "*) ;;
		*) rm -f "$note" ;;
		esac
	done
	for folder in "$store"/* "$modules"/golang.org/toolchain@*; do
		! ours "$folder" || grep -rqFx -e "$folder" -e "$folder/bin" "$notes" || printf '%s\n' "$folder"
	done
}

ours() {
	# PATH: it is there, and below the home: others are somebody else's
	case $1 in "$home"/*) [ -e "$1" ] ;; *) false ;; esac
}

caches() {
	# Paths of what is fetched or compiled anew where it is missing; Go's toolchains among its modules
	# are told apart.
	for path in "${GOCACHE:-}" "${npm_config_cache:-}" "${npm_config_store_dir:-}" \
		"$modules"/* "$modules"/cache/* "$modules"/cache/download/* \
		"$modules"/golang.org/* "$modules"/cache/download/golang.org/*; do
		case ${path#"$modules/"} in
		cache | cache/download | golang.org | cache/download/golang.org) ;;
		golang.org/toolchain@* | cache/download/golang.org/toolchain | cache/lock) ;;
		*) ! ours "$path" || printf '%s\n' "$path" ;;
		esac
	done
}

prune() {
	# LIMIT [KEY…]
	limit=$1
	shift
	# Left by one that was killed.
	remove
	unused "$@" | while IFS= read -r folder; do
		put_aside "$folder"
		echo "${folder##*/}"
	done
	# What a toolchain was unpacked from; Go asks for its digest only.
	! ours "$modules" || rm -f "$modules"/cache/download/golang.org/toolchain/@v/*.zip
	size=$(caches | while IFS= read -r path; do du -sm -- "$path"; done |
		awk '{ sum += $1 } END { print sum + 0 }')
	if [ "$size" -gt "$limit" ]; then
		caches | while IFS= read -r path; do put_aside "$path"; done
		echo "caches of $size MB"
	fi
	remove
}

"$action" "$@"
