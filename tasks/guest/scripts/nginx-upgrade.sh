# nginx is replaced by what is installed now, program and libraries, while it serves: a new first
# process takes over what it listens on, and the one of before ends with the last request that it has.
# Before unit.sh.

nginx_master() {
	read -r master </run/nginx/nginx.pid && [ -n "$master" ] && printf '%s\n' "$master"
}

upgrade_nginx() {
	old=$(nginx_master) || return 1
	# Idle connections are closed: who asks within this second gets an answer that ends its own.
	rm -f /run/nginx/keeping
	sleep 1
	upgraded=0
	/etc/init.d/nginx upgrade || upgraded=1
	: >/run/nginx/keeping && chown www-data:www-data /run/nginx/keeping
	new=$(nginx_master) || return 1
	if [ "$upgraded" != 0 ] || [ "$new" = "$old" ]; then
		echo 'nginx goes on with its program of before: see its log' >&2
		return 1
	fi
	# Whoever waits for what a color has in hand does not see what the old one still has.
	tries=0
	while [ -e "/proc/$old" ] && [ "$tries" -lt 30 ]; do
		sleep 1
		tries=$((tries + 1))
	done
}
