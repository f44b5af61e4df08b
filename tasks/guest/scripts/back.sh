# After a failure before the switch was confirmed: the color of before serves, the other rests.
# Behind the guard, health.sh, color.sh and kept-proxy.sh. arguments: COLOR (of before) PORT (of its
# backend) UNIT… (of the other color). Exit codes: 12 it does not serve · 13 the switch was confirmed,
# the other serves.
set -u
LC_ALL=C
export LC_ALL
color=$1 port=$2
shift 2
home=/var/lib/vikunja-deploy
undo_switch || exit 12
[ "$(serving)" = "$color" ] || {
	echo "nginx passes requests to $(serving)" >&2
	exit 13
}
if [ -d "$kept" ]; then
	# It may have been landed for the other color: another name, other limits.
	put_proxy_back && { ! systemctl -q is-active nginx.service || systemctl reload nginx.service; } || exit 12
fi
for unit in "$@"; do
	rm -f "$home/stamps/$unit"
	systemctl -q disable -- "$unit" 2>/dev/null
	systemctl stop -- "$unit"
	systemctl reset-failed -- "$unit" 2>/dev/null
done
health_backend "$port" - 10 >/dev/null || exit 12
