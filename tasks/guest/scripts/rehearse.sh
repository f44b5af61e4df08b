# A rehearsal: the new release runs its migrations on a copy of the database, with the service's own
# sandbox, on a spare port, and reaches nobody. Behind health.sh and spare-port.sh. Arguments: ACTION, then
#   begin COLOR LIMIT HIDDEN…   stdin: its settings; says its port. LIMIT: seconds that it may run at
#                               most. HIDDEN: paths.
#   look PORT VERSION                   `healthy`, `ended`, or what was seen; then its last words on
#                                       stderr
#   end                                 nothing of it is left but its copy of the database
set -u
LC_ALL=C
export LC_ALL
unit=vikunja-backend@rehearsal.service
file=/run/systemd/system/$unit
adds=$file.d
settings=/run/vikunja-deploy/rehearsal.environment
log=/run/vikunja-deploy/rehearsal.log
files=/var/lib/vikunja/vikunja-deploy-rehearsal

end() {
	systemctl stop -- "$unit" 2>/dev/null
	systemctl reset-failed -- "$unit" 2>/dev/null
	rm -rf "$file" "$adds" "$settings" "$log" "$files"
	systemctl daemon-reload
}

case $1 in
begin)
	color=$2 limit=$3
	shift 3
	end
	port=$(spare_port)
	umask 077
	mkdir -p "$adds" /run/vikunja-deploy || exit 1
	install -d -o vikunja -g vikunja -m 0750 "$files" "$files/files" || exit 1
	{
		cat
		printf 'VIKUNJA_SERVICE_INTERFACE="127.0.0.1:%s"\n' "$port"
		printf 'VIKUNJA_SERVICE_ROOTPATH="%s"\nVIKUNJA_FILES_BASEPATH="%s/files"\n' "$files" "$files"
	} >"$settings" || exit 1
	program="/usr/local/lib/vikunja/backend.$color /opt/vikunja/backend/$color/vikunja"
	cp "/etc/systemd/system/vikunja-backend@$color.service" "$file" || exit 1
	{
		printf '[Unit]\nConditionPathExists=\n[Service]\n'
		printf 'EnvironmentFile=\nEnvironmentFile=/etc/vikunja/environment.%s\n' "$color"
		printf 'EnvironmentFile=%s\n' "$settings"
		printf 'ExecStart=\nExecStart=%s\nRestart=no\nRuntimeMaxSec=%s\n' "$program" "$limit"
		printf 'StandardOutput=append:%s\n' "$log"
		for hidden in "$@"; do printf 'InaccessiblePaths=-%s\n' "$hidden"; done
	} >"$adds/rehearsal.conf" || exit 1
	{ systemctl daemon-reload && systemctl start -- "$unit"; } || {
		tail -n 8 "$log" >&2
		exit 1
	}
	printf '%s\n' "$port"
	;;
look)
	if _health_backend_once "$2" "$3"; then
		echo healthy
		exit
	fi
	# In this order: what has ended has said its last words.
	state=$(systemctl show -p ActiveState --value -- "$unit")
	tail -n 12 "$log" >&2
	case $state in
	active | activating | reloading) printf '%s\n' "$seen" ;;
	*) echo ended ;;
	esac
	;;
end) end ;;
esac
