# Which color nginx passes requests to: green where a marker is there, which it looks for at every
# request. How that is changed, and the way back, which is prepared before a switch and goes off
# unless the switch is confirmed in time. For sh and bash.
active=/etc/vikunja/active
switching=/var/lib/vikunja-deploy/switching
back=/usr/local/lib/vikunja/switch-back

serving() {
	if [ -e "$active/green" ]; then echo green; else echo blue; fi
}

flip() {
	# COLOR
	if [ "$1" = green ]; then
		: >"$active/.green.new" && mv -fT "$active/.green.new" "$active/green"
	else
		rm -f "$active/green"
	fi && sync -f "$active"
}

stop_timer() {
	systemctl stop vikunja-switch-back.timer 2>/dev/null
	systemctl reset-failed vikunja-switch-back.timer vikunja-switch-back.service 2>/dev/null
	:
}

arm() {
	# COLOR SECONDS: it serves again then, or once nginx starts anew.
	printf '%s\n' "$1" >"$switching.new" && sync "$switching.new" &&
		mv -fT "$switching.new" "$switching" && stop_timer &&
		systemd-run --quiet --collect --unit=vikunja-switch-back --on-active="$2" \
			--timer-property=AccuracySec=100ms "$back"
}

disarm() {
	rm -f "$switching"
	stop_timer
}

undo_switch() {
	# One that was not confirmed, and may be half undone.
	if [ -e "$switching" ] || [ -e "$switching-back" ]; then "$back" || return 1; fi
	stop_timer
}
