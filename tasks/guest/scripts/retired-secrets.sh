# The secrets of a color that rests are gone, and no server in the container lets anybody in with
# them any more. Arguments: COLOR LOGIN DATABASE USER REDIS_PORT, `-` for what there is not.
# LOGIN: the color's own user in the container's PostgreSQL. DATABASE, USER: MariaDB's in the
# container. Behind database-login.sh and redis-passwords.sh.

probe_retired_secrets() {
	if [ -e "/etc/vikunja/secrets/$1" ]; then echo left; else echo absent; fi
}

_retired_from_postgresql() {
	# LOGIN
	_postgresql_programs && _local_psql --dbname=postgres --set=login="$1" <<-'SQL'
		select format('alter role %I nologin password null', rolname) from pg_roles
			where rolname = :'login' \gexec
	SQL
}

_retired_from_mysql() {
	# COLOR DATABASE USER
	name=$(printf %s "$2" | sed 's/`/&&/g')
	user=$(printf %s "$3" | sed "s/'/''/g")
	in_use=$(_in_use db-password "$1")
	{
		echo "set session sql_mode = 'NO_BACKSLASH_ESCAPES';"
		# shellcheck disable=SC2086 # one word for each
		for host in localhost 127.0.0.1; do _mysql_user "$name" "$user" "$host" $in_use; done
	} | mariadb --batch --user=root
}

_retired_from_redis() {
	# COLOR PORT
	digests=$(_redis_digests "$1") && _redis_lets_in "$2" "$digests"
}

apply_retired_secrets() {
	[ "$2" = - ] || _retired_from_postgresql "$2" || {
		echo "PostgreSQL in the container did not shut $2 out" >&2
		return 1
	}
	[ "$3" = - ] || _retired_from_mysql "$1" "$3" "$4" || {
		echo "MariaDB in the container did not take the passwords of $4" >&2
		return 1
	}
	[ "$5" = - ] || _retired_from_redis "$1" "$5" || {
		echo "the passwords could not be written for redis" >&2
		return 1
	}
	# Last: until then the next apply does it again.
	rm -rf "/etc/vikunja/secrets/$1"
}
