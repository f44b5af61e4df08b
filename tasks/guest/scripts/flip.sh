# Lets nginx pass requests to another color, watches what it answers, and goes back on trouble.
# Behind the guard, health.sh, color.sh and proxy-log.sh. arguments:
#   COLOR PORT VERSION MCP_PORT   what is to serve; VERSION, MCP_PORT `-`: any, none
#   OLD_PORT                      of the backend that serves until now
#   SITE                          scheme, name and port
#   SECONDS                       how long it is watched
# A dead man's switch is armed first. Where the color of before can serve, it goes off unless
# confirm.sh comes in time: then `confirm` is the last line of stdout.
# Exit codes: 11 the color of before serves again · 12 going back failed
set -u
LC_ALL=C
export LC_ALL
color=$1 port=$2 version=$3 mcp=$4 old_port=$5 site=$6 seconds=$7
home=/var/lib/vikunja-deploy
old=blue
[ "$color" = green ] || old=green
mkdir -p "$home" || exit 1

answers() { # failed requests and all of them that this color answered, from a log on stdin
	awk -F '"' -v color="$1" '
		{ split($3, status, " "); split($NF, tail, " ") }
		tail[2] == color && !(status[1] == 503 && tail[3] == "-") {
			all++
			if (status[1] >= 500 && status[1] != 501) failed++
		}
		END { print failed + 0, all + 0 }'
}
well() {
	_health_backend_once "$port" "$version" &&
		{ [ "$mcp" = - ] || _health_mcp_once "$mcp"; } &&
		_health_site_once "$site" 127.0.0.1
}
erring() {
	# shellcheck disable=SC2046 # two numbers
	set -- $(since_mark | answers "$color")
	seen="$1 of $2 requests failed since the switch"
	[ "$1" -ge 5 ] && [ $(($1 * 1000)) -gt $(($2 * (usual + 50))) ]
}
go_back() {
	printf '%s\n' "$1" >&2
	"$back" >&2 || exit 12
	disarm
	health_backend "$old_port" - 5 >/dev/null || exit 12
	exit 11
}

nginx -t -q || exit 1
if [ "$(cat "$switching" 2>/dev/null)" != "$old" ] && ! _health_backend_once "$old_port" -; then
	# Nothing to go back to.
	disarm
	flip "$color"
	exit
fi
[ -x "$back" ] || {
	echo "$back is missing" >&2
	exit 1
}
# shellcheck disable=SC2046 # two numbers
set -- $(tail -n 2000 "$proxy_log" 2>/dev/null | answers "$old")
usual=0
[ "$2" -lt 20 ] || usual=$(($1 * 1000 / $2))
mark_log
arm "$old" "$((seconds + 20))" || {
	disarm
	exit 1
}
flip "$color" || go_back 'the marker could not be put'

_health_now
until=$((_health_up + seconds * 100))
health_site "$site" 10 >/dev/null || go_back "$seen"
ill=0
while _health_now && [ "$_health_up" -lt "$until" ]; do
	[ -e "$switching" ] || go_back 'the switch was undone by its own timer'
	if well; then ill=0; else ill=$((ill + 1)); fi
	[ "$ill" -lt 3 ] || go_back "$seen"
	! erring || go_back "$seen"
	sleep 0.5
done
if [ "$seconds" -gt 0 ]; then
	! erring || go_back "$seen"
	printf '%s\n' "$seen"
	well || {
		sleep 0.5
		well
	} || go_back "$seen"
fi
echo confirm
