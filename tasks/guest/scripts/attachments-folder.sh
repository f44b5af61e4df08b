# Where attachments are, by the settings that serve: put before what asks for them.

attachments_folder() {
	# Of those in a bucket, their copy.
	folder=$(sed -n 's|^VIKUNJA_FILES_BASEPATH="\(/.*\)"$|\1|p' /etc/vikunja/environment 2>/dev/null)
	printf '%s\n' "${folder:-/var/lib/vikunja/files}"
}
