# Attachments that change places with the database: `files` of a place lie beside the live ones.
# For bash, in front of an engine's script, of which it takes the arguments: ACTION … [PLACE…].
# An update's recovery (recover.sh) calls both as one: it puts back files before the database, so
# that a kill in between is told by the place that is still there.
attachments=/var/lib/vikunja/files

attachments_of() {
	printf '/var/lib/vikunja/vikunja-deploy-files-%s' "$1"
}

swap_attachments() {
	# PLACE ASIDE; again after a kill at any point.
	[ -d "$(attachments_of "$1")" ] || return 0
	if [ -d "$attachments" ]; then
		rm -rf "$(attachments_of "$2")" && mv -T "$attachments" "$(attachments_of "$2")" || return 1
	fi
	mv -T "$(attachments_of "$1")" "$attachments" && sync "${attachments%/*}"
}

case $1 in
swap)
	swap_attachments "${*: -2:1}" "${!#}" || exit 1
	;;
drop)
	rm -rf "$(attachments_of "${!#}")"
	if [ "${!#}" = saved ]; then
		# The last that a recovery does: what was unpacked goes, too.
		rm -rf /var/lib/vikunja-backup/restore
		bash -c "$BASH_EXECUTION_STRING" restored "${@:1:$#-1}" restored
	fi
	;;
swap-attachments)
	# PLACE ASIDE, without the database.
	set -eu
	swap_attachments "$2" "$3"
	exit
	;;
bring-attachments)
	# FOLDER PLACE: what was unpacked is moved beside the live ones.
	set -eu
	rm -rf "$(attachments_of "$3")"
	mv -T "$2" "$(attachments_of "$3")"
	sync -f "$(attachments_of "$3")"
	exit
	;;
esac
