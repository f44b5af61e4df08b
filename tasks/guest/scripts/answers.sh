# Whether what runs answers as it should, for a plan: asked once, and within 3 seconds. Behind
# health.sh. Arguments: UNIT KIND, then what KIND takes:
#   backend PORT · mcp PORT · redis PORT · site SITE ADDRESS
# SITE: scheme, name and port. ADDRESS: the container's own, or `given`. Through it the site answers as it does to everybody.
# `well`, or what is wrong. `idle`: another color serves · `stopped` · `unasked`

_answers_redis_once() {
	# PORT
	seen=$(
		IFS= read -r REDISCLI_AUTH </etc/vikunja/secrets/redis-password
		export REDISCLI_AUTH
		timeout 3 redis-cli -h 127.0.0.1 -p "$1" ping 2>&1
	)
	[ "${seen##*
}" = PONG ]
}

_answers_site_once() {
	if [ "$2" = given ]; then set -- "$1" "$(given_address)"; fi
	_health_site_once "$@"
}

_answers_backend_once() {
	# PORT. Its page is the site's business.
	_health_get "http://127.0.0.1:$1/health"
}

_answers_mcp_once() {
	_health_mcp_once "$1"
}

_answers_said() {
	# KIND: what is wrong, in words that are the same each time.
	case $seen in
	*WRONGPASS* | *NOAUTH*) echo 'refuses its password' ;;
	*' answered 200 with status '*) echo "says it is ${seen##* }" ;;
	*'holds no application'*) echo 'its page holds no application' ;;
	*' answered '*)
		seen=${seen##* answered }
		echo "answers ${seen%%:*}"
		;;
	*)
		# Whom the proxy waits for, or by which name and port it is asked, is no fault of its own.
		if [ "$1" = site ] && curl --silent --output /dev/null --max-time 1 --noproxy '*' \
			--unix-socket /run/nginx/in-hand.sock http://localhost/; then
			echo 'its page does not come'
		else
			echo 'does not answer'
		fi
		;;
	esac
}

probe_answers() {
	unit=$1 kind=$2
	shift 2
	command -v curl >/dev/null || {
		echo unasked
		return
	}
	case $unit in
	*@green.service) [ -e /etc/vikunja/active/green ] || kind=idle ;;
	*@blue.service) [ ! -e /etc/vikunja/active/green ] || kind=idle ;;
	esac
	[ "$kind" != idle ] || {
		echo idle
		return
	}
	_health_seconds=3
	if "_answers_${kind}_once" "$@"; then
		echo well
	elif ! systemctl -q is-active -- "$unit"; then
		echo stopped
	elif _answers_young "$unit" && _health_wait 3 "_answers_${kind}_once" "$@" >/dev/null 2>&1; then
		echo well
	else
		_answers_said "$kind"
	fi
}

_answers_young() {
	# UNIT: it may not have come to listening yet.
	since=$(systemctl show --timestamp=unix -p ActiveEnterTimestamp --value -- "$1")
	[ "$(($(date +%s) - ${since#@}))" -lt 10 ]
}
