# Puts back what keep.sh kept, after an update that failed. Behind the guard; can be called again after
# a kill at any point. Argument: COLOR (that serves, as ever). stdout: `put back` where there was
# something.
set -u
LC_ALL=C
export LC_ALL
umask 077
tab='	'
home=/var/lib/vikunja-deploy
kept=$home/before
[ -s "$kept/list" ] || exit 0
of="$1 $(cat "$home/stamps/vikunja-backend@$1.service" 2>/dev/null)"
if [ "$(cat "$kept/of")" != "$of" ]; then
	# It serves with something newer since.
	rm -rf "$kept"
	exit 0
fi

fail() {
	printf '%s\n' "$*" >&2
	exit 1
}
put() { # number path
	aside=${2%/*}/.${2##*/}.vikunja-deploy
	rm -rf "$aside"
	cp -a "$kept/$1" "$aside" || return 1
	if [ -d "$2" ] && [ ! -L "$2" ]; then rm -rf "$2"; fi
	sync -f "${2%/*}/" && mv -fT "$aside" "$2"
}
units=no
while IFS=$tab read -r number path; do
	case $path in /etc/systemd/system/*) units=yes ;; esac
	if [ "$number" = - ]; then
		rm -rf "${path:?}" || fail "cannot remove $path"
	else
		put "$number" "$path" || fail "cannot put back $path"
	fi
done <"$kept/list"
[ "$units" = no ] || systemctl daemon-reload || exit 1
for stamp in "$kept/stamps"/*; do
	unit=${stamp##*/}
	[ -e "$stamp" ] || continue
	cmp -s "$stamp" "$home/stamps/$unit" && continue
	# It runs with what was put there, but for the proxy, which takes up anything while it runs.
	rm -f "$home/stamps/$unit"
	if [ "$unit" = nginx.service ]; then
		nginx -t -q || exit 1
		systemctl reload nginx.service || exit 1
		cp "$stamp" "$home/stamps/$unit" || exit 1
	fi
done
rm -rf "$kept"
echo 'put back'
