# Ends an update that broke off while it changed the database: either nothing of it was for good, then
# the database comes back exactly as it was and the old version serves, or all of it was. For bash,
# behind health.sh and color.sh. It lies in the container before the first write is refused, so that it needs
# nobody from outside; can be called again after a kill at any point.
# Exit codes: 0 nothing is left of it · 12 the old version does not serve yet
set -u
LC_ALL=C.UTF-8
export LC_ALL
home=/var/lib/vikunja-deploy/migration
stamps=/var/lib/vikunja-deploy/stamps
# What fills another database goes on for nothing.
for filling in database-move carry; do
	if grep -q "[ =]$filling\$" "$home/journal" 2>/dev/null; then
		systemctl stop "vikunja-backend@$filling.service" vikunja-deploy-copy-rows.scope 2>/dev/null
	fi
done
mkdir -p /run/vikunja-deploy
exec 5>/run/vikunja-deploy/migration.lock
flock 5
# What a killed run left at work ends first.
(flock -w 900 9) 9>/run/vikunja-deploy/apply.lock
[ -e "$home/journal" ] || exit 0
read -r phase words <"$home/journal"
case $words in
*=*)
	for word in $words; do
		case $word in
		old=*) old=${word#*=} ;;
		new=*) new=${word#*=} ;;
		port=*) port=${word#*=} ;;
		version=*) version=${word#*=} ;;
		timeout=*) timeout=${word#*=} ;;
		mcp=*) mcp=${word#*=} ;;
		kind=*) kind=${word#*=} ;;
		esac
	done
	;;
# As vikunja-deploy 0.1 wrote it; `carry` was its word for a move to another database.
*) read -r old new port version timeout mcp kind <<<"$words" ;;
esac
mapfile -t connection <"$home/connection"

database() {
	bash -c "$(cat "$home/database")" database "$1" "${connection[@]}" "${@:2}"
}

fail() {
	printf '%s\n' "$1" >&2
	exit 12
}

units() {
	# COLOR: those that it has. One that is not there would keep the others from being enabled.
	printf 'vikunja-backend@%s.service\n' "$1"
	[ "$mcp" = no ] ||
		[ "$(systemctl show -p LoadState --value -- "vikunja-mcp@$1.service")" = not-found ] ||
		printf 'vikunja-mcp@%s.service\n' "$1"
}

open_again() {
	rm -f "$active/maintenance"
	sync "$active"
}

forget() {
	rm -f "$home/journal"
	sync "$home"
	rm -rf "$home/copy"
	rm -f "$home/database" "$home/connection" "$home/recover" "$home/guard" \
		"$home/database-move" "$home/carry" \
		"$home"/next-* "$home/filling" "$home/filled" "$home/before.tar" \
		/etc/systemd/system/multi-user.target.wants/vikunja-deploy-recover.service \
		/etc/systemd/system/vikunja-deploy-recover.service
}

if [ "$phase" = committed ]; then
	mapfile -t started < <(units "$new")
	systemctl -q enable -- "${started[@]}"
	systemctl start -- "${started[@]}"
	open_again
	if [ "$kind" != update ]; then
		bash "$home/$kind" end || fail "what copied the data could not be cleared away"
	else
		database drop saved || echo "the saved database could not be dropped" >&2
	fi
	forget
	echo "The update was done already: the new version serves"
	exit
fi

mapfile -t stopped < <(units "$new")
for unit in "${stopped[@]}"; do
	# A restore stays with its color, whose unit is as it was started.
	[ "$new" = "$old" ] || rm -f "$stamps/$unit"
	systemctl -q disable -- "$unit" 2>/dev/null
done
mapfile -t -O "${#stopped[@]}" stopped < <(units "$old")
systemctl stop -- "${stopped[@]}"
systemctl reset-failed -- "${stopped[@]}" 2>/dev/null
if [ "$kind" != update ]; then
	# Another database was to take over: its password comes back, and its data was never touched.
	bash "$home/$kind" undo || fail "the password of before could not be put back"
elif [ "$phase" = saved ]; then
	places=$(database places) || fail "the database does not answer"
	case " ${places//[[:space:]]/ } " in
	*' saved '*)
		# MySQL leaves an empty one behind where a swap was killed right after it was done.
		tables=$(database counts saved) || fail "the saved database cannot be read"
		[ -z "$tables" ] || database swap saved failed || fail "the database could not be put back"
		;;
	esac
fi
disarm
flip "$old" || fail "nginx does not pass requests to $old"
mapfile -t started < <(units "$old")
systemctl -q enable -- "${started[@]}"
systemctl start -- "${started[@]}"
health_backend "$port" "$version" "$timeout" >/dev/null || exit 12
open_again
if [ "$kind" = update ]; then
	for place in failed saved; do
		database drop "$place" || echo "the database's place $place could not be dropped" >&2
	done
fi
forget
echo "The update was undone: $old serves, with the database as it was"
