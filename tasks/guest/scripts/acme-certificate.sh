# The certificate of an authority, as the timer in the container renews it. Arguments: FOLDER SERVER NAMES;
# NAMES parted by commas. FOLDER/made, see /usr/local/lib/vikunja/acme-install: `PAIR END SERVER NAMES`,
# end in seconds since 1970. Which pair it is now is nobody's edit; that it ends in a week is.

probe_acme_certificate() {
	pair='' expiry=0 made_for=''
	[ ! -s "$1/made" ] || read -r pair expiry made_for <"$1/made"
	if [ -z "$pair" ] || [ ! -s "$1/$pair/key.pem" ] || [ "$(readlink "$1/current")" != "$pair" ]; then
		echo absent
	elif [ "$made_for" != "$2 $3" ]; then
		echo other-names
	elif [ "$expiry" -lt $(($(date +%s) + 7 * 86400)) ]; then
		echo expiring
	else
		echo present
	fi
}

apply_acme_certificate() {
	systemctl start vikunja-acme.service && [ "$(probe_acme_certificate "$@")" = present ] && return 0
	journalctl --no-pager -q -o cat -n 40 -u vikunja-acme.service \
		_SYSTEMD_INVOCATION_ID="$(systemctl show -p InvocationID --value vikunja-acme.service)" >&2 || :
	tried=
	[ ! -s /var/lib/vikunja-acme/tried ] || read -r _ tried </var/lib/vikunja-acme/tried
	case $tried in
	'' | got) echo "The certificate that came could not be put in place." >&2 ;;
	*) printf '%s\n' "$tried" >&2 ;;
	esac
	return 1
}
