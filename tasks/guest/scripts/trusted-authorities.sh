# Certificates of authorities that programs in the container trust besides those of Debian.
# Arguments: `with` and the files that are to count, or `without` and one that is not to.

_authority_link() { # FILE: what update-ca-certificates makes of it
	name=${1##*/}
	printf '/etc/ssl/certs/%s.pem' "${name%.crt}"
}

_authority_counts() { # FILE
	[ -s "$1" ] && [ -s /etc/ssl/certs/ca-certificates.crt ] &&
		[ "$(readlink "$(_authority_link "$1")")" = "$1" ] || return 1
	# Some programs read the folder, most the bundle: its lines come there in their order.
	awk '{ gsub(/\r/, "") }
		NR == FNR { wanted[++count] = $0; next }
		$0 != wanted[at + 1] { at = 0 }
		$0 == wanted[at + 1] && ++at == count { found = 1; exit }
		END { exit !found }' "$1" /etc/ssl/certs/ca-certificates.crt
}

probe_trusted_authorities() {
	how=$1
	shift
	if [ "$how" = without ]; then
		link=$(_authority_link "$1")
		if [ -e "$1" ] || [ "$(readlink "$link")" = "$1" ]; then echo present; else echo absent; fi
		return
	fi
	for file in "$@"; do
		if ! _authority_counts "$file"; then
			if [ -e "$file" ]; then echo "not trusted"; else echo absent; fi
			return
		fi
	done
	echo present
}

apply_trusted_authorities() {
	how=$1
	shift
	[ "$how" = with ] || rm -f "$1" || return 1
	said=$(update-ca-certificates 2>&1) || {
		printf '%s\n' "$said" >&2
		echo "update-ca-certificates failed." >&2
		return 1
	}
	if [ "$how" = without ]; then
		# It takes no link away whose file is gone. Last: while it is there, this is not done.
		link=$(_authority_link "$1")
		find /etc/ssl/certs -lname "${link##*/}" -delete || return 1
		rm -f "$link"
		return
	fi
	for file in "$@"; do
		_authority_counts "$file" || {
			echo "update-ca-certificates did not take up $file." >&2
			return 1
		}
	done
}
