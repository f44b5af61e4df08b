# What serves does not start any more with the container. Behind common.sh. arguments: UNIT…
settle
left=
for unit in "$@"; do
  # One that is not there is disabled enough.
  systemctl -q disable -- "$unit" 2>/dev/null
  case $(systemctl is-enabled -- "$unit" 2>/dev/null) in enabled*) left="$left $unit" ;; esac
done
[ -z "$left" ] || fail 1 "still enabled:$left"
