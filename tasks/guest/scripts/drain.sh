# Waits until a color has no request in hand. Behind health.sh and in-hand.sh. arguments: COLOR
# SECONDS UPLOAD_SECONDS UNIT (nothing waits for one that does not run). Says what is left on stdout.
[ ! -e /var/lib/vikunja-deploy/switching ] || {
	echo 'the switch is not confirmed yet' >&2
	exit 1
}
systemctl -q is-active -- "$4" || exit 0
drained "$1" "$2" "$3" || echo 'requests were still in hand'
exit 0
