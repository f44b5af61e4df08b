# What serves rests, and stays at rest when the container starts anew: the proxy first, which
# finishes the requests that it has, then what is behind it. Behind lifecycle.sh. arguments: UNIT…
settle
for unit in "$@"; do
	systemctl stop -- "$unit" || {
		evidence "$unit"
		fail 1 "$unit could not be stopped"
	}
	systemctl -q disable -- "$unit" 2>/dev/null
	systemctl reset-failed -- "$unit" 2>/dev/null
done
exit 0
