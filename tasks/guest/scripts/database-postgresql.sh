# What is done with a PostgreSQL database.
# Arguments: ACTION HOST PORT NAME USER ADMIN SECRET TLS [ARGUMENT…]. Without HOST the server is the
# container's own, and its own administrator does what ADMIN does elsewhere; without ADMIN it is
# USER, whose password is in the file SECRET. Behind database-login.sh.

action=$1 host=$2 port=$3 name=$4 user=$5 admin=$6 secret=$7 tls=$8
shift 8
# A color that was prepared by an older version has none of its own.
[ -s "/etc/vikunja/secrets/$secret" ] || secret=${secret##*/}

_postgresql_programs || no_programs PostgreSQL
export PGCONNECT_TIMEOUT=10 PGCLIENTENCODING=UTF8
if [ -z "$host" ]; then export PGSSLMODE=disable; else _postgresql_tls "$tls" "$secret"; fi
jobs=1

with_password() {
	# SECRET USER PROGRAM [OPTION…]
	_postgresql "$1" "$3" --host="${host:-127.0.0.1}" --port="$port" --username="$2" "${@:4}"
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
	administer_in postgres "$@"
}

administer_in() {
	# DATABASE [VARIABLE=VALUE…]; statements on stdin.
	within=$1
	shift
	set -- "${@/#/--set=}" --set=user="$user" --dbname="$within"
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
	where=$(_at "${host:-the container}" "$port" "$host/.s.PGSQL.$port")
	can=$(echo 'select rolcreatedb or rolsuper from pg_roles where rolname = current_user' | administer) ||
		refuse "user \"${admin:-$user}\" cannot log in to database postgres at $where, which making a database beside \"$name\" needs"
	[ "$can" = t ] ||
		refuse "PostgreSQL at $where lets \"${admin:-$user}\" make no database beside \"$name\". An administrator of that server has to run: ALTER ROLE \"${admin:-$user}\" CREATEDB; or set database.admin_user and database.admin_password_file"
}

newest() {
	# Of what a server, or a program, says of its version.
	sed 's/^[^0-9]*\([0-9]*\).*/\1/'
}

own_version() {
	"$programs/pg_dump" --version | newest
}

server_version() {
	# DATABASE: that any is asked for.
	echo 'show server_version' | ask "$1" | newest
}

require_client() {
	# pg_dump refuses servers newer than itself.
	server=$(server_version "$name")
	own=$(own_version)
	[ "$own" -ge "$server" ] ||
		refuse "PostgreSQL $server is newer than pg_dump $own in the container, which cannot copy it. No backup, and no update that migrates, is possible until postgresql-client-$server is installed there: name a source of it in system.apt_sources"
}

require_server_space() {
	# BYTES. Nobody can say how much is free on a server elsewhere.
	[ -n "$host" ] || require_space "$(echo 'show data_directory' | administer)" "$1"
}

size() {
	echo 'select pg_database_size(current_database())' | ask "$name"
}

# Tables of an extension come with it.
TABLES="from pg_tables where schemaname not in ('pg_catalog', 'information_schema')
	and not exists (select from pg_depend d join pg_class c on d.objid = c.oid
		join pg_namespace n on n.oid = c.relnamespace
		where d.classid = 'pg_class'::regclass and d.deptype = 'e'
		and n.nspname = schemaname and c.relname = tablename)"
SHOWN="case schemaname when 'public' then tablename else schemaname || '.' || tablename end"
COUNTS="select format('select %L, count(*) from %I.%I', $SHOWN, schemaname, tablename) $TABLES \\gexec"

columns() {
	# TABLE<tab>COLUMN<tab>TYPE<tab>NULLABLE<tab>PRECISION<tab>COUNTER: digits of a second, and the next
	# number of a column that counts by itself.
	echo "select label, attname, coalesce(b.typname, t.typname), (not attnotnull)::int,
			case when t.typname like 'timestamp%' and atttypmod >= 0 then atttypmod else 6 end,
			case when s.sequencename is not null then coalesce(last_value + increment_by, start_value)::text end
		from (select $SHOWN as label, format('%I.%I', schemaname, tablename)::regclass as id $TABLES) as one
			join pg_attribute on attrelid = one.id and attnum > 0 and not attisdropped and attgenerated = ''
			join pg_type t on t.oid = atttypid
			left join pg_type b on b.oid = t.typbasetype
			left join pg_sequences s on format('%I.%I', s.schemaname, sequencename)
				= pg_get_serial_sequence(one.id::text, attname)
		order by label, attnum" | ask "$name"
}

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

# What only an administrator of a server may create: catalog, id there, what it is, and `needed`
# where something else of the database stands on it. Nothing of it, where the user is one.
APART="with member as (
	select classid, objid from pg_depend
		where refclassid = 'pg_extension'::regclass and deptype = 'e'
), found (class, id, kind, name) as (
	select 'pg_extension'::regclass, e.oid, 'extension', extname::text from pg_extension e
		where e.oid >= 16384 and not exists (select from pg_available_extension_versions v
			where v.name = e.extname and v.version = e.extversion
			and (not v.superuser or (to_jsonb(v) ->> 'trusted')::boolean))
	union all select 'pg_event_trigger'::regclass, oid, 'event trigger', evtname from pg_event_trigger
	union all select 'pg_foreign_data_wrapper'::regclass, oid, 'foreign-data wrapper', fdwname
		from pg_foreign_data_wrapper
	union all select 'pg_foreign_server'::regclass, oid, 'foreign server', srvname from pg_foreign_server
	union all select 'pg_class'::regclass, oid, 'foreign table', oid::regclass::text from pg_class
		where relkind = 'f'
	union all select 'pg_language'::regclass, oid, 'language', lanname from pg_language
		where oid >= 16384 and not lanpltrusted
	union all select 'pg_proc'::regclass, p.oid, 'function', p.oid::regprocedure::text
		from pg_proc p join pg_language l on l.oid = prolang
		where p.oid >= 16384 and not lanpltrusted
	union all select 'pg_publication'::regclass, oid, 'publication', pubname from pg_publication
	union all select 'pg_subscription'::regclass, s.oid, 'subscription', subname
		from pg_subscription s join pg_database d on d.oid = subdbid
		where datname = current_database()
), apart as (
	select * from found
		where (class, id) not in (select classid, objid from member)
		and not (select rolsuper from pg_roles where rolname = current_user)
), theirs (class, id, owner) as (
	select class, id, id from apart where kind <> 'extension'
	union all select classid, objid, refobjid from pg_depend
		where deptype = 'e' and refclassid = 'pg_extension'::regclass
		and refobjid in (select id from apart where kind = 'extension')
)
select class::oid, id, kind || ' ' || translate(name, E'\\t\\r\\n', '   '),
	case when exists (select from pg_depend d join theirs t on (d.refclassid, d.refobjid) = (t.class, t.id)
		where t.owner = apart.id and d.deptype in ('n', 'a')
		and (d.classid, d.objid) not in (select t.class, t.id from theirs t)
		and (d.classid, d.objid) not in (select classid, objid from member)
		and not exists (select from pg_depend i join theirs t
			on (i.refclassid, i.refobjid) = (t.class, t.id)
			where (i.classid, i.objid) = (d.classid, d.objid) and i.deptype in ('i', 'a')))
	then 'needed' else '' end
