# Brings one systemd unit to act on what it should. Behind health.sh, kept-proxy.sh and nginx-upgrade.sh.
# arguments: UNIT VERB ENABLE REVISION HEALTH…
#   VERB: ensure (active, started if it is not) · restart · reload · upgrade (nginx, as it serves) · stop
#   HEALTH: a health check and its arguments: what must hold after.
# The stamp is written last: without it the next plan does this again.
set -eu
LC_ALL=C.UTF-8
export LC_ALL
unit=$1
verb=$2
enable=$3
revision=$4
shift 4
stamps=/var/lib/vikunja-deploy/stamps
mkdir -p "$stamps"
stamp=$stamps/$unit

evidence() {
	systemctl --no-pager --lines=0 status -- "$unit" 2>&1 | head -n 6 >&2
	journalctl --no-pager -q -o cat -n 15 -u "$unit" >&2 || :
	instance=${unit##*@}
	log=$(systemctl cat -- "$unit" 2>/dev/null | sed -n 's/^StandardOutput=append://p' | tail -n 1 |
		sed "s/%i/${instance%.service}/")
	[ -z "$log" ] || tail -n 8 "$log" >&2 || :
}

failed() { # EXIT CODE
	evidence
	exit "$1"
}

if [ "$verb" = stop ]; then
	rm -f "$stamp"
	# What is not there rests: somebody may have put something else in the place of its file.
	if [ "$(systemctl show -p LoadState --value -- "$unit")" != not-found ] ||
		systemctl -q is-active -- "$unit"; then
		systemctl stop -- "$unit" || failed 1
	fi
	systemctl -q disable -- "$unit" 2>/dev/null || :
	systemctl reset-failed -- "$unit" 2>/dev/null || :
	exit 0
fi

# What a database server says that would not start with its files.
refused_files() {
	case $unit in
	postgresql.service)
		for folder in /etc/postgresql/*/*; do
			[ -e "$folder/postgresql.conf" ] || continue
			version=${folder%/*}
			said=$(setpriv --reuid=postgres --regid=postgres --clear-groups \
				"/usr/lib/postgresql/${version##*/}/bin/postgres" -C data_directory -D "$folder" 2>&1) ||
				{ printf '%s\n' "$said" && return; }
		done
		return 1
		;;
	mariadb.service)
		! said=$(mariadbd --user=mysql --verbose --help 2>&1 >/dev/null) && printf '%s\n' "$said"
		;;
	*) return 1 ;;
	esac
}

if [ "$verb" = restart ] && systemctl -q is-active -- "$unit" && refused=$(refused_files); then
	printf 'it would not start with its files, and serves on as it is\n%s\n' "$refused" >&2
	exit 1
fi
if [ "$unit" = nginx.service ]; then
	# What it says is kept from the pipe: where nobody reads there any more, it would end it.
	if systemctl -q is-active nginx.service && ! refusal=$(nginx -t -q 2>&1) && [ -d "$kept" ]; then
		printf '%s\n' "$refusal" >&2
		put_proxy_back
		exit 11
	fi
fi
rm -f "$stamp"
case $(systemctl show -p LoadState --value -- "$unit") in
masked)
	systemctl -q unmask -- "$unit"
	systemctl -q --runtime unmask -- "$unit" || :
	;;
esac
# Enabling what is enabled costs seconds where a unit has an init script beside it.
[ "$enable" = no ] || systemctl -q is-enabled -- "$unit" 2>/dev/null ||
	systemctl -q enable -- "$unit"
active=$(systemctl show -p ActiveState --value -- "$unit")
# Also where it is between two of its tries: those count towards the limit of starts, too.
systemctl reset-failed -- "$unit" 2>/dev/null || :
if { [ "$verb" = reload ] || [ "$verb" = upgrade ]; } && [ "$active" = active ]; then
	# Its own unit file and drop-ins are taken up by no reload.
	since=$(systemctl show --timestamp=us+utc -p ActiveEnterTimestamp --value -- "$unit")
	files=$(systemctl show -p FragmentPath -p DropInPaths --value -- "$unit")
	# shellcheck disable=SC2086 # paths, which systemd parts by spaces
	if [ -n "$(find $files -newermt "$since")" ]; then verb=restart; fi
	# Nor that one of them is gone since, or was put aside.
	[ -z "$(find "/etc/systemd/system/$unit.d" -maxdepth 0 -newermt "$since" 2>/dev/null)" ] ||
		verb=restart
	[ -z "$(find /etc/systemd /run/systemd \( -path "*/$unit.d/*.replaced-*" -o \
		-path "*/$unit.replaced-*" -o -path "*/${unit##*.}.d/*.replaced-*" \) \
		-newerct "$since" 2>/dev/null)" ] || verb=restart
	# A folder that was removed and made anew is not writable in its sandbox.
	main=$(systemctl show -p MainPID --value -- "$unit")
	for path in $(systemctl show -p ReadWritePaths --value -- "$unit"); do
		awk -v path="${path#-}" '$5 == path { found = 1 } END { exit !found }' "/proc/$main/mountinfo" ||
			verb=restart
	done
fi
case $verb in
ensure) verb=start ;;
reload) verb=reload-or-restart ;;
upgrade) [ "$active" = active ] || verb=start ;;
esac
if [ "$verb" = upgrade ]; then
	upgrade_nginx || failed 1
else
	systemctl "$verb" -- "$unit" || failed 1
fi
if [ $# -gt 0 ]; then
	health=$1
	# shellcheck disable=SC2034 # health.sh reads it
	health_unit=$unit
	shift
	"health_$health" "$@" || failed 10
fi
[ "$unit" != nginx.service ] || switching_colors || forget_proxy
printf '%s\n' "$revision" >"$stamp.new"
sync "$stamp.new"
mv -f "$stamp.new" "$stamp"
