# What serves rests, and stays at rest when the container starts anew: the proxy first, which
# finishes the requests that it has, then what is behind it. Behind lifecycle.sh. arguments:
# WEBSOCKET_SECONDS UNIT…; where the proxy is among them, it is the first.
# stdout: `COLOR N` for each color that N WebSockets ended with.
websockets=$1
shift
open=
undo_restart
if [ "$1" = nginx.service ]; then
	for color in blue green; do
		! in_hand websockets "$color" || open="$open $color"
	done
fi
if [ -n "$open" ]; then
	# The proxy waits for them, too, until it is killed: they end with what is behind it, which
	# finishes the requests that it still has then.
	mark_log
	systemctl --no-block stop -- "$1"
	_health_now
	begun=$_health_up
	while ! _waited "$websockets" &&
		[ "$(systemctl show -p ActiveState --value -- "$1")" = deactivating ]; do
		sleep 0.1
	done
	shift
	set -- "$@" nginx.service
fi
for unit in "$@"; do
	# What is not there rests: nothing may have been prepared for that color yet.
	[ "$(systemctl show -p LoadState --value -- "$unit")" != not-found ] ||
		systemctl -q is-active -- "$unit" || continue
	systemctl stop -- "$unit" || {
		evidence "$unit"
		fail 1 "$unit could not be stopped"
	}
	systemctl -q disable -- "$unit" 2>/dev/null
	systemctl reset-failed -- "$unit" 2>/dev/null
done
for color in $open; do
	tell_ended "$color"
done
exit 0
