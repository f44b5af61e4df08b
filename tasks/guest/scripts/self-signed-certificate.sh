# A certificate of our own making. Arguments: FOLDER DOMAIN NAME…; a NAME may be an address, or
# `given`: those that the container has now. Behind given-addresses.sh.
# FOLDER/certificate.pem and FOLDER/key.pem, renewed when less than 14 days are left; FOLDER/made
# says what they were made for: `DIGESTS EXPIRY DOMAIN NAME…`, expiry in seconds since 1970. A
# look at it costs a tenth of asking openssl, and a plan waits for it.

_certificate_asked() {
	# NAME…: with the addresses that there are in the place of `given`
	for name in "$@"; do
		if [ "$name" = given ]; then given_addresses 4 6; else echo "$name"; fi
	done | awk '!seen[$0]++' | tr '\n' ' '
}

_certificate_digests() {
	# Both files in one word, empty where one is missing.
	(cd "$1" && sha256sum certificate.pem key.pem) 2>/dev/null | while read -r sum _; do
		printf %s "$sum"
	done
}

_certificate_names() {
	# DOMAIN NAME…, as openssl takes them.
	names=
	for name in "$@"; do
		case $name in
		*:*) kind=IP ;;
		*[!0-9.]*) kind=DNS ;;
		*) kind=IP ;;
		esac
		names=$names,$kind:$name
	done
	printf %s "${names#,}"
}

probe_self_signed_certificate() {
	if [ ! -s "$1/certificate.pem" ] || [ ! -s "$1/key.pem" ] || [ ! -s "$1/made" ]; then
		echo absent
		return
	fi
	read -r digests expiry domain others <"$1/made"
	if [ "$digests" != "$(_certificate_digests "$1")" ]; then
		# Edited, or a kill between the renames left what does not belong together.
		echo mismatched
	elif [ "$domain" != "$2" ]; then
		echo other-domain
	elif [ "$others" != "$(shift 2 && _certificate_asked "$@" | sed 's/ $//')" ]; then
		echo other-names
	elif [ "$expiry" -lt $(($(date +%s) + 14 * 86400)) ]; then
		echo expiring
	elif [ "$(stat -c %a:%U:%G "$1/key.pem")" != 640:root:www-data ]; then
		echo exposed
	else
		echo present
	fi
}

apply_self_signed_certificate() {
	# Where only the container was started anew, it may be right as it is.
	[ "$(probe_self_signed_certificate "$@")" != present ] || return 0
	(
		umask 077
		folder=$1
		shift
		# shellcheck disable=SC2046 # names, with no space in them
		set -- $(_certificate_asked "$@")
		rm -f "$folder"/*.new
		expiry=$(($(date +%s) + 825 * 86400))
		# Browsers refuse more than 825 days. A common name holds 64 characters at most.
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 \
			-days 825 -subj "/O=Vikunja/CN=$(printf %.64s "$1")" \
			-addext "subjectAltName=$(_certificate_names "$@")" -addext "extendedKeyUsage=serverAuth" \
			-addext "basicConstraints=critical,CA:FALSE" \
			-keyout "$folder/key.pem.new" -out "$folder/certificate.pem.new" 2>"$folder/openssl.new" || {
			cat "$folder/openssl.new" >&2
			echo "openssl made no certificate for $1." >&2
			exit 1
		}
		rm -f "$folder/openssl.new"
		# nginx runs without root and reads the key as its group.
		chgrp www-data "$folder/key.pem.new" && chmod 0640 "$folder/key.pem.new" || exit 1
		chmod 0644 "$folder/certificate.pem.new"
		sync "$folder/key.pem.new" "$folder/certificate.pem.new" || exit 1
		# nginx has not taken up what comes now, whatever happens after it is there.
		rm -f /var/lib/vikunja-deploy/stamps/nginx.service
		mv -fT "$folder/key.pem.new" "$folder/key.pem" || exit 1
		mv -fT "$folder/certificate.pem.new" "$folder/certificate.pem" || exit 1
		echo "$(_certificate_digests "$folder") $expiry $*" >"$folder/made.new" || exit 1
		sync "$folder/made.new" || exit 1
		mv -fT "$folder/made.new" "$folder/made" || exit 1
		sync "$folder"
	)
}
