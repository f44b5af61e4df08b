# What the proxy logs from a moment on, over a rotation of its log.
proxy_log=/var/log/vikunja/nginx-access.log

mark_log() { # from here on
	log_file=$(stat -c %i "$proxy_log" 2>/dev/null)
	log_from=$(($(stat -c %s "$proxy_log" 2>/dev/null || echo 0) + 1))
}

since_mark() {
	if [ "$(stat -c %i "$proxy_log" 2>/dev/null)" = "$log_file" ]; then
		tail -c "+$log_from" "$proxy_log"
	else
		tail -c "+$log_from" "$proxy_log.1"
		cat "$proxy_log"
	fi 2>/dev/null
}
