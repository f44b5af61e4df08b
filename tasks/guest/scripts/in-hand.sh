# What a color has in hand, as the proxy counts it. Behind health.sh.

in_hand() { # requests|uploads|websockets COLOR
	answer=$(curl --silent --output /dev/null --max-time 5 --noproxy '*' --write-out '%{http_code}' \
		--unix-socket /run/nginx/in-hand.sock "http://localhost/$1/$2")
	case $answer in
	204) return 1 ;;
	503) return 0 ;;
	# The proxy does not run: nothing is in anybody's hand.
	*) systemctl -q is-active nginx.service ;;
	esac
}

_waited() { # SECONDS: whether so many are over since $begun
	_health_now
	[ "$((_health_up - begun))" -ge "$(($1 * 100))" ]
}

drained() { # COLOR SECONDS UPLOAD_SECONDS WEBSOCKET_SECONDS: wait until it has none; 1: some requests
	# were left. WebSockets may be left in either case: they are opened again.
	_health_now
	begun=$_health_up
	quiet=0
	# A request that chose its color just before a switch may be counted just after it: look twice.
	while [ "$quiet" -lt 2 ]; do
		sleep 0.2
		if in_hand requests "$1"; then
			quiet=0
			_waited "$2" || continue
			if _waited "$3" || ! in_hand uploads "$1"; then
				return 1
			fi
		elif in_hand websockets "$1" && ! _waited "$4"; then
			quiet=0
		else
			quiet=$((quiet + 1))
		fi
	done
}
