# Reads logs of this container. Arguments: LINES SINCE FOLLOW, then NAME PLACE of each.
#   LINES: the newest so many of each, `all` for all · SINCE: seconds of the epoch, 0 for ever
#   FOLLOW: yes or no · PLACE: a file, or `journal:UNIT`
# Each line comes as `NAME<tab>line`. What was rotated away is read too, where it is young enough.
set -fu
LC_ALL=C.UTF-8
export LC_ALL
lines=$1
since=$2
follow=$3
shift 3

newest() {
	if [ "$lines" = all ]; then cat; else tail -n "$lines"; fi
}

# Of a file and of what was rotated away, oldest first, the text; only what was written since then.
whole() {
	for file in "$1.5.gz" "$1.4.gz" "$1.3.gz" "$1.2.gz" "$1.1.gz" "$1.1" "$1"; do
		[ -f "$file" ] || continue
		[ "$(stat -c %Y "$file")" -lt "$since" ] || zcat -f -- "$file"
	done
}

past() {
	case $1 in
	journal:*) journalctl -q --no-pager -o short-iso --since "@$since" -u "${1#journal:}" | newest ;;
	*) whole "$1" | newest ;;
	esac
}

current() {
	case $1 in
	journal:*) journalctl -q --no-pager -o short-iso -f -n 0 -u "${1#journal:}" ;;
	*) tail -q -n 0 -F -- "$1" ;;
	esac
}

while [ $# -gt 1 ]; do
	name=$1
	place=$2
	shift 2
	past "$place" 2>/dev/null | sed "s/^/$name	/"
	[ "$follow" = no ] || current "$place" 2>/dev/null | sed -u "s/^/$name	/" &
done
printf 'past\n'
wait
