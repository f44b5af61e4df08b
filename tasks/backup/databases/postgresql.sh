# What is done with a PostgreSQL database.
# Arguments: ACTION HOST PORT NAME USER ADMIN SECRET [ARGUMENT…]. Without HOST the server is the
# container's own, and its own administrator does what ADMIN does elsewhere; without ADMIN it is
# USER, whose password is in the file SECRET. Passwords are in /etc/vikunja/secrets and go to the
# programs in files without a name.

action=$1 host=$2 port=$3 name=$4 user=$5 admin=$6 secret=$7
shift 7

# Debian's own psql is a wrapper that costs ten times the program's time.
programs=
for folder in /usr/lib/postgresql/*/bin; do
	[ ! -x "$folder/pg_dump" ] || programs=$folder
done
[ -n "$programs" ] || refuse "PostgreSQL's client programs are not installed in the container"
export PGCONNECT_TIMEOUT=10 PGCLIENTENCODING=UTF8
if [ -z "$host" ]; then export PGSSLMODE=disable; fi

with_password() {
	# SECRET USER PROGRAM [OPTION…]
	(
		exec 7<&0
		file=$(mktemp /run/vikunja-pgpass.XXXXXX) && exec 8<>"$file" && rm "$file" || exit 1
		IFS= read -r password <"/etc/vikunja/secrets/$1" || [ -n "$password" ] || exit 1
		printf '%s' "$password" | sed 's/[\\:]/\\&/g; s/^/*:*:*:*:/' >&8
		unset password
		login=$2 program=$3
		shift 3
		PGPASSFILE=/proc/self/fd/8 exec "$programs/$program" --no-password --host="${host:-127.0.0.1}" \
			--port="$port" --username="$login" "$@" <&7 7<&-
	)
}

PSQL=(psql --no-psqlrc --quiet --no-align --tuples-only --set=ON_ERROR_STOP=1 "--field-separator=$(printf '\t')")

as_user() {
	with_password "$secret" "$user" "$@"
}

ask() {
	# DATABASE; statements on stdin.
	as_user "${PSQL[@]}" --dbname="$1"
}

administer() {
	# [VARIABLE=VALUE…]; statements on stdin.
	set -- "${@/#/--set=}" --set=user="$user" --dbname=postgres
	if [ -z "$host" ]; then
		(cd / && setpriv --reuid=postgres --regid=postgres --init-groups \
			"$programs/psql" "${PSQL[@]:1}" "$@")
	elif [ -n "$admin" ]; then
		with_password db-admin-password "$admin" "${PSQL[@]}" "$@"
	else
		as_user "${PSQL[@]}" "$@"
	fi
}

require_rights() {
	can=$(echo 'select rolcreatedb or rolsuper from pg_roles where rolname = current_user' | administer) ||
		refuse "user \"${admin:-$user}\" cannot log in to database postgres at ${host:-the container} port $port, which making a database beside \"$name\" needs"
	[ "$can" = t ] ||
		refuse "PostgreSQL at $host port $port lets \"${admin:-$user}\" make no database beside \"$name\". An administrator of that server has to run: ALTER ROLE \"${admin:-$user}\" CREATEDB; or set database.admin_user and database.admin_password_file"
}

require_client() {
	# pg_dump refuses servers newer than itself.
	server=$(echo 'show server_version_num' | ask "$name")
	own=$("$programs/pg_dump" --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')
	[ "$own" -ge "$((server / 10000))" ] ||
		refuse "PostgreSQL $((server / 10000)) cannot be copied by pg_dump $own: install postgresql-client-$((server / 10000)) in the container"
}

require_server_space() {
	# BYTES. Nobody can say how much is free on a server elsewhere.
	[ -n "$host" ] || require_space "$(echo 'show data_directory' | administer)" "$1"
}

size() {
	echo 'select pg_database_size(current_database())' | ask "$name"
}

TABLES="from pg_tables where schemaname not in ('pg_catalog', 'information_schema')"
SHOWN="case schemaname when 'public' then tablename else schemaname || '.' || tablename end"
COUNTS="select format('select %L, count(*) from %I.%I', $SHOWN, schemaname, tablename) $TABLES \\gexec"

drop() {
	# PLACE
	administer old="$(place_of "$1")" <<-'SQL'
		select pg_terminate_backend(pid) from pg_stat_activity where datname = :'old' \g /dev/null
		set client_min_messages = 'error';
		drop database if exists :"old";
	SQL
}

make() {
	# PLACE [TEMPLATE]
	administer new="$(place_of "$1")" from="${2:-template0}" <<-'SQL' || return 1
		create database :"new" owner :"user" encoding 'UTF8' template :"from";
	SQL
	if [ -z "$host" ]; then
		echo 'revoke connect on database :"new" from public;' | administer new="$(place_of "$1")"
	fi
}

dumped() {
	# [OPTION…]: not compressed; the archive is.
	as_user pg_dump --format=custom --compress=0 --no-owner --no-privileges --dbname="dbname='$(
		printf %s "$name" | sed "s/[\\\\']/\\\\&/g"
	)'" "$@"
}

fill() {
	# PLACE [OPTION…]: from a dump. Comments on extensions are their owners'.
	to=$1
	shift
	as_user pg_restore --no-owner --no-privileges --no-comments --exit-on-error \
		--dbname="dbname='$(place_of "$to" | sed "s/[\\\\']/\\\\&/g")'" "$@"
	echo analyze | ask "$(place_of "$to")" 2>/dev/null
}

copy() {
	# PLACE
	drop "$1"
	require_server_space "$(size)"
	make "$1"
	dumped | fill "$1"
}

case $action in
version)
	printf 'PostgreSQL %s\n' "$(echo 'show server_version' | ask "$name")"
	;;
size)
	size
	;;
name)
	database_of "$1"
	;;
places)
	echo 'select datname from pg_database' | administer | places_among
	;;
tables)
	from=$(database_of "$1")
	echo "select $SHOWN, format('%I.%I', schemaname, tablename) $TABLES order by ($SHOWN) collate \"C\"" |
		ask "$from" | while IFS=$(printf '\t') read -r table quoted; do
		rows=$(echo "select count(*) from $quoted" | ask "$from")
		digest=$(
			cat <<-SQL | ask "$from" | sha256sum
				set timezone = 'UTC';
				set datestyle = 'ISO, YMD';
				set intervalstyle = 'postgres';
				set bytea_output = 'hex';
				set extra_float_digits = 1;
				copy (select one::text from $quoted as one order by one::text collate "C") to stdout;
			SQL
		)
		printf '%s\t%s\t%s\n' "$table" "$rows" "${digest%% *}"
	done
	;;
counts)
	echo "$COUNTS" | ask "$(database_of "$1")"
	;;
migrations)
	echo "select 'select id from migration order by id collate \"C\"' where to_regclass('migration') is not null \\gexec" |
		ask "$(database_of "$1")"
	;;
dump)
	require_client
	changing
	begin_dump "$1" "$(size)"
	# One session holds the state that the dump and the counts both see.
	coproc held { ask "$name"; }
	# shellcheck disable=SC2154 # coproc sets it
	from=${held[0]} to=${held[1]} session=$held_PID
	cat >&"$to" <<-'SQL'
		set statement_timeout = 0;
		set idle_in_transaction_session_timeout = 0;
		begin isolation level repeatable read read only;
		select pg_export_snapshot();
	SQL
	IFS= read -r -u "$from" snapshot || refuse "no session with the database"
	dumped --snapshot="$snapshot" --file="$1/vikunja.dump.new"
	echo "$COUNTS" >&"$to"
	exec {to}>&-
	cat <&"$from" >"$1/tables.tsv"
	wait "$session"
	mv "$1/vikunja.dump.new" "$1/vikunja.dump"
	stat -c %s "$1/vikunja.dump"
	;;
rights)
	require_rights
	;;
load)
	[ -s "$1/vikunja.dump" ] || refuse "the dump is missing or empty"
	require_rights
	changing
	drop "$2"
	require_server_space "$(stat -c %s "$1/vikunja.dump")"
	make "$2"
	fill "$2" --jobs=2 "$1/vikunja.dump"
	echo "$COUNTS" | ask "$(place_of "$2")" | same_counts "$1"
	;;
copy)
	require_rights
	require_client
	changing
	copy "$1"
	;;
save)
	require_rights
	changing
	drop "$1"
	require_server_space "$(size)"
	# The server copies its own files while nobody is connected; otherwise by way of a dump.
	make "$1" "$name" 2>/dev/null || { require_client && copy "$1"; }
	;;
swap)
	require_rights
	changing
	drop "$2"
	administer live="$name" new="$(place_of "$1")" aside="$(place_of "$2")" <<-'SQL'
		select pg_terminate_backend(pid) from pg_stat_activity where datname in (:'live', :'new') \g /dev/null
		begin;
		select format('alter database %I rename to %I', :'live', :'aside')
			from pg_database where datname = :'live' \gexec
		alter database :"new" rename to :"live";
		commit;
	SQL
	;;
drop)
	changing
	drop "$1"
	;;
occupied)
	there=$(echo "select 1 from pg_database where datname = :'live'" | administer live="$name")
	if [ -z "$there" ]; then
		echo no
		exit
	fi
	echo "select case when exists (select 1 $TABLES) then 'yes' else 'no' end" | ask "$name"
	;;
wipe)
	changing
	{
		echo "set client_min_messages = 'error';"
		echo "select format('drop table %I.%I cascade', schemaname, tablename) $TABLES \\gexec"
	} | ask "$name"
	;;
remove)
	changing
	administer live="$name" <<-'SQL'
		select pg_terminate_backend(pid) from pg_stat_activity where datname = :'live' \g /dev/null
		set client_min_messages = 'error';
		drop database if exists :"live";
	SQL
	;;
*)
	refuse "no action $action"
	;;
esac
