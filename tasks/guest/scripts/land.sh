# Brings files, folders, links, secrets and users about, each atomically, in the order given.
# Behind kept-proxy.sh. stdin: a tar stream whose member `operations` holds one operation a line,
# fields parted by tabs, and whose members 0, 1, 2 … hold contents. stdout: `done <number>` after each
# operation.
set -fu
LC_ALL=C
export LC_ALL
umask 077
tab='	'
newline='
'
home=/var/lib/vikunja-deploy
mkdir -p "$home/stamps" || exit 1
set +f
# The latter two by earlier versions of vikunja-deploy.
rm -rf "$home"/landing.* "$home/before" "$home/nginx-before"
set -f
landing=$(mktemp -d "$home/landing.XXXXXX") || exit 1
trap 'rm -rf "$landing"' EXIT
tar -xf - -C "$landing" || exit 1

fail() {
	printf '%s\n' "$*" >&2
	exit 1
}
aside_of() { printf '%s/.%s.vikunja-deploy' "${1%/*}" "${1##*/}"; }
put_aside() {
	if [ -L "$1" ] || [ -e "$1" ]; then
		mv -T "$1" "$1.replaced-$(date +%s)-$$"
	fi
}
own() { chown -h "$2:$3" "$4" && chmod "$1" "$4"; }
make_way() { # path: the folder that it is in
	[ -z "${1%/*}" ] || [ -d "${1%/*}" ] || (umask 022 && mkdir -p "${1%/*}")
}
move_in() { # mode owner group from to
	own "$1" "$2" "$3" "$4" || return 1
	if [ -d "$5" ] && [ ! -L "$5" ]; then put_aside "$5" || return 1; fi
	sync "$4" && mv -fT "$4" "$5"
}
note_secret() { # path: a digest by which noted-secret.sh tells it from another one
	if [ ! -s "$home/noted.key" ]; then
		od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$home/noted.key.new" || return 1
		sync "$home/noted.key.new" && mv -fT "$home/noted.key.new" "$home/noted.key" || return 1
	fi
	mkdir -p "$home/noted${1%/*}" || return 1
	digest=$(cat "$home/noted.key" "$1" "$home/noted.key" | sha256sum) || return 1
	printf '%s\n' "${digest%% *}" >"$home/noted$1.new" && mv -fT "$home/noted$1.new" "$home/noted$1"
}
land_file() { # number mode owner group path
	aside=$(aside_of "$5")
	make_way "$5" || return 1
	rm -f "$aside"
	cp "$landing/$1" "$aside" && move_in "$2" "$3" "$4" "$aside" "$5"
}
land_directory() { # mode owner group path
	if [ -e "$4" ] || [ -L "$4" ]; then
		if [ ! -d "$4" ] || [ -L "$4" ]; then put_aside "$4" || return 1; fi
	fi
	(umask 022 && mkdir -p "$4") && own "$1" "$2" "$3" "$4"
}
land_link() { # target path
	aside=$(aside_of "$2")
	rm -f "$aside"
	if [ -d "$2" ] && [ ! -L "$2" ]; then put_aside "$2" || return 1; fi
	ln -s "$1" "$aside" && mv -fT "$aside" "$2"
}
land_absent() { # path
	if [ -d "$1" ] && [ ! -L "$1" ]; then put_aside "$1"; else rm -f "$1"; fi
}
land_aside() { # path
	put_aside "$1"
}
land_secret() { # mode owner group path
	aside=$(aside_of "$4")
	if [ -L "$4" ] && [ -f "$4" ] && [ -s "$4" ]; then
		# Moved elsewhere and linked: the value is kept, the file comes back.
		rm -f "$aside"
		cp "$4" "$aside" && move_in "$1" "$2" "$3" "$aside" "$4"
	elif [ ! -f "$4" ] || [ ! -s "$4" ]; then
		rm -f "$aside"
		od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$aside" || return 1
		[ "$(wc -c <"$aside")" = 48 ] || return 1
		printf '\n' >>"$aside"
		move_in "$1" "$2" "$3" "$aside" "$4"
	else
		own "$1" "$2" "$3" "$4"
	fi && note_secret "$4"
}
land_note() { # path: of a secret that was made before any was noted, or restored
	[ -e "$home/noted$1" ] || [ ! -f "$1" ] || note_secret "$1"
}
land_user() { # name home shell
	if getent passwd "$1" >/dev/null; then
		usermod --home "$2" --shell "$3" "$1"
	else
		group=--user-group
		if getent group "$1" >/dev/null; then group="--gid $1"; fi
		# shellcheck disable=SC2086 # an option and its argument
		useradd --system $group --home-dir "$2" --no-create-home --shell "$3" "$1"
	fi
}
land_unstamp() { rm -f "$home/stamps/$1"; } # unit

operations=$(cat "$landing/operations") || exit 1
settle_proxy || fail "the proxy's files of before could not be put back"
case $operations in
*"$tab/etc/nginx/"* | *"$tab/etc/vikunja/tls/"*)
	keep_proxy || fail "cannot keep a copy of the proxy's files"
	;;
esac
number=0
IFS=$newline
for operation in $operations; do
	IFS=$tab
	# shellcheck disable=SC2086 # the fields of one operation
	set -- $operation
	unset IFS
	verb=$1
	shift
	"land_$verb" "$@" </dev/null || fail "cannot land: $verb $*"
	printf 'done %s\n' "$number"
	number=$((number + 1))
	IFS=$newline
done
