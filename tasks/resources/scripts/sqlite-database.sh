# SQLite's database. Arguments: USER FILE, of whoever writes it. The application fills it; where a
# deployed one is gone, it must not come back empty by itself. With MUST_EXIST none is made.

probe_sqlite_database() {
	if [ -s "$2" ]; then echo present; else echo absent; fi
}

apply_sqlite_database() {
	[ ! -s "$2" ] || return 0
	if [ -n "${MUST_EXIST:-}" ]; then
		echo "$2 is gone, or empty, and with it what was in it; none was made." >&2
		return 4
	fi
	install -m 0640 -o "$1" -g "$1" /dev/null "$2"
}
