# What nginx answers to besides the names of the configuration: the addresses that the container was
# given. Behind given-addresses.sh. Arguments: FILE FAMILY….

_given_names() {
	# FAMILY…
	echo "# Written by vikunja-deploy, by the addresses that the container has."
	for address in $(given_addresses "$@"); do
		case $address in
		*:*) echo "server_name [$address];" ;;
		*) echo "server_name $address;" ;;
		esac
	done
}

probe_given_names() {
	if [ ! -f "$1" ]; then
		echo absent
	elif [ "$(cat "$1")" = "$(shift && _given_names "$@")" ]; then
		echo present
	else
		echo "another address"
	fi
}

apply_given_names() {
	(
		umask 022
		file=$1
		shift
		# nginx has not taken up what comes now, whatever happens after it is there.
		rm -f /var/lib/vikunja-deploy/stamps/nginx.service "$file.new" &&
			_given_names "$@" >"$file.new" && sync "$file.new" &&
			mv -fT "$file.new" "$file" && sync "${file%/*}"
	)
}
