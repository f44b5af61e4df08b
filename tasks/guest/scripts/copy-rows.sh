# Copies rows from one database into another, client to client. Arguments: FOLDER copy|compare
# In FOLDER, of either side (`old`, `new`): NAME, the engine's script, NAME-connection, its arguments,
# and NAME-digests, statements for comparison; and `begin`, `rows`, `end`, of which the first and the
# last are for the new one, and the old one makes what is between them of `rows`.
#   copy      stderr's last line: what failed, and in which table
#   compare   stdout: lines of SIDE<tab>TABLE<tab>ROWS<tab>DIGEST
set -euo pipefail
umask 077
export LC_ALL=C.UTF-8
if [ -z "${COPYING_ROWS:-}" ]; then
	# Who goes back ends it at once, by this name.
	exec env COPYING_ROWS=yes systemd-run --quiet --scope --collect --unit=vikunja-deploy-copy-rows \
		bash -c "$BASH_EXECUTION_STRING" "$0" "$@"
fi
folder=$1

side() {
	# SIDE ACTION
	mapfile -t connection <"$folder/$1-connection"
	bash -c "$(cat "$folder/$1")" database "$2" "${connection[@]}"
}

digests() {
	# SIDE. However large a table is, memory is not.
	side "$1" read <"$folder/$1-digests" | awk -v sorted="sort -S 32M -T '$folder' | sha256sum" -v side="$1" '
		function end_table() {
			if (table == "") return
			printf "%s\t%s\t%d\t", side, table, rows
			fflush()
			if (rows) close(sorted); else print "-"
			rows = 0
		}
		/^\\= / { end_table(); table = substr($0, 4); next }
		{ rows++; print | sorted }
		END { end_table() }
	' | sed 's/ *-$//'
}

case $2 in
copy)
	# The new one's client repeats each table's name as it comes to it.
	{
		cat "$folder/begin"
		side old read <"$folder/rows"
		cat "$folder/end"
	} | side new write >"$folder/reached" || {
		echo "copying table $(tail -n 1 "$folder/reached") failed" >&2
		exit 1
	}
	;;
compare)
	export LC_ALL=C
	digests old >"$folder/old-found" &
	digests new
	wait $!
	cat "$folder/old-found"
	;;
esac