from apart order by 3"

# What a dump has to read, and the user may not.
UNREADABLE="select case relkind when 'S' then 'sequence ' else 'table ' end ||
	translate(format('%I.%I', nspname, relname), E'\\t\\r\\n', '   ')
from pg_class c join pg_namespace n on n.oid = relnamespace
where relkind in ('r', 'p', 'S') and nspname not like 'pg\\_%' and nspname <> 'information_schema'
	and not exists (select from pg_depend where classid = 'pg_class'::regclass
		and objid = c.oid and deptype = 'e')
	and (not has_schema_privilege(n.oid, 'USAGE') or case relkind
		when 'S' then not has_sequence_privilege(c.oid, 'SELECT')
		else not has_table_privilege(c.oid, 'SELECT') or row_security_active(c.oid) end)
order by 1"

outlook() {
	server=$(server_version "$name")
	own=$(own_version)
	[ "$own" -ge "$server" ] || printf 'client\t%s\t%s\n' "$server" "$own"
	echo "$UNREADABLE" | ask "$name" | sed 's/^/unreadable\t/; s/$/\t/'
	echo "$APART" | ask "$name" | cut -f 3- | sed 's/^/apart\t/'
}

require_readable() {
	unreadable=$(echo "$UNREADABLE" | ask "$name")
	[ -z "$unreadable" ] || {
		printf '%s\n' "$unreadable" >&2
		refuse "user \"$user\" may not read $(printf %s "$unreadable" | head -n 1), so nothing can be copied. An administrator of the server has to run: ALTER TABLE … OWNER TO \"$user\"; or GRANT SELECT ON … TO \"$user\""
	}
}

dumped() {
	# [OPTION…]: not compressed; the archive is.
	as_user pg_dump --format=custom --compress=0 --no-owner --no-privileges --dbname="dbname='$(
		printf %s "$name" | sed "s/[\\\\']/\\\\&/g"
	)'" "$@"
}

