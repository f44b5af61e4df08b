# A database and its user in the container's own MariaDB. Arguments: NAME USER.
# Behind database-login.sh. The password reaches the server over stdin only.
# Whether the database is there is for the server to say, as its own administrator: without the
# password, or where a login is refused, the data is there all the same. With MUST_EXIST none is made.

_mysql_login() {
	# DATABASE USER: over TCP with the password, the way Vikunja comes in; a query on stdin.
	_mysql "$DB_SECRET" mariadb --batch --skip-column-names --connect-timeout=5 \
		--protocol=tcp --host=127.0.0.1 --user="$2" --database="$1"
}

_mysql_pings() {
	mariadb-admin --connect-timeout=3 --silent ping >/dev/null 2>&1
}

_mysql_exists() {
	# NAME: its character set where the server has it, nothing where it has not; fails where it
	# cannot be asked.
	echo "select default_character_set_name from information_schema.schemata
		where schema_name = '$(printf %s "$1" | sed "s/'/''/g")'" |
		mariadb --user=root --connect-timeout=5 --batch --skip-column-names 2>/dev/null
}

probe_mysql_database() {
	if ! command -v mariadb >/dev/null; then
		# A package that was removed leaves the data where it is.
		if [ -e /var/lib/mysql/ibdata1 ]; then echo unasked; else echo absent; fi
		return
	fi
	answer=
	[ ! -s "/etc/vikunja/secrets/$DB_SECRET" ] ||
		answer=$(echo 'select @@character_set_database' | _mysql_login "$1" "$2" 2>&1)
	if [ "$answer" = utf8mb4 ]; then
		echo present
	elif there=$(_mysql_exists "$1"); then
		case $there in
		'') echo absent ;;
		utf8mb4*) echo other-password ;;
		*) echo other-charset ;;
		esac
	elif _mysql_pings; then
		echo unasked
	else
		echo stopped
	fi
}

apply_mysql_database() {
	_until 150 _mysql_pings || {
		echo "MariaDB in the container does not answer; journalctl -u mariadb says why." >&2
		return 1
	}
	if [ -n "${MUST_EXIST:-}" ]; then
		there=$(_mysql_exists "$1") || {
			echo "MariaDB in the container cannot be asked for its databases; journalctl -u mariadb says why." >&2
			return 1
		}
		[ -n "$there" ] || {
			echo "MariaDB in the container has no database $1 any more, nor what was in it; none was made." >&2
			return 4
		}
	fi
	name=$(printf %s "$1" | sed 's/`/&&/g')
	user=$(printf %s "$2" | sed "s/'/''/g")
	{
		# The doubled quote is an escape in every mode; the backslash only without this one.
		echo "set session sql_mode = 'NO_BACKSLASH_ESCAPES';"
		echo "create database if not exists \`$name\` character set utf8mb4 collate utf8mb4_unicode_ci;"
		echo "alter database \`$name\` character set utf8mb4 collate utf8mb4_unicode_ci;"
		in_use=$(_in_use db-password)
		# shellcheck disable=SC2086 # one word for each
		for host in localhost 127.0.0.1; do _mysql_user "$name" "$user" "$host" $in_use; done
	} | mariadb --batch --user=root || {
		echo "MariaDB in the container did not take the database $1 and its user $2." >&2
		return 1
	}
	said=$(echo 'select 1' | _mysql_login "$1" "$2" 2>&1) || {
		printf '%s\n' "$said" >&2
		echo "MariaDB in the container has the database $1 and its user $2, but lets that user not in: the line above says why." >&2
		return 1
	}
}
