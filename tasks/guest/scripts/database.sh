# What the engines' scripts share, for bash. A line on stderr before exit code 7 is for the user.
set -euo pipefail
umask 077
export LC_ALL=C.UTF-8

refuse() {
	printf '%s\n' "$1" >&2
	exit 7
}

no_programs() {
	# PRODUCT
	refuse "$1's client programs are not installed in the container: ./doit apply installs them. Where the data went with them, as ./doit plan says, it gives that up with --allow-destroy: a restore then fills the empty database"
}

changing() {
	# What a killed run left working here is waited for: two never change the databases at once.
	mkdir -p /run/vikunja-deploy
	exec 9>/run/vikunja-deploy/apply.lock
	flock -w 900 9 || refuse "another run is still changing the container"
}

require_space() {
	# FOLDER BYTES: as much is free where FOLDER is or will be, and some more for everybody else.
	folder=$1
	until [ -d "$folder" ]; do folder=$(dirname "$folder"); done
	free=$(df --output=avail -B 1 "$folder" | tail -n 1)
	wanted=$(($2 + 64 * 1024 * 1024))
	[ "$free" -ge "$wanted" ] ||
		refuse "$1 in the container may need $((wanted / 1000000)) MB, and $((free / 1000000)) MB are free"
}

place_of() {
	# PLACE: the name of the database beside the live one. A server may cut longer names.
	# shellcheck disable=SC2154 # the engine's script has it
	rest=$name
	if [ "$((${#1} + ${#name}))" -gt 45 ]; then
		rest=${name:0:20}-$(printf %s "$name" | sha256sum | cut -c 1-8)
	fi
	printf 'vikunja-deploy-%s-%s' "$1" "$rest"
}

database_of() {
	# PLACE, `live` for the live one.
	if [ "$1" = live ]; then printf %s "$name"; else place_of "$1"; fi
}

places_among() {
	# Names of databases on stdin: the places that are ours, one a line.
	while IFS= read -r found; do
		case $found in
		vikunja-deploy-*)
			place=${found#vikunja-deploy-}
			place=${place%%-*}
			[ "$found" != "$(place_of "$place")" ] || printf '%s\n' "$place"
			;;
		esac
	done
}

begin_dump() {
	# FOLDER BYTES: an empty folder, for so much at most.
	rm -rf "$1"
	require_space "$1" "$2"
	mkdir -p "$1"
}

same_counts() {
	# FOLDER: the rows counted, on stdin, are those of the dump.
	[ -f "$1/tables.tsv" ] || refuse "the dump has no tables.tsv"
	diff <(sort "$1/tables.tsv") <(sort) >&2 ||
		refuse "other rows came out of the dump than had gone into it"
}

rows_as_inserts() {
	# sqlite|mysql; statements on stdin, and rows as PostgreSQL's COPY writes them: from a line
	# `\= BYTES INSERT …`, BYTES the numbers of the columns that hold bytes, as `,2,5,`, to a line `\.`.
	awk -v engine="$1" '
		function end_statement() { if (size) print ";"; size = 0 }
		function as_bytes(field) {
			return field == "\\N" ? "NULL" : "X" quote substr(field, 4) quote
		}
		function as_text(field, code, lone) {
			if (field == "\\N") return "NULL"
			gsub(quote, quote quote, field)
			# The same escapes, but for those that are gone already.
			if (engine == "mysql") return quote field quote
			if (!index(field, "\\")) return quote field quote
			gsub(/\\\\/, "\\134", field)
			lone = index(field, "\\134")
			field = quote field quote
			for (code in named)
				if (index(field, "\\" named[code]))
					field = "replace(" field "," quote "\\" named[code] quote ",char(" code "))"
			return lone ? "replace(" field "," quote "\\134" quote ",char(92))" : field
		}
		function as_row(line, many, at, out) {
			many = split(line, fields, "\t")
			for (at = 1; at <= many; at++)
				out = out (at > 1 ? "," : "") (index(bytes, "," at ",") ? as_bytes(fields[at]) : as_text(fields[at]))
			return out
		}
		function as_plain_row(line) {
			gsub(quote, quote quote, line)
			gsub(/\t/, quote "," quote, line)
			line = quote line quote
			gsub(quote "\\\\N" quote, "NULL", line)
			return line
		}
		BEGIN {
			quote = sprintf("%c", 39)
			named[8] = "b"; named[9] = "t"; named[10] = "n"; named[11] = "v"; named[12] = "f"; named[13] = "r"
		}
		!inside && /^\\= / {
			inside = 1
			bytes = $2
			head = substr($0, length(bytes) + 5)
			next
		}
		!inside { print; next }
		$0 == "\\." { end_statement(); inside = 0; next }
		{
			plain = bytes == "," && (engine == "mysql" || !/\\[^N]/)
			row = "(" (plain ? as_plain_row($0) : as_row($0)) ")"
			if (size) print ","; else print head
			print row
			size += length(row)
			if (size > 262144) end_statement()
		}
	'
}
