# The log files that must be there with their rights before anybody writes to them, as the units'
# own start makes them. Arguments: FOLDER.
# nginx is reloaded without root rights and cannot make its own again.

_log_files_desired() {
	sed -n 's/^f \([^ ]* [^ ]* [^ ]* [^ ]*\) .*/\1/p' /etc/tmpfiles.d/vikunja.conf 2>/dev/null
}

probe_log_files() {
	desired=$(_log_files_desired)
	# shellcheck disable=SC2086 # one path a line, with no space in it
	found=$(find ${desired:+$(printf '%s\n' "$desired" | cut -d ' ' -f 1)} \
		-maxdepth 0 -type f -printf '%p 0%m %u %g\n' 2>/dev/null)
	if [ -z "$desired" ] || [ -z "$found" ]; then
		echo absent
	elif [ "$desired" = "$found" ]; then
		echo present
	elif [ "$(printf '%s\n' "$desired" | wc -l)" != "$(printf '%s\n' "$found" | wc -l)" ]; then
		echo removed
	else
		echo rights-changed
	fi
}

apply_log_files() {
	# nginx has not opened the files that come now, whatever happens after they are there.
	rm -f /var/lib/vikunja-deploy/stamps/nginx.service
	systemd-tmpfiles --create /etc/tmpfiles.d/vikunja.conf
}
