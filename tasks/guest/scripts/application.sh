# Runs a command of the application that serves: with its own unit's user, settings and sandbox, and
# with this script's input and output. Behind health.sh. Arguments: ACTION, then
#   run COLOR PORT VERSION FORM WORDS [SETTING…]   SETTING: a line of settings on top. FORM:
#       plain        WORDS: what follows the program in a unit's ExecStart=
#       silent       at a terminal of its own, which echoes nothing. WORDS: the same, each of them
#                    quoted for a shell
#       ROWSxCOLUMNS at a terminal of that size
#   end              nothing of one is left
# The last line on stderr is `vikunja-deploy: ended CODE`; where it is not, no command ran.
# Most commands run pending migrations first. What serves has run its own at its start: so the command
# is refused (exit code 7) unless the same program serves, and well.
set -u
unit=vikunja-backend@command.service
file=/run/systemd/system/$unit
adds=$file.d
folder=/run/vikunja-deploy/command

rest() {
	systemctl stop -- "$unit" 2>/dev/null
	systemctl reset-failed -- "$unit" 2>/dev/null
	rm -rf "$file" "$adds" "$folder"
}

end() {
	rest
	systemctl daemon-reload
}

refuse() {
	printf '%s\n' "$1" >&2
	exit 7
}

inode() {
	stat -L -c %d:%i -- "$1" 2>/dev/null
}

serves() {
	# The color's own unit runs this very program, and answers.
	pid=$(systemctl show -p MainPID --value -- "$own")
	[ "${pid:-0}" != 0 ] || refuse "$color does not run"
	[ "$(inode "/proc/$pid/exe")" = "$(inode "$program")" ] ||
		refuse "another program runs than the one of $color's release"
	_health_backend_once "$port" "$version" || refuse "$color does not answer as it should: $seen"
	[ ! -e /var/lib/vikunja-deploy/migration/journal ] ||
		refuse "a change of the database has broken off"
}

settings() {
	# The unit's, with another command, another input and another output.
	sed "s/%i/$color/g" "/etc/systemd/system/$own" >"$file"
	start=$(sed -n 's/^ExecStart=//p' "$file")
	case $form in
	plain) start="$start $words" ;;
	silent) start="/usr/bin/script -q -e -E never -c \"exec $start $words\" /dev/null" ;;
	*) start="/usr/bin/script -q -e -E always -c \"stty rows ${form%x*} columns ${form#*x}; exec $start $words\" /dev/null" ;;
	esac
	mkdir -p "$adds" "$folder"
	chmod 700 "$folder"
	mkfifo "$folder/in" "$folder/out" "$folder/err"
	{
		printf 'SHELL=/bin/sh\nTERM=xterm-256color\n'
		for setting in "$@"; do printf '%s\n' "$setting"; done
	} >"$folder/environment"
	{
		printf '[Unit]\nConditionPathExists=\n[Service]\nType=oneshot\nRestart=no\nExecStartPre=\n'
		printf 'EnvironmentFile=%s/environment\nExecStart=\nExecStart=%s\n' "$folder" "$start"
		printf 'TimeoutStartSec=infinity\nStandardInput=file:%s/in\n' "$folder"
		printf 'StandardOutput=file:%s/out\nStandardError=file:%s/err\n' "$folder" "$folder"
	} >"$adds/settings.conf"
}

code() {
	# What a command that failed ended with; as a shell has it, where a signal ended it.
	status=$(systemctl show -p ExecMainStatus --value -- "$unit")
	case $(systemctl show -p ExecMainCode --value -- "$unit") in
	0) status= ;;
	1) ;;
	*) status=$((status + 128)) ;;
	esac
}

if [ "$1" = end ]; then
	end
	exit
fi
color=$2 port=$3 version=$4 form=$5 words=$6
shift 6
own=vikunja-backend@$color.service
program=/opt/vikunja/backend/$color/vikunja
serves
rest
umask 077
settings "$@" && systemctl daemon-reload || exit 1
exec 3<&0
cat <&3 >"$folder/in" 2>/dev/null 9<&- &
feeds=$!
cat <"$folder/out" 9<&- &
says=$!
cat <"$folder/err" >&2 9<&- &
complains=$!
status=0
systemctl start -- "$unit" 2>/dev/null || code
# Where nobody has opened them, nobody will.
: <>"$folder/out"
: <>"$folder/err"
kill "$feeds" 2>/dev/null
wait "$says" "$complains"
end
[ -n "$status" ] || refuse "the application's command could not be started"
printf '\nvikunja-deploy: ended %s\n' "$status" >&2
