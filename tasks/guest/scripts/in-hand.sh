# What a color has in hand, as the proxy counts it. Behind health.sh.

in_hand() { # requests|uploads COLOR
	answer=$(curl --silent --output /dev/null --max-time 5 --noproxy '*' --write-out '%{http_code}' \
		--unix-socket /run/nginx/in-hand.sock "http://localhost/$1/$2")
	case $answer in
	204) return 1 ;;
	503) return 0 ;;
	# The proxy does not run: nothing is in anybody's hand.
	*) systemctl -q is-active nginx.service ;;
	esac
}

drained() { # COLOR SECONDS UPLOAD_SECONDS: wait until it has none; 1: some were left
	_health_now
	begun=$_health_up
	quiet=0
	# A request that chose its color just before a switch may be counted just after it: look twice.
	while [ "$quiet" -lt 2 ]; do
		sleep 0.2
		if ! in_hand requests "$1"; then
			quiet=$((quiet + 1))
			continue
		fi
		quiet=0
		_health_now
		[ "$((_health_up - begun))" -ge "$(($2 * 100))" ] || continue
		if [ "$((_health_up - begun))" -ge "$(($3 * 100))" ] || ! in_hand uploads "$1"; then
			return 1
		fi
	done
}
