# What is done with a database of MariaDB or MySQL.
# Arguments: ACTION HOST PORT NAME USER ADMIN SECRET TLS [ARGUMENT…]. Without HOST the server is the
# container's own, and its own administrator does what ADMIN does elsewhere; without ADMIN it is
# USER, whose password is in the file SECRET. Behind database-login.sh.

action=$1 host=$2 port=$3 name=$4 user=$5 admin=$6 secret=$7 tls=$8
shift 8
# A color that was prepared by an older version has none of its own.
[ -s "/etc/vikunja/secrets/$secret" ] || secret=${secret##*/}

command -v mariadb-dump >/dev/null || no_programs MariaDB

with_password() {
	# SECRET USER PROGRAM [ARGUMENT…]
	# shellcheck disable=SC2046 # one word for each
	_mysql "$1" "$3" --user="$2" $(_mysql_tls "$tls" "$secret") \
		$(_mysql_server "${host:-127.0.0.1}" "$port") --default-character-set=utf8mb4 "${@:4}"
}

server() {
	# PROGRAM [ARGUMENT…]: as who may do most.
	if [ -z "$host" ]; then
		program=$1
		shift
		"$program" --user=root --default-character-set=utf8mb4 "$@"
	elif [ -n "$admin" ]; then
		with_password db-admin-password "$admin" "$@"
	else
		with_password "$secret" "$user" "$@"
	fi
}

ask() {
	# [OPTION…]; statements on stdin.
	server mariadb --batch --skip-column-names --raw "$@"
}

quoted() {
	# shellcheck disable=SC2016 # a literal backtick
	printf '`%s`' "${1//\`/\`\`}"
}

text() {
	# A value for any sql_mode: no backslash is left to be an escape.
	printf "_utf8mb4 x'%s' collate utf8mb4_bin" "$(printf %s "$1" | od -An -v -tx1 | tr -d ' \n')"
}

others() {
	# DATABASE: what is no table, one a line: it is an administrator's, not the application's.
	echo "select concat('view ', table_name) from information_schema.views where table_schema = $(text "$1")
		union all select concat('trigger ', trigger_name) from information_schema.triggers where trigger_schema = $(text "$1")
		union all select concat('routine ', routine_name) from information_schema.routines where routine_schema = $(text "$1")
		union all select concat('event ', event_name) from information_schema.events where event_schema = $(text "$1")
		order by 1" | ask | tr '\t' ' '
}

dump_of() {
	# DATABASE [TABLE] [OPTION…]: tables alone. A view is made anew only by who made it, or by an
	# administrator.
	from=$1
	shift
	while IFS= read -r view; do
		set -- "$@" --ignore-table="$from.$view"
	done < <(others "$from" | sed -n 's/^view //p')
	server mariadb-dump --single-transaction --quick --skip-lock-tables --no-tablespaces --hex-blob \
		--skip-add-drop-table --skip-dump-date --skip-triggers "$from" "$@"
}

size() {
	echo "select coalesce(sum(data_length + index_length), 0) from information_schema.tables
		where table_schema = $(text "$name")" | ask
}

list() {
	# DATABASE: its tables.
	echo "select table_name from information_schema.tables
		where table_schema = $(text "$1") and table_type = 'BASE TABLE' order by 1" | ask
}

exists() {
	# DATABASE
	[ -n "$(echo "select 1 from information_schema.schemata where schema_name = $(text "$1")" | ask)" ]
}

must_exist() {
	exists "$1" || refuse "there is no database $1"
}

counts() {
	# DATABASE: by one client for all of them.
	list "$1" | while IFS= read -r table; do
		printf 'select %s, count(*) from %s;\n' "$(text "$table")" "$(quoted "$table")"
	done | ask --database="$1"
}

columns() {
	# TABLE<tab>COLUMN<tab>TYPE<tab>NULLABLE<tab>PRECISION<tab>COUNTER: digits of a second, and the next
	# number of a column that counts by itself. MariaDB's JSON is a text that is checked.
	case $(echo 'select version()' | ask) in
	*MariaDB*)
		first='' json="exists (select 1 from information_schema.check_constraints k
			where k.constraint_schema = c.table_schema and k.table_name = c.table_name
			and k.check_clause = concat('json_valid(', char(96), c.column_name, char(96), ')'))"
		;;
	*) first='set session information_schema_stats_expiry = 0;' json=false ;;
	esac
	echo "$first select c.table_name, c.column_name, if($json, 'checked json', c.data_type),
			c.is_nullable = 'YES', coalesce(c.datetime_precision, 0),
			if(c.extra like '%auto_increment%', coalesce(t.auto_increment, 1), '')
		from information_schema.columns c join information_schema.tables t
			on t.table_schema = c.table_schema and t.table_name = c.table_name
		where c.table_schema = $(text "$name") and t.table_type = 'BASE TABLE'
			and coalesce(c.generation_expression, '') = ''
		order by c.table_name, c.ordinal_position" | ask
}

