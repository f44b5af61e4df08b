# The ids in Vikunja's own table of migrations, in one line, parted by spaces. Arguments: the script
# that knows the database, and what that takes; for SQLite `sqlite USER FILE`. The functions of those
# scripts are used, which are asked about in the same round trip.
# Without such a table it says `none`, without any table `empty`, where the database does not answer
# `unknown`.

_migrations_query() {
	# WHERE TABLES ARE LISTED, WHAT THE ONE OF MIGRATIONS IS TOLD BY, HOW THE IDS ARE JOINED. The
	# second statement fails without that table.
	printf "select case when exists (select 1 from %s) then 'none' else 'empty' end " "$1"
	printf "from (select 1 as one) as it where not exists (select 1 from %s and %s);\n" "$1" "$2"
	printf "select coalesce(%s, 'none') from migration;\n" "$3"
}

_migrations_ids() {
	kind=$1
	shift
	case $kind in
	sqlite)
		if [ ! -s "$2" ]; then
			echo none
			return
		fi
		# As the service's user: what SQLite makes beside the database must not be root's.
		_migrations_query "sqlite_schema where type = 'table'" "name = 'migration'" \
			"group_concat(id, ' ')" |
			setpriv --reuid="$1" --regid="$1" --clear-groups \
				sqlite3 -readonly -batch -noheader -cmd '.timeout 2000' "$2"
		;;
	*postgresql*)
		query=$(_migrations_query "pg_class where relkind in ('r', 'p') and
			relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) and
			relpersistence = 'p'" "oid = to_regclass('migration')" "string_agg(id, ' ' order by id)")
		if [ "$kind" = postgresql-database ]; then
			_postgresql_programs && echo "$query" | _local_login "$1" "$2"
		else
			_external_postgresql_is "$@"
			_postgresql_programs && echo "$query" | _external_psql "$DB_SECRET" "$1" "$2" "$4" "$3"
		fi
		;;
	*)
		query="set session group_concat_max_len = 1000000;
			$(_migrations_query "information_schema.tables where table_schema = database()" \
			"table_name = 'migration'" "group_concat(id order by id separator ' ')")"
		if [ "$kind" = mysql-database ]; then
			echo "$query" | _mysql_login "$1" "$2"
		else
			_external_mysql_is "$@"
			echo "$query" | _external_mysql "$DB_SECRET" "$1" "$2" "$4" --database="$3"
		fi
		;;
	esac
}

probe_migrations() {
	said=$(_migrations_ids "$@" 2>/dev/null)
	printf '%s\n' "${said:-unknown}"
}
