# What start, stop and restart share. Behind the guard, health.sh, in-hand.sh, proxy-log.sh,
# websockets.sh and color.sh.
set -u
LC_ALL=C.UTF-8
export LC_ALL
# Whoever started this may be gone: what it says is then lost, what it does is finished.
trap '' PIPE
standins=/run/systemd/system
standin=vikunja-standin

fail() { # CODE WHAT
	printf '%s\n' "$2" >&2
	exit "$1"
}

evidence() { # UNIT
	journalctl --no-pager -q -o cat -n 12 -u "$1"
	of=${1#vikunja-}
	of=${of%.service}
	[ "$of" = "${of#*@}" ] || tail -n 8 "/var/log/vikunja/${of%@*}-${of#*@}.log"
} >&2 2>/dev/null

refuse_standin() { # where only a restart's stand-in serves, the color has an older release
	[ ! -e "$switching" ] && systemctl -q is-active "$standin-backend.service" &&
		! systemctl -q is-active "vikunja-backend@$(serving).service" || return 0
	fail 1 'only the stand-in of a restart serves: ./doit apply brings the release itself back'
}

undo_restart() { # undo what a restart that was killed has left: its switch first, then its stand-ins
	undo_switch >/dev/null || fail 1 'a switch that was cut short cannot be undone'
	remove_standins
}

remove_standins() {
	for part in backend mcp; do
		unit=$standin-$part.service
		[ -e "$standins/$unit" ] || continue
		systemctl stop "$unit"
		rm -f "$standins/$unit" "$standins/$standin-$part.environment"
		systemctl reset-failed "$unit" 2>/dev/null
		stale=yes
	done
	[ -z "${stale:-}" ] || systemctl daemon-reload
	stale=
}

up() { # UNIT…: enabled and active, each before the next
	for unit in "$@"; do
		systemctl reset-failed -- "$unit" 2>/dev/null
		# Enabling what is enabled costs seconds where a unit has an init script beside it.
		systemctl -q is-enabled -- "$unit" 2>/dev/null || systemctl -q enable -- "$unit" 2>/dev/null
		systemctl start -- "$unit" || {
			evidence "$unit"
			fail 1 "$unit could not be started"
		}
	done
}

unhealthy() { # UNIT: what was seen of it comes last
	evidence "$1"
	printf '%s\n' "$seen" >&2
	return 10
}

healthy() { # PORT VERSION MCP_PORT SECONDS COLOR
	health_backend "$1" "$2" "$4" >/dev/null 2>&1 || unhealthy "vikunja-backend@$5.service" || return
	[ "$3" = - ] || health_mcp "$3" "$4" >/dev/null 2>&1 || unhealthy "vikunja-mcp@$5.service" || return
}
