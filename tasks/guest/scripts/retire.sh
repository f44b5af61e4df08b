# What serves does not start any more with the container. Behind lifecycle.sh. arguments: UNIT…
# stdout: what was enabled. Where it fails, that is enabled again.
undo_restart
was=
for unit in "$@"; do
	case $(systemctl is-enabled -- "$unit" 2>/dev/null) in enabled*) was="$was $unit" ;; esac
done
left=
for unit in "$@"; do
	# One that is not there is disabled enough.
	systemctl -q disable -- "$unit" 2>/dev/null
	case $(systemctl is-enabled -- "$unit" 2>/dev/null) in enabled*) left="$left $unit" ;; esac
done
[ -z "$left" ] || {
	# shellcheck disable=SC2086 # names of units
	systemctl -q enable -- $was
	fail 1 "still enabled:$left"
}
printf '%s\n' "$was"
