# What nginx answers to besides the names of the configuration: the addresses that the container was
# given. Behind given-addresses.sh. Arguments: FILE.

_given_names() {
	echo "# Written by vikunja-deploy, by the addresses that the container has."
	for address in $(given_addresses); do
		case $address in
		*:*) echo "server_name [$address];" ;;
		*) echo "server_name $address;" ;;
		esac
	done
}

probe_given_names() {
	if [ ! -f "$1" ]; then
		echo absent
	elif [ "$(cat "$1")" = "$(_given_names)" ]; then
		echo present
	else
		echo "another address"
	fi
}

apply_given_names() {
	# nginx has not taken up what comes now, whatever happens after it is there.
	rm -f /var/lib/vikunja-deploy/stamps/nginx.service "$1.new" || return 1
	(umask 022 && _given_names >"$1.new") && sync "$1.new" && mv -fT "$1.new" "$1" && sync "${1%/*}"
}
