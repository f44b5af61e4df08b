# Whether a server outside lets in what is configured, before any of it is changed: as the application
# will reach it, from the container. Behind external-….sh. Arguments: KIND HOST PORT NAME USER ADMIN
# [TLS]; KIND as in external-KIND, `-` for nobody. stdin: the secrets as a tar stream.
# Where it does not, stderr's last line says why; exit codes of external-….sh.
set -u
umask 077
SECRETS=$(mktemp -d /run/vikunja-trial.XXXXXX) || exit 1
trap 'rm -rf "$SECRETS"' EXIT
tar -C "$SECRETS" -xf - || exit 1
DB_SECRET=db-password

try() {
	# KIND HOST PORT NAME USER ADMIN [TLS]
	kind=$1 admin=$6
	shift
	case $("probe_external_$kind" "$@") in
	unasked) return 0 ;;
	# Who administers the server makes what lacks.
	absent | denied) [ "$admin" = - ] || return 0 ;;
	esac
	# Without an administrator it changes nothing.
	"apply_external_$kind" "$1" "$2" "$3" "$4" - "${6:-}"
}

try "$@"
