# What is done with a SQLite database, for bash. Arguments: ACTION DATABASE [OTHER [OWNER]].
set -euo pipefail
umask 077

database=$2

query() {
	# FILE STATEMENT…: a writer is waited for up to a minute.
	file=$1
	shift
	sqlite3 -batch -bail -noheader -cmd '.timeout 60000' "$file" "$@"
}

must_be_there() {
	# sqlite3 would make an empty one.
	[ -s "$1" ] || {
		echo "$1 is missing or empty" >&2
		exit 1
	}
}

must_be_whole() {
	must_be_there "$1"
	said=$(query "$1" 'pragma integrity_check(3)' 2>&1) || true
	[ "$said" = ok ] || {
		printf '%s: %s\n' "$1" "$said" >&2
		exit 1
	}
}

case $1 in
copy)
	# A file aside in OTHER's folder: a kill leaves nothing that looks like a copy.
	must_be_there "$database"
	folder=${3%/*}
	mkdir -p "$folder"
	rm -f "$3" "$3.new" "$3.new-journal"
	query "$database" "vacuum into '$3.new'"
	mv "$3.new" "$3"
	stat -c %s "$3"
	;;
restore)
	# OTHER takes DATABASE's place, owner and mode. Nothing may have DATABASE open.
	must_be_whole "$3"
	owner=$4
	new=$database.new
	cp "$3" "$new"
	chown "$owner" "$new"
	chmod 0640 "$new"
	sync "$new"
	if [ -e "$database" ]; then
		chown --reference="$database" "$new"
		chmod --reference="$database" "$new"
		# What the journals hold goes into the old file first: a kill from here on leaves either
		# database whole, and never the old one's journal beside the new one.
		if ! query "$database" 'select count(*) from sqlite_schema' \
			'pragma wal_checkpoint(truncate)' >/dev/null 2>&1; then
			mv "$database" "$database.damaged"
		fi
	fi
	rm -f "$database-wal" "$database-shm" "$database-journal"
	mv "$new" "$database"
	sync "${database%/*}"
	;;
digest)
	must_be_there "$database"
	query "$database" "select name, (select count(*) from pragma_table_info(one.name))
		from sqlite_schema as one
		where type = 'table' and name not like 'sqlite\\_%' escape '\\' order by name" |
		while IFS='|' read -r name columns; do
			order=$(seq -s, 1 "$columns")
			rows=$(query "$database" "select count(*) from \"$name\"")
			digest=$(query "$database" '.mode quote' "select * from \"$name\" order by $order" | sha256sum)
			printf '%s\t%s\t%s\n' "$name" "$rows" "${digest%% *}"
		done
	;;
esac
