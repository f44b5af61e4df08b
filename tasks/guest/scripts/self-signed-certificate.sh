# A certificate of our own making. Arguments: FOLDER DOMAIN ADDRESS.
# FOLDER/certificate.pem and FOLDER/key.pem, renewed when less than 14 days are left; FOLDER/made
# says what they were made for: `DIGESTS EXPIRY DOMAIN ADDRESS`, expiry in seconds since 1970. A
# look at it costs a tenth of asking openssl, and a plan waits for it.

_certificate_digests() {
	# Both files in one word, empty where one is missing.
	(cd "$1" && sha256sum certificate.pem key.pem) 2>/dev/null | while read -r sum _; do
		printf %s "$sum"
	done
}

probe_self_signed_certificate() {
	if [ ! -s "$1/certificate.pem" ] || [ ! -s "$1/key.pem" ] || [ ! -s "$1/made" ]; then
		echo absent
		return
	fi
	read -r digests expiry domain address <"$1/made"
	if [ "$digests" != "$(_certificate_digests "$1")" ]; then
		# Edited, or a kill between the renames left what does not belong together.
		echo mismatched
	elif [ "$domain" != "$2" ]; then
		echo other-domain
	elif [ "$address" != "$3" ]; then
		echo other-address
	elif [ "$expiry" -lt $(($(date +%s) + 14 * 86400)) ]; then
		echo expiring
	elif [ "$(stat -c %a:%U:%G "$1/key.pem")" != 640:root:www-data ]; then
		echo exposed
	else
		echo present
	fi
}

apply_self_signed_certificate() {
	(
		umask 077
		rm -f "$1"/*.new
		expiry=$(($(date +%s) + 825 * 86400))
		# Browsers refuse more than 825 days. A common name holds 64 characters at most.
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 \
			-days 825 -subj "/O=Vikunja/CN=$(printf %.64s "$2")" \
			-addext "subjectAltName=DNS:$2,IP:$3" -addext "extendedKeyUsage=serverAuth" \
			-addext "basicConstraints=critical,CA:FALSE" \
			-keyout "$1/key.pem.new" -out "$1/certificate.pem.new" 2>"$1/openssl.new" || {
			cat "$1/openssl.new" >&2
			echo "openssl made no certificate for $2." >&2
			exit 1
		}
		rm -f "$1/openssl.new"
		# nginx runs without root and reads the key as its group.
		chgrp www-data "$1/key.pem.new" && chmod 0640 "$1/key.pem.new" || exit 1
		chmod 0644 "$1/certificate.pem.new"
		sync "$1/key.pem.new" "$1/certificate.pem.new" || exit 1
		# nginx has not taken up what comes now, whatever happens after it is there.
		rm -f /var/lib/vikunja-deploy/stamps/nginx.service
		mv -fT "$1/key.pem.new" "$1/key.pem" || exit 1
		mv -fT "$1/certificate.pem.new" "$1/certificate.pem" || exit 1
		echo "$(_certificate_digests "$1") $expiry $2 $3" >"$1/made.new" || exit 1
		sync "$1/made.new" || exit 1
		mv -fT "$1/made.new" "$1/made" || exit 1
		sync "$1"
	)
}
