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
	# Without tables, and not without content: what is made is there, also for who looks next.
	(umask 027 && exec setpriv --reuid="$1" --regid="$1" --clear-groups \
		sqlite3 -batch "$2" 'create table begun (id); drop table begun')
}