fill() {
	# PLACE [OPTION…]: from a dump. Comments on extensions are their owners'; where tables lie, and
	# who they are copied to, is their server's.
	to=$(place_of "$1")
	shift
	set -- --no-owner --no-privileges --no-comments --no-tablespaces --no-publications \
		--no-subscriptions --no-security-labels "$@"
	if [ "$(own_version)" -ge 17 ] && [ "$(server_version "$to")" -lt 17 ]; then
		# It begins with a setting that servers before 17 do not know, and would end there.
		"$programs/pg_restore" --file=- "$@" | sed '0,/^SET transaction_timeout = 0;$/{//d}' |
			ask "$to" >/dev/null
	else
		as_user pg_restore --exit-on-error --jobs="$jobs" \
			--dbname="dbname='$(printf %s "$to" | sed "s/[\\\\']/\\\\&/g")'" "$@"
	fi
	echo analyze | ask "$to" 2>/dev/null
}

extend() {
	# PLACE; names of extensions on stdin: those that nobody can make there, one a line.
	to=$(place_of "$1")
	while IFS= read -r extension; do
		make="create extension if not exists :\"extension\""
		echo "$make" | as_user "${PSQL[@]}" --set=extension="$extension" --dbname="$to" 2>/dev/null ||
			echo "$make" | administer_in "$to" extension="$extension" 2>/dev/null ||
			printf '%s\n' "$extension"
	done
}

fill_from() {
	# PLACE FOLDER: what only an administrator may create is made by one, or left out and named.
	to=$1
	[ -f "$2/apart.tsv" ] || : >"$2/apart.tsv"
	"$programs/pg_restore" --list "$2/vikunja.dump" >"$2/list"
	sed -n 's/^[0-9]*; [0-9]* [0-9]* EXTENSION - \(.*\) [^ ]*$/\1/p' "$2/list" | extend "$to" >"$2/missing"
	while IFS=$(printf '\t') read -r _ _ what needed; do
		[ "$needed" = needed ] || continue
		case $what in
		extension\ *) grep -qxF "${what#extension }" "$2/missing" || continue ;;
		esac
		[ -n "$host" ] || refuse "it stands on the $what, which the container's own server does not have"
		refuse "it stands on the $what, which only an administrator of the server may create: set database.admin_user and database.admin_password_file, or let one remove it"
	done <"$2/apart.tsv"
	if [ "$(echo 'select rolsuper from pg_roles where rolname = current_user' | ask "$(place_of "$to")")" != t ]; then
		awk -v missing="$2/missing" -v apart="$2/apart.tsv" -v left="$2/left" '
			BEGIN {
				while ((getline line <missing) > 0) gone[line]
				while ((getline line <apart) > 0) { split(line, field, "\t"); theirs[field[1] " " field[2]] }
				printf "" >left
			}
			/^;/ { print; next }
			{
				entry = $0
				sub(/^[0-9]+; [0-9]+ [0-9]+ /, "", entry)
				sub(/ [^ ]*$/, "", entry)
				named = entry
				sub(/^EXTENSION - /, "", named)
				drop = (($2 " " $3) in theirs)
				if (entry ~ /^(EVENT TRIGGER|FOREIGN DATA WRAPPER|SERVER|USER MAPPING|FOREIGN TABLE) /) drop = 1
				if (entry ~ /^(PUBLICATION|SUBSCRIPTION) /) drop = 1
				if (entry ~ /^EXTENSION /) drop = (named in gone)
				if (drop) {
					match(entry, /^[A-Z ]+ /)
					kind = tolower(substr(entry, 1, RLENGTH))
					entry = substr(entry, RLENGTH + 1)
					sub(/^- /, "", entry)
					print kind entry >left
					$0 = ";" $0
				}
				print
			}
		' "$2/list" >"$2/list.new"
		mv "$2/list.new" "$2/list"
		cat "$2/left"
	fi
	fill "$to" --use-list="$2/list" "$2/vikunja.dump"
}

copy() {
	# PLACE
	drop "$1"
	require_server_space "$(size)"
	make "$1"
	apart=$(echo "$APART" | ask "$name")
	if [ -z "$apart" ]; then
		dumped | fill "$1"
		return
	fi
	# What is left out of it is chosen from its list, which a stream has not.
	aside=/var/lib/vikunja-backup/backup-copy
	begin_dump "$aside" "$(size)"
	dumped --file="$aside/vikunja.dump"
	printf '%s\n' "$apart" >"$aside/apart.tsv"
	fill_from "$1" "$aside" >/dev/null
	rm -rf "$aside"
}

case $action in
size)
	size
	;;
name)
	database_of "$1"
	;;
places)
	echo 'select datname from pg_database' | administer | places_among
	;;
counts)
	echo "$COUNTS" | ask "$(database_of "$1")"
	;;
columns)
	columns
	;;
read)
	ask "$name"
	;;
write)
	# What else the server says of an error repeats a row; its context ends with a value.
	{
		ask "$name" 2>&1 >&3 |
			sed -n 's/^\(CONTEXT:  COPY .*, column [^:]*\):.*/\1/p; /^\(psql\|ERROR\|FATAL\)/p' >&2
	} 3>&1
	;;
migrations)
	echo "select 'select id from migration order by id collate \"C\"' where to_regclass('migration') is not null \\gexec" |
		ask "$(database_of "$1")"
	;;
outlook)
	outlook
	;;
dump)
	require_client
	require_readable
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
	echo "$APART" | ask "$name" >"$1/apart.tsv"
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
	jobs=2
	fill_from "$2" "$1"
	echo "$COUNTS" | ask "$(place_of "$2")" | same_counts "$1"
	;;
copy)
	require_rights
	require_client
	require_readable
	changing
	copy "$1"
	;;
save)
	require_rights
	changing
	drop "$1"
	require_server_space "$(size)"
	# The server copies its own files while nobody is connected; otherwise by way of a dump.
	make "$1" "$name" 2>/dev/null || { require_client && require_readable && copy "$1"; }
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
