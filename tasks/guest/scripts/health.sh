# Health checks. Each waits until it is satisfied or TIMEOUT seconds are over; curl only.
# On success: `healthy SECONDS`. On failure: what was last seen, in one line on stderr, exit 1.
# health_unit: the unit that must be the one that listens, where it is set. Of the variables of whoever
# asks it writes none but $seen.

_health_now() {
	# Hundredths of a second since boot, without starting a process.
	read -r _health_up _ </proc/uptime
	_health_up=${_health_up%.*}${_health_up#*.}
	while [ "${_health_up#0}" != "$_health_up" ] && [ ${#_health_up} -gt 1 ]; do
		_health_up=${_health_up#0}
	done
}

_health_wait() {
	# TIMEOUT CHECK [ARGUMENT…]: calls CHECK until it succeeds; it says in $seen what it saw.
	_health_now
	_health_start=$_health_up
	_health_limit=$((_health_start + ${1%.*} * 100))
	shift
	while :; do
		if "$@"; then
			_health_now
			_health_took=$((_health_up - _health_start))
			printf 'healthy %d.%02d\n' $((_health_took / 100)) $((_health_took % 100))
			return 0
		fi
		_health_gives_up
		_health_now
		if [ "$_health_up" -ge "$_health_limit" ]; then
			printf '%s\n' "$seen" >&2
			return 1
		fi
		sleep 0.1
	done
}

_health_gives_up() {
	# What has ended again and again does so the next time, too.
	[ -n "${health_unit:-}" ] || return 0
	_health_ended=$(systemctl show -p NRestarts --value -- "$health_unit")
	[ "${_health_ended:-0}" -ge 5 ] || return 0
	seen="$health_unit has ended $_health_ended times: $seen"
	_health_limit=0
}

_health_get() {
	# URL [OPTION…]: the body in $_health_body, the status in $_health_code. It may take $_health_seconds, or 5.
	_health_url=$1
	shift
	_health_body=$(curl --silent --show-error --max-time "${_health_seconds:-5}" --noproxy '*' --write-out '\n%{http_code}' "$@" "$_health_url" 2>&1)
	_health_failed=$?
	_health_code=${_health_body##*
}
	_health_body=${_health_body%
*}
	if [ "$_health_failed" -ne 0 ]; then
		seen="$_health_url: $(printf %s "$_health_body" | head -n 1)"
		return 1
	fi
	if [ "$_health_code" != 200 ]; then
		seen="$_health_url answered $_health_code: $(printf %s "$_health_body" | head -n 1 | cut -c 1-200)"
		return 1
	fi
}

_health_value() {
	# NAME: the string value of a key in $_health_body, JSON.
	printf %s "$_health_body" | tr ',{}' '\n' |
		sed -n 's/^[[:space:]]*"'"$1"'"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p' | head -n 1
}

_health_page() {
	# URL [OPTION…]: an HTML page with an application's root in it.
	_health_get "$@" || return 1
	case $_health_body in
	*id=\"app\"* | *id=\'app\'* | *id=app[\ \>]* | *id=\"root\"*) ;;
	*)
		seen="$1 answered 200, but its page holds no application: the web UI is not in this release"
		return 1
		;;
	esac
}

_health_own() {
	# PORT: another process may listen there, and even be of the same version.
	[ -n "${health_unit:-}" ] || return 0
	_health_main=$(systemctl show -p MainPID --value -- "$health_unit")
	_health_sockets=$(awk -v end=":$(printf %04X "$1")" \
		'$4 == "0A" && substr($2, length($2) - 4) == end { print $10 }' /proc/net/tcp /proc/net/tcp6)
	for _health_socket in $_health_sockets; do
		[ -z "$(find "/proc/$_health_main/fd" -lname "socket:\[$_health_socket\]" 2>/dev/null)" ] || return 0
	done
	seen="port $1 is another process's than that of $health_unit"
	return 1
}

_health_backend_once() {
	# PORT VERSION
	_health_get "http://127.0.0.1:$1/health" || return 1
	_health_get "http://127.0.0.1:$1/api/v1/info" || return 1
	_health_version=$(_health_value version)
	if [ -z "$_health_version" ]; then
		seen="http://127.0.0.1:$1/api/v1/info names no version: something else listens on port $1"
		return 1
	fi
	if [ "$2" != - ] && [ "$_health_version" != "$2" ]; then
		seen="http://127.0.0.1:$1/api/v1/info says version $_health_version, not $2"
		return 1
	fi
	_health_page "http://127.0.0.1:$1/" && _health_own "$1"
}

health_backend() {
	# PORT VERSION TIMEOUT; VERSION `-`: any.
	_health_wait "$3" _health_backend_once "$1" "$2"
}

_health_migrating_once() {
	# UNIT PORT VERSION
	_health_backend_once "$2" "$3" && return
	case $(systemctl show -p SubState --value -- "$1") in
	running | start* | reload*) return 1 ;;
	esac
	seen="$1 has ended: $seen"
	_health_limit=0
	return 1
}

health_migrating() {
	# UNIT PORT VERSION TIMEOUT: fails at once where the unit ends.
	_health_wait "$4" _health_migrating_once "$1" "$2" "$3"
}

_health_mcp_once() {
	_health_get "http://127.0.0.1:$1/health" || return 1
	_health_status=$(_health_value status)
	case $_health_status in
	ok | healthy) ;;
	*)
		seen="http://127.0.0.1:$1/health answered 200 with status ${_health_status:-missing}"
		return 1
		;;
	esac
	_health_own "$1"
}

health_mcp() {
	# PORT TIMEOUT
	_health_wait "$2" _health_mcp_once "$1"
}

health_site() {
	# SITE TIMEOUT: through nginx, whatever the name resolves to. SITE: scheme, name and port.
	_health_wait "$2" _health_site_once "$1" 127.0.0.1
}

_health_site_once() {
	# SITE ADDRESS
	set -- "$1/" --insecure --connect-to "::$2:"
	! site_wants_preface || set -- "$@" --haproxy-protocol
	_health_page "$@"
}

site_wants_preface() {
	# Whether connections begin with the PROXY protocol, by the files that nginx runs with.
	grep -qs '^	listen .* proxy_protocol' /etc/nginx/conf.d/vikunja.conf
}
