# The serving color is started anew without a request lost. A stand-in of the same release takes
# over on the idle color's ports meanwhile; the idle color's own release, which a rollback goes
# to, is not touched. Behind lifecycle.sh. arguments:
#   COLOR PORT MCP_PORT             what serves; MCP_PORT `-`: none
#   IDLE IDLE_PORT IDLE_MCP_PORT    where the stand-in is
#   VERSION SECONDS                 what has to answer, and how long it may take
#   DRAIN UPLOADS WEBSOCKETS        how long requests, uploads, and WebSockets in hand may take: seconds
# stdout: `COLOR N` for each color that N WebSockets ended with.
# Exit codes: 10 it was not healthy before it was touched, or is not now · 11 the stand-in did not
# come up, and what ran serves on · 12 only the stand-in serves · 13 it could not be prepared, as
# the last line says, and what ran serves on
color=$1 port=$2 mcp=$3 idle=$4 idle_port=$5 idle_mcp=$6 version=$7 seconds=$8 drain=$9
shift 9
uploads=$1 websockets=$2

ports() { # PART: the settings that are the stand-in's own
	if [ "$1" = backend ]; then
		printf 'VIKUNJA_SERVICE_INTERFACE="127.0.0.1:%s"\n' "$idle_port"
	else
		printf 'VIKUNJA_API_URL="http://127.0.0.1:%s"\n' "$idle_port"
		printf 'MCP_HTTP_PORT="%s"\nMCP_PORT="%s"\n' "$idle_mcp" "$idle_mcp"
	fi
}

make_standin() { # PART
	# The color's unit with its drop-ins: of the serving color's files, with the idle one's ports.
	own=$standins/$standin-$1.environment
	ports "$1" >"$own" || return 1
	systemctl cat -- "vikunja-$1@$color.service" >"$standins/.standin.new" 2>/dev/null || return 1
	sed -i "/^EnvironmentFile=/a EnvironmentFile=$own
		/^\[Install\]/,\$d
		/^StandardOutput=\|^BindPaths=/s#%i#$idle#g
		s#%i#$color#g" "$standins/.standin.new"
	printf '[Unit]\nConflicts=vikunja-%s@%s.service\n' "$1" "$idle" >>"$standins/.standin.new"
	mv -fT "$standins/.standin.new" "$standins/$standin-$1.service"
}

let_go() { # COLOR: it is about to be stopped
	drained "$1" "$drain" "$uploads" "$websockets" || :
	mark_log
	open=no
	! in_hand websockets "$1" || open=yes
}

let_gone() { # COLOR: it was
	[ "$open" = no ] || tell_ended "$1"
}

parts=backend
[ "$mcp" = - ] || parts='backend mcp'

refuse_standin
undo_restart
[ "$(serving)" = "$color" ] || fail 1 "nginx passes requests to $(serving) now, not to $color: try again"
for part in $parts; do
	systemctl stop -- "vikunja-$part@$idle.service"
	make_standin "$part" || fail 1 "the unit vikunja-$part@$color is missing"
done
systemctl daemon-reload
for part in $parts; do
	systemctl start "$standin-$part.service"
done
healthy "$idle_port" "$version" "$idle_mcp" "$seconds" "$idle" || {
	remove_standins
	exit 11
}
# Until it is disarmed, a reboot or an end of this script lets the color's own units serve.
arm "$color" "$((seconds * 2 + drain + uploads + websockets + 60))" || {
	disarm
	remove_standins
	fail 13 'the way back could not be prepared'
}
flip "$idle" || {
	undo_restart
	fail 13 'the marker could not be put'
}
let_go "$color"
for part in $parts; do
	systemctl reset-failed -- "vikunja-$part@$color.service" 2>/dev/null
	systemctl restart -- "vikunja-$part@$color.service"
done
let_gone "$color"
healthy "$port" "$version" "$mcp" "$seconds" "$color" || {
	# It must not be gone back to.
	disarm
	exit 12
}
flip "$color" || exit 12
disarm
let_go "$idle"
remove_standins
let_gone "$idle"
