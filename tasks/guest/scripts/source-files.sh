# What of another installation is read, on POSIX sh and what busybox has. Arguments: ACTION, then
#   files LIMIT PATTERN…   a tar of the files that are no larger; one that may not be read is said
#   sizes PATH…            SIZE<tab>PATH
#   folder PATH            FILES<tab>BYTES, nothing where there is none
#   version PROGRAM        what it says
#   processes              names, a line each
set -u
LC_ALL=C
export LC_ALL

case $1 in
files)
	limit=$2
	shift 2
	IFS=
	for pattern in "$@"; do
		for file in $pattern; do
			[ -f "$file" ] || continue
			[ -r "$file" ] || {
				printf 'unreadable\t%s\n' "$file" >&2
				exit 7
			}
			[ "$(stat -L -c %s "$file")" -gt "$limit" ] || printf '%s\n' "$file"
		done
	done | sort -u | tar -chf - -T - 2>/dev/null
	;;
sizes)
	shift
	for file in "$@"; do
		[ ! -f "$file" ] || printf '%s\t%s\n' "$(stat -L -c %s "$file")" "$file"
	done
	;;
folder)
	[ -d "$2" ] || exit 0
	find -L "$2" -type f -exec stat -L -c %s {} + |
		awk '{ files++; bytes += $1 } END { printf "%d\t%d\n", files, bytes }'
	;;
version)
	cd / && timeout 20 "$2" version 2>/dev/null </dev/null
	;;
processes)
	cat /proc/[0-9]*/comm 2>/dev/null | sort -u
	;;
esac