without_feeds() {
	# COPY's rows with these two characters as they are: the server has no escapes for them.
	LC_ALL=C sed '/\\[fv]/ {
		s/\\\\/\\\x01/g
		s/\\f/\f/g
		s/\\v/\v/g
		s/\\\x01/\\\\/g
	}'
}

rows_in() {
	# DUMP: rows by table. mariadb-dump writes each on a line of its own, and no text has line ends.
	awk '
		/^CREATE TABLE `/ { table = substr($0, 15); sub(/` \($/, "", table); gsub(/``/, "`", table); rows[table] = 0; next }
		/^INSERT INTO `/ { table = substr($0, 14); sub(/` VALUES$/, "", table); gsub(/``/, "`", table); next }
		/^\(/ { rows[table]++ }
		END { for (table in rows) printf "%s\t%d\n", table, rows[table] }
	' "$1"
}

require_rights() {
	# A trial: what a user may do is written in too many places.
	trial=$(place_of trial)
	said=$(echo "create database if not exists $(quoted "$trial"); drop database $(quoted "$trial")" | ask 2>&1) || {
		printf '%s\n' "$said" >&2
		from=%
		case $host in /*) from=localhost ;; esac
		refuse "MySQL at $(_at "$host" "$port") lets '${admin:-$user}' make no database beside \`$name\`. An administrator of that server has to run: GRANT ALL PRIVILEGES ON \`vikunja-deploy-%\`.* TO '${admin:-$user}'@'$from'; or set database.admin_user and database.admin_password_file"
	}
}

require_movable() {
	# DATABASE. What else is no table stays where it is while tables are moved.
	trigger=$(others "$1" | sed -n 's/^trigger //p' | head -n 1)
	[ -z "$trigger" ] ||
		refuse "database $1 has the trigger $trigger, and the server moves no table that has one: neither a restore nor an update that migrates is possible until it is dropped"
}

other_charsets() {
	# CHARSET<tab>NUMBER, of tables that cannot hold every character; 0 where new ones could not.
	echo "select cs, sum(n) from (
			select c.character_set_name as cs, 1 as n from information_schema.tables t
				join information_schema.collation_character_set_applicability c
				on c.collation_name = t.table_collation
				where t.table_schema = $(text "$name") and t.table_type = 'BASE TABLE'
			union all select default_character_set_name, 0 from information_schema.schemata
				where schema_name = $(text "$name")) as found
		where cs <> 'utf8mb4' group by cs order by cs" | ask
}

require_server_space() {
	# BYTES. Nobody can say how much is free on a server elsewhere.
	[ -n "$host" ] || require_space "$(echo 'select @@datadir' | ask)" "$1"
}

account() {
	# As the server knows the user who comes in with the password: 'name'@'host', quoted.
	found=$(echo 'select current_user()' |
		with_password "$secret" "$user" mariadb --batch --skip-column-names --raw)
	printf "'%s'@'%s'" "$(printf %s "${found%@*}" | sed "s/'/''/g")" "${found##*@}"
}

rights() {
	# PLACE: what a grant names. Underscores in it are wildcards.
	quoted "$(place_of "$1")" | sed 's/[_%]/\\&/g'
}

drop() {
	# PLACE. Rights stay behind a database that is dropped, so they go first.
	old=$(place_of "$1")
	grantee=$(echo "select grantee from information_schema.schema_privileges
		where replace(table_schema, char(92), '') = $(text "$old") limit 1" | ask)
	if [ -n "$grantee" ] && { [ -z "$host" ] || [ -n "$admin" ]; }; then
		echo "revoke all privileges on $(rights "$1").* from $grantee" | ask
	fi
	echo "drop database if exists $(quoted "$old")" | ask
}

make() {
	# PLACE
	like=$(echo "select concat('character set ', default_character_set_name, ' collate ',
		default_collation_name) from information_schema.schemata
		where schema_name = $(text "$name")" | ask)
	echo "create database $(quoted "$(place_of "$1")") ${like:-character set utf8mb4}" | ask
	if [ -z "$host" ] || [ -n "$admin" ]; then
		echo "grant all privileges on $(rights "$1").* to $(account)" | ask
	fi
}

copy() {
	# PLACE
	require_movable "$name"
	drop "$1"
	require_server_space "$(size)"
	make "$1"
	dump_of "$name" | ask --database="$(place_of "$1")"
}

moves() {
	# FROM TO: `FROM`.`table` to `TO`.`table`, one a line.
	list "$1" | while IFS= read -r table; do
		printf '%s.%s to %s.%s\n' "$(quoted "$1")" "$(quoted "$table")" "$(quoted "$2")" "$(quoted "$table")"
	done
}

case $action in
size)
	must_exist "$name"
	size
	;;
name)
	database_of "$1"
	;;
places)
	echo 'select schema_name from information_schema.schemata' | ask | places_among
	;;
counts)
	must_exist "$(database_of "$1")"
	counts "$(database_of "$1")"
	;;
columns)
	must_exist "$name"
	columns
	;;
read)
	server mariadb --batch --skip-column-names --quick --max-allowed-packet=1G --database="$name" |
		rows_as_copy
	;;
write)
	# A newer client would repeat the rows that a statement failed with.
	without_feeds | rows_as_inserts mysql | ask --binary-mode --max-allowed-packet=1G \
		--loose-skip-print-query-on-error --database="$name"
	;;
migrations)
	must_exist "$(database_of "$1")"
	if list "$(database_of "$1")" | grep -qx migration; then
		echo 'select id from migration order by cast(id as binary)' |
			ask --database="$(database_of "$1")"
	fi
	;;
outlook)
	must_exist "$name"
	other_charsets | sed 's/^/charset\t/'
	others "$name" | sed 's/^trigger .*/&\tstays/; s/^/apart\t/; /\tstays$/!s/$/\t/'
	;;
dump)
	must_exist "$name"
	changing
	# As text a table may be larger than as pages.
	begin_dump "$1" "$(size)"
	dump_of "$name" --result-file="$1/vikunja.sql.new"
	tail -n 1 "$1/vikunja.sql.new" | grep -q '^-- Dump completed' || refuse "the dump is not complete"
	rows_in "$1/vikunja.sql.new" >"$1/tables.tsv"
	others "$name" | sed 's/^/-\t-\t/; s/$/\t/' >"$1/apart.tsv"
	mv "$1/vikunja.sql.new" "$1/vikunja.sql"
	stat -c %s "$1/vikunja.sql"
	;;
rights)
	require_rights
	if exists "$name"; then require_movable "$name"; fi
	;;
