# Until an authority has given a certificate, nginx serves with one of our own making. Arguments: FOLDER,
# in which `current` is a link to the pair that serves, and OTHERWISE, where it leads to until then.

probe_acme_fallback() {
	if [ -s "$1/current/certificate.pem" ] && [ -s "$1/current/key.pem" ]; then
		echo present
	else
		echo absent
	fi
}

apply_acme_fallback() {
	# nginx has not taken it up, whatever happens after it is there.
	rm -f /var/lib/vikunja-deploy/stamps/nginx.service "$1/taken-up"
	ln -sfn "$2" "$1/current.new" && mv -fT "$1/current.new" "$1/current" && sync "$1"
}
