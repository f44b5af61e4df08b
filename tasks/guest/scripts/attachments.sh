# What changes places with the database: attachments, of which those of a place lie beside the live
# ones, and the secret that signs sessions, of which the one of before is kept while it is needed.
# For bash, in front of an engine's script, of which it takes the arguments: ACTION … [PLACE…].
# An update's recovery (recover.sh) calls both as one: it puts back files before the database, so
# that a kill in between is told by the place that is still there. Those in a bucket are there beside
# their copy: what the copy holds is put there as well. Behind attachments-folder.sh and bucket.sh.
attachments=$(attachments_folder)
secret=/etc/vikunja/secrets/service-secret
secret_before=/var/lib/vikunja-deploy/migration/service-secret

attachments_of() {
	printf '%s/vikunja-deploy-files-%s' "${attachments%/*}" "$1"
}

swap_attachments() {
	# PLACE ASIDE; again after a kill at any point.
	[ -d "$(attachments_of "$1")" ] || return 0
	if bucket_is_used; then
		bucket_filled "$(attachments_of "$1")" || return 1
	fi
	if [ -d "$attachments" ]; then
		rm -rf "$(attachments_of "$2")" && mv -T "$attachments" "$(attachments_of "$2")" || return 1
	fi
	mv -T "$(attachments_of "$1")" "$attachments" && sync "${attachments%/*}"
}

put_secret() {
	# FILE: its content, under the owner and mode that the secret has, for the colors, too. It is
	# another one than was noted.
	rm -f "/var/lib/vikunja-deploy/noted$secret"
	for place in "$secret" "${secret%/*}"/{blue,green}/service-secret; do
		[ "$place" = "$secret" ] || [ -e "$place" ] || continue
		install -m 0600 -o vikunja -g vikunja "$1" "$place.new" && sync "$place.new" &&
			mv -fT "$place.new" "$place" && sync "${place%/*}" || return 1
	done
}

case $1 in
swap)
	if [ -e "$secret_before" ]; then
		put_secret "$secret_before" || exit 1
	fi
	swap_attachments "${*: -2:1}" "${!#}" || exit 1
	;;
drop)
	rm -rf "$(attachments_of "${!#}")" "$(attachments_of "${!#}-and-live")"
	if [ "${!#}" = saved ]; then
		# The last that a recovery does: what was unpacked goes, too.
		rm -f "$secret_before"
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
swap-secret)
	# FILE: with another one's content.
	set -eu
	umask 077
	cp "$secret" "$secret_before.new"
	sync "$secret_before.new"
	mv -fT "$secret_before.new" "$secret_before"
	put_secret "$2"
	exit
	;;
bring-attachments)
	# FOLDER PLACE [keep]: what was unpacked is moved beside the live ones. keep: with all of those
	# that it lacks, under another name for each until they are whole; says how many they are.
	set -eu
	rm -rf "$(attachments_of "$3")" "$(attachments_of "$3-and-live")"
	if [ "${4:-}" = keep ] && [ -d "$attachments" ]; then
		both=$(attachments_of "$3-and-live")
		cp -alT "$attachments" "$both"
		brought=$(find "$2" -type f | wc -l)
		cp -afT "$2" "$both"
		echo "$(($(find "$both" -type f | wc -l) - brought))"
		mv -T "$both" "$(attachments_of "$3")"
	else
		mv -T "$2" "$(attachments_of "$3")"
	fi
	sync -f "$(attachments_of "$3")"
	if bucket_is_used; then
		# Most of it before writes stop; what is there otherwise stays until then.
		bucket_filled "$(attachments_of "$3")" --ignore-existing
	fi
	exit
	;;
esac