load)
	[ -s "$1/vikunja.sql" ] || refuse "the dump is missing or empty"
	require_rights
	changing
	drop "$2"
	require_server_space "$(stat -c %s "$1/vikunja.sql")"
	make "$2"
	ask --database="$(place_of "$2")" <"$1/vikunja.sql"
	counts "$(place_of "$2")" | same_counts "$1"
	;;
copy | save)
	must_exist "$name"
	require_rights
	changing
	copy "$1"
	;;
swap)
	must_exist "$(place_of "$1")"
	require_rights
	changing
	new=$(place_of "$1") aside=$(place_of "$2")
	[ -n "$(list "$new")" ] || refuse "database $new has no tables"
	exists "$name" || echo "create database $(quoted "$name") character set utf8mb4" | ask
	require_movable "$name"
	drop "$2"
	make "$2"
	# One statement for all tables: the server does all of it or nothing.
	statement=$({
		moves "$name" "$aside"
		moves "$new" "$name"
	} | paste -s -d ,)
	echo "rename table $statement" | ask
	drop "$1"
	;;
drop)
	changing
	drop "$1"
	;;
occupied)
	# A server that does not answer has said nothing of it: that ends it here.
	there=$(echo "select count(*) from information_schema.schemata where schema_name = $(text "$name")" | ask)
	found=
	[ "$there" = 0 ] || found=$(list "$name")
	if [ -n "$found" ]; then echo yes; else echo no; fi
	;;
wipe)
	changing
	must_exist "$name"
	{
		echo 'set foreign_key_checks = 0;'
		list "$name" | while IFS= read -r table; do echo "drop table $(quoted "$table");"; done
	} | ask --database="$name"
	;;
remove)
	changing
	echo "drop database if exists $(quoted "$name")" | ask
	;;
*)
	refuse "no action $action"
	;;
esac
