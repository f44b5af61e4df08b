# A database of another installation, read where that is: by its own server's programs, and as the
# application's own user. Behind database-login.sh and mysql-rows.sh.
# Arguments: ACTION ENGINE HOST PORT NAME USER; stdin: a line with the password, then statements.
#   dump       what database-postgresql.sh or database-mysql.sh loads
#   read       what statements say
#   counts     TABLE<tab>ROWS
#   others     how many other sessions there are
set -euo pipefail
export LC_ALL=C.UTF-8
action=$1 engine=$2 host=$3 port=$4 name=$5 user=$6
given=
IFS= read -r given || :

_read_password() {
	password=$given
}

refuse() {
	printf '%s\n' "$1" >&2
	exit 7
}

as_that_user() {
	# Whom a socket lets in by who he is.
	if [ -n "$given" ] || [ "$(id -u)" != 0 ] || ! id "$user" >/dev/null 2>&1; then
		"$@"
	else
		setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups "$@"
	fi
}

postgresql() {
	# PROGRAM [OPTION…]
	program=$1
	shift
	set -- "--host=$host" "--port=$port" "--username=$user" "$@"
	if [ -n "$given" ]; then
		_postgresql given "$program" "$@"
	else
		as_that_user "$programs/$program" --no-password "$@"
	fi
}

mysql_like() {
	# NAME OPTION…: MariaDB's program, or MySQL's.
	client=$(command -v "$1") || client=$(command -v "$2") ||
		refuse "neither $1 nor $2 is there: install the database's client programs"
	shift 2
	case $host in
	/*) set -- --protocol=socket "--socket=$host" "$@" ;;
	*) set -- "--host=$host" "--port=$port" "$@" ;;
	esac
	_mysql given "$client" "--user=$user" --default-character-set=utf8mb4 "$@"
}

ask() {
	# Statements on stdin.
	if [ "$engine" = postgresql ]; then
		postgresql psql --no-psqlrc --quiet --no-align --tuples-only --set=ON_ERROR_STOP=1 \
			"--field-separator=$(printf '\t')" "--dbname=$name"
	else
		mysql_like mariadb mysql --batch --skip-column-names --raw --quick "--database=$name"
	fi
}

if [ "$engine" = postgresql ]; then
	_postgresql_programs || refuse "psql and pg_dump are not there: install postgresql-client"
fi

case $action in
dump)
	if [ "$engine" = postgresql ]; then
		postgresql pg_dump --format=custom --compress=0 --no-owner --no-privileges "--dbname=$name"
	else
		# A MySQL server names collations that MariaDB does not know.
		mysql_like mariadb-dump mysqldump --single-transaction --quick --skip-lock-tables \
			--no-tablespaces --hex-blob --skip-add-drop-table --skip-dump-date --skip-triggers \
			--skip-add-locks "$name" |
			sed '/^\(INSERT\|(\)/!s/utf8mb4_0900_[a-z_]*ci/utf8mb4_unicode_520_ci/g'
	fi
	;;
read)
	if [ "$engine" = postgresql ]; then
		ask
	else
		mysql_like mariadb mysql --batch --skip-column-names --quick --max-allowed-packet=1G \
			"--database=$name" | rows_as_copy
	fi
	;;
counts)
	if [ "$engine" = postgresql ]; then
		ask <<-'SQL'
			select format('select %L, count(*) from %I.%I', case schemaname when 'public' then tablename
				else schemaname || '.' || tablename end, schemaname, tablename) from pg_tables
				where schemaname not in ('pg_catalog', 'information_schema') \gexec
		SQL
	else
		# By one client for all of them.
		echo "select concat('select ', quote(table_name), ', count(*) from ', char(96),
			replace(table_name, char(96), concat(char(96), char(96))), char(96), ';')
			from information_schema.tables
			where table_schema = database() and table_type = 'BASE TABLE' order by 1" | ask | ask
	fi
	;;
others)
	if [ "$engine" = postgresql ]; then
		echo "select count(*) from pg_stat_activity
			where datname = current_database() and pid <> pg_backend_pid()" | ask
	else
		echo "select count(*) from information_schema.processlist
			where db = database() and id <> connection_id()" | ask
	fi
	;;
esac
