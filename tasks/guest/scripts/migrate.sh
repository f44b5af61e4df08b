# The write freeze of whatever changes the database, step by step. Behind the guard, health.sh and
# in-hand.sh.
# /var/lib/vikunja-deploy/migration/journal says in its first word how far it is:
#   stopping    nothing has touched the database yet; what is saved may be half
#   saved       the database's exact state is in its place `saved`; the new version may be at work
#   committed   the new version serves, for good
# Arguments: ACTION, then
#   stop JOURNAL COLOR SECONDS UNIT…   JOURNAL: its line but for the first word. Uploads to COLOR that
#                                      are under way may take so many SECONDS, then the units stop;
#                                      WebSockets are not waited for
#   saved
#   commit UNIT…                       they serve from now on
set -eu
LC_ALL=C
export LC_ALL
home=/var/lib/vikunja-deploy/migration
active=/etc/vikunja/active

note() {
	printf '%s\n' "$1" >"$home/journal.new"
	sync "$home/journal.new"
	mv -fT "$home/journal.new" "$home/journal"
	sync "$home"
}

phase() {
	[ -e "$home/journal" ] || {
		echo "it was put back meanwhile: nothing was heard of the tool for too long" >&2
		exit 1
	}
	read -r before rest <"$home/journal"
	[ "$before" = "$1" ] || {
		echo "the update was put back meanwhile: it is $before, not $1" >&2
		exit 1
	}
	note "$2 $rest"
}

case $1 in
stop)
	line=$2 color=$3 seconds=$4
	shift 4
	note "stopping $line"
	: >"$active/.maintenance.new"
	mv -fT "$active/.maintenance.new" "$active/maintenance"
	sync "$active"
	_health_now
	limit=$((_health_up + seconds * 100))
	# A request that came in just before may be counted just after: look twice.
	idle=0
	while [ "$idle" -lt 2 ] && _health_now && [ "$_health_up" -lt "$limit" ]; do
		if in_hand uploads "$color"; then idle=0; else idle=$((idle + 1)); fi
		sleep 0.1
	done
	# What serves need not have all that is to serve: another service may come with it.
	for unit in "$@"; do
		shift
		if [ "$(systemctl show -p LoadState --value -- "$unit")" != not-found ] ||
			systemctl -q is-active -- "$unit"; then set -- "$@" "$unit"; fi
	done
	# Each finishes the requests that it has. Should the container start anew before all is over, no
	# version may be at the database.
	systemctl stop -- "$@"
	systemctl -q --no-reload disable -- "$@"
	;;
saved) phase stopping saved ;;
commit)
	shift
	phase saved committed
	systemctl -q enable -- "$@"
	rm -f "$active/maintenance"
	sync "$active"
	;;
esac
