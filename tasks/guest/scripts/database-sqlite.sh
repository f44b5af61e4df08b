# What is done with a SQLite database. Arguments: ACTION DATABASE OWNER [ARGUMENT…].
# DATABASE is a path without quotes, OWNER `user:group` for a database that comes where none was.

action=$1 database=$2 owner=$3
shift 3
home=${database%/*}

query() {
	# FILE STATEMENT…: a writer is waited for up to a minute.
	file=$1
	shift
	sqlite3 -batch -bail -noheader -separator "$(printf '\t')" -cmd '.timeout 60000' "$file" "$@"
}

file_of() {
	# PLACE
	if [ "$1" = live ]; then printf %s "$database"; else printf %s "$home/vikunja-deploy-$1.db"; fi
}

must_be_there() {
	# sqlite3 would make an empty one.
	[ -s "$1" ] || refuse "$1 is missing or empty"
}

must_be_whole() {
	must_be_there "$1"
	said=$(query "$1" 'pragma integrity_check(3)' 2>&1) || true
	[ "$said" = ok ] || {
		printf '%s\n' "$said" >&2
		refuse "$1 is damaged"
	}
}

give() {
	# FILE: to whoever has the database, else to OWNER.
	if [ -e "$database" ]; then
		chown --reference="$database" "$1"
		chmod --reference="$database" "$1"
	else
		chown "$owner" "$1"
		chmod 0640 "$1"
	fi
}

put() {
	# NEW FILE: on disk and owned, under its name.
	give "$1"
	sync "$1"
	mv -T "$1" "$2"
	sync "$home"
}

drop() {
	# PLACE
	gone=$(file_of "$1")
	rm -f "$gone" "$gone-wal" "$gone-shm" "$gone-journal" "$gone.new" "$gone.new-journal"
}

tables() {
	# FILE: names.
	query "$1" "select name from sqlite_schema
		where type = 'table' and name not like 'sqlite\\_%' escape '\\' order by name"
}

counts() {
	# FILE
	tables "$1" | while IFS= read -r table; do
		query "$1" "select '${table//\'/\'\'}', count(*) from \"${table//\"/\"\"}\""
	done
}

columns() {
	# TABLE<tab>COLUMN<tab>TYPE<tab>NULLABLE<tab>PRECISION<tab>COUNTER: digits of a second, and the next
	# number of a column that counts by itself.
	counter="''"
	if [ -n "$(query "$database" "select 1 from sqlite_schema where name = 'sqlite_sequence'")" ]; then
		counter="case when c.pk = 1 and t.sql like '%autoincrement%' then
			1 + coalesce((select seq from sqlite_sequence s where s.name = t.name), 0) else '' end"
	fi
	query "$database" "select t.name, c.name, c.type, not c.\"notnull\", 9, $counter
		from sqlite_schema t join pragma_table_xinfo(t.name) c
		where t.type = 'table' and t.name not like 'sqlite\\_%' escape '\\' and c.hidden = 0
		order by t.name, c.cid"
}

swap() {
	# NEW ASIDE: files. Nothing may have the database open.
	must_be_there "$1"
	query "$1" 'pragma wal_checkpoint(truncate)' >/dev/null
	rm -f "$1-wal" "$1-shm" "$1-journal"
	give "$1"
	sync "$1"
	if [ -e "$database" ]; then
		rm -f "$2" "$2-wal"
		# What the journals hold goes into the old file first: a kill from here on leaves either
		# database whole, and never the old one's journal beside the new one.
		if ! query "$database" 'select count(*) from sqlite_schema' \
			'pragma wal_checkpoint(truncate)' >/dev/null 2>&1 && [ -e "$database-wal" ]; then
			mv -T "$database-wal" "$2-wal"
		fi
		ln "$database" "$2"
	fi
	rm -f "$database-wal" "$database-shm" "$database-journal"
	mv -T "$1" "$database"
	sync "$home"
}

case $action in
size)
	must_be_there "$database"
	stat -c %s "$database"
	;;
name)
	file_of "$1"
	;;
places)
	for found in "$home"/vikunja-deploy-*.db; do
		[ -e "$found" ] || continue
		found=${found##*/vikunja-deploy-}
		printf '%s\n' "${found%.db}"
	done
	;;
counts)
	must_be_there "$(file_of "$1")"
	counts "$(file_of "$1")"
	;;
columns)
	must_be_there "$database"
	columns
	;;
read)
	must_be_there "$database"
	query "$database"
	;;
write)
	must_be_there "$database"
	rows_as_inserts sqlite | query "$database"
	;;
migrations)
	must_be_there "$(file_of "$1")"
	if [ -n "$(query "$(file_of "$1")" "select 1 from sqlite_schema where name = 'migration'")" ]; then
		query "$(file_of "$1")" 'select id from migration order by id'
	fi
	;;
dump)
	must_be_there "$database"
	changing
	begin_dump "$1" "$(stat -c %s "$database")"
	query "$database" "vacuum into '$1/vikunja.db.new'"
	counts "$1/vikunja.db.new" >"$1/tables.tsv"
	mv "$1/vikunja.db.new" "$1/vikunja.db"
	stat -c %s "$1/vikunja.db"
	;;
outlook | rights) ;;
load)
	changing
	drop "$2"
	must_be_whole "$1/vikunja.db"
	require_space "$home" "$(stat -c %s "$1/vikunja.db")"
	counts "$1/vikunja.db" | same_counts "$1"
	to=$(file_of "$2")
	cp "$1/vikunja.db" "$to.new"
	put "$to.new" "$to"
	;;
copy | save)
	must_be_there "$database"
	changing
	drop "$1"
	require_space "$home" "$(stat -c %s "$database")"
	to=$(file_of "$1")
	if [ "$action" = copy ]; then
		query "$database" "vacuum into '$to.new'"
	else
		query "$database" ".backup '$to.new'"
	fi
	put "$to.new" "$to"
	;;
swap)
	changing
	swap "$(file_of "$1")" "$(file_of "$2")"
	;;
drop)
	changing
	drop "$1"
	;;
occupied)
	found=
	# One that cannot be read is not empty: that ends it here.
	[ ! -s "$database" ] || found=$(tables "$database")
	if [ -n "$found" ]; then echo yes; else echo no; fi
	;;
wipe | remove)
	changing
	rm -f "$database" "$database-wal" "$database-shm" "$database-journal"
	sync "$home"
	;;
*)
	refuse "no action $action"
	;;
esac
