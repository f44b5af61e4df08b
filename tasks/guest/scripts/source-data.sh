# The data of another installation, on POSIX sh and what busybox has; the same at either end.
# Arguments: ACTION, then
#   list FOLDER             SIZE<tab>SECONDS<tab>NAME of every file
#   send FOLDER             a tar of the files that are named on stdin, a line each
#   digests FOLDER          sha256sum of those
#   copy FILE…              a tar of the files that are there, without their folders
#   marks FILE…             SIZE<tab>SECONDS<tab>NAME of those that are there
#   open FILE…              PID<tab>PROGRAM of processes that have one of them open
#   take FOLDER NAME        a dump from stdin, in a new folder, whose tables are written later
#   extract FOLDER          a tar from stdin, in a new folder
#   write FILE              stdin
#   running UNIT            `yes` or `no`
#   stop UNIT               stops it and says `stopped`; starts it again unless it is told `keep`
#                           before its input ends
set -u
LC_ALL=C
export LC_ALL

about() {
	# FILE…
	stat -L -c '%s	%Y	%n' "$@"
}

action=$1
shift
case $action in
list)
	[ -d "$1" ] || exit 0
	cd "$1" && find . -type f | sed 's|^\./||' | while IFS= read -r name; do
		printf '%s\n' "$name"
	done | tr '\n' '\0' | xargs -0 -r stat -L -c '%s	%Y	%n'
	;;
send)
	cd "$1" && tar -cf - -T -
	;;
digests)
	cd "$1" && tr '\n' '\0' | xargs -0 -r sha256sum
	;;
copy)
	# Each from its own folder, so that names alone are in it.
	folder=$(dirname "$1")
	names=
	for file in "$@"; do
		[ ! -f "$file" ] || names="$names$(basename "$file")
"
	done
	cd "$folder" && printf '%s' "$names" | tar -chf - -T -
	;;
marks)
	for file in "$@"; do
		[ ! -f "$file" ] || about "$file"
	done
	;;
open)
	for file in "$@"; do
		[ ! -e "$file" ] || find -L /proc/[0-9]*/fd -maxdepth 1 -samefile "$file" 2>/dev/null
	done | cut -d / -f 3 | sort -u | while IFS= read -r process; do
		printf '%s\t%s\n' "$process" "$(cat "/proc/$process/comm" 2>/dev/null)"
	done
	;;
take)
	umask 077
	rm -rf "$1" && mkdir -p "$1" && : >"$1/apart.tsv" && cat >"$1/$2"
	;;
extract)
	umask 077
	rm -rf "$1" && mkdir -p "$1" && tar -xf - -C "$1" --no-same-owner
	;;
write)
	umask 077
	cat >"$1"
	;;
running)
	if systemctl is-active --quiet -- "$1"; then echo yes; else echo no; fi
	;;
stop)
	trap '' HUP
	systemctl stop -- "$1" || exit 1
	echo stopped
	word=
	IFS= read -r word || :
	[ "$word" = keep ] || systemctl start -- "$1"
	;;
esac
