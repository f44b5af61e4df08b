# A switch to COLOR has proved itself: the color of before is not gone back to any more. Behind the
# guard, color.sh and kept-proxy.sh; can be called again after a kill at any point. Exit code 11: it was
# gone back to before.
mv -fT "$switching" "$switching.confirmed" 2>/dev/null || [ "$(serving)" = "$1" ] || {
	echo 'the switch was undone by its own timer' >&2
	exit 11
}
stop_timer
forget_proxy
rm -f "$switching.confirmed"
