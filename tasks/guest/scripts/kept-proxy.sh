# The proxy's last good files, which land.sh has kept: they come back where the proxy refuses the new
# ones, or what was to serve with those does not.
home=/var/lib/vikunja-deploy
kept=$home/nginx-before

put_proxy_back() {
	rm -rf "$kept.refused"
	mv -T /etc/nginx "$kept.refused" && mv -T "$kept" /etc/nginx || return 1
	# What runs was started with these.
	[ ! -e "$kept.stamp" ] || mv -fT "$kept.stamp" "$home/stamps/nginx.service"
}

forget_proxy() {
	rm -rf "$kept" "$kept.refused" "$kept.stamp"
}

switching_colors() {
	# Whether both run: one is to take over from the other, and has not yet proved itself.
	systemctl -q is-active vikunja-backend@blue.service &&
		systemctl -q is-active vikunja-backend@green.service
}
