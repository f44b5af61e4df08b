# The proxy's last good files, and its certificates: kept before others land, they come back where the
# proxy refuses those, or what was to serve with them does not.
kept=/var/lib/vikunja-deploy/proxy-before
proxy_stamp=/var/lib/vikunja-deploy/stamps/nginx.service

settle_proxy() {
	# Before anything lands: what an earlier apply has kept is no way back for this one, unless that
	# apply was killed between two colors, or left files that the proxy refuses.
	_finish_putting_back || return 1
	[ ! -d "$kept" ] || switching_colors || ! nginx -t -q 2>/dev/null || forget_proxy
}

keep_proxy() {
	# Those that run well.
	[ ! -d "$kept" ] && systemctl -q is-active nginx.service 2>/dev/null && nginx -t -q 2>/dev/null || return 0
	rm -rf "$kept.new" && mkdir -p "$kept.new" && cp -a /etc/nginx "$kept.new/nginx" || return 1
	[ ! -d /etc/vikunja/tls ] || cp -a /etc/vikunja/tls "$kept.new/tls" || return 1
	[ ! -e "$proxy_stamp" ] || cp "$proxy_stamp" "$kept.new/stamp" || return 1
	mv -T "$kept.new" "$kept"
}

_put_back() {
	# KEPT LIVE
	[ -d "$1" ] || return 0
	rm -rf "$kept.refused"
	[ ! -d "$2" ] || mv -T "$2" "$kept.refused" || return 1
	mv -T "$1" "$2" && rm -rf "$kept.refused"
}

_finish_putting_back() {
	# After a kill between two of its lines.
	[ -d /etc/nginx ] || _put_back "$kept/nginx" /etc/nginx || return 1
	[ -d /etc/vikunja/tls ] || _put_back "$kept/tls" /etc/vikunja/tls
}

put_proxy_back() {
	_put_back "$kept/nginx" /etc/nginx && _put_back "$kept/tls" /etc/vikunja/tls || return 1
	# What runs was started with these.
	[ ! -e "$kept/stamp" ] || mv -fT "$kept/stamp" "$proxy_stamp" || return 1
	forget_proxy
}

forget_proxy() {
	rm -rf "$kept" "$kept.new" "$kept.refused"
}

switching_colors() {
	# Whether both run: one is to take over from the other, and has not yet proved itself.
	systemctl -q is-active vikunja-backend@blue.service &&
		systemctl -q is-active vikunja-backend@green.service
}
