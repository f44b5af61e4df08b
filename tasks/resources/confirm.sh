# A switch to COLOR has proved itself: the colour of before is not gone back to any more. Behind the
# guard; can be called again after a kill at any point. Exit code 11: it was gone back to before.
home=/var/lib/vikunja-deploy
serving=blue
[ ! -e /etc/vikunja/active/green ] || serving=green
mv -fT "$home/switching" "$home/switching.confirmed" 2>/dev/null || [ "$serving" = "$1" ] || {
	echo 'the switch was undone by its own timer' >&2
	exit 11
}
systemctl stop vikunja-switch-back.timer 2>/dev/null
rm -f "$home/switching.confirmed"
