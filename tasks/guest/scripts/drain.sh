# Waits until a color has nothing in hand. Behind health.sh, in-hand.sh and proxy-log.sh. arguments:
# COLOR SECONDS UPLOAD_SECONDS WEBSOCKET_SECONDS UNIT (nothing waits for one that does not run).
# stdout: a line `requests` where some are left, and `websockets FILE FROM` where some are: from where
# on the proxy's log tells of their ends.
[ ! -e /var/lib/vikunja-deploy/switching ] || {
	echo 'the switch is not confirmed yet' >&2
	exit 1
}
systemctl -q is-active -- "$5" || exit 0
drained "$1" "$2" "$3" "$4" || echo requests
in_hand websockets "$1" || exit 0
mark_log
echo "websockets $log_file $log_from"
