# What becomes of the data where another database is configured: the application that serves dumps it
# from the old one and restores it into the new one, with its own unit's sandbox and user, reaching
# nobody. Arguments: ACTION, then
#   room BYTES          so much, and some more for everybody else, is free for the dump
#   keep FILE…          those files, as they are now, are put back by `undo`
#   dump COLOR LIMIT [HIDDEN…]       from the database in use. stdin: settings on top
#   restore COLOR LIMIT [HIDDEN…]    into the one configured. LIMIT: seconds that it may take
#                       HIDDEN: paths that are out of reach
#   undo                nothing of it is left, the new database is empty again
#   end                 nothing of it is left but the new database
#   wake|rest ENGINE    that engine's server in the container, for what is kept on it
# A dump holds secrets in clear, and says them when it is restored: neither it nor the log stays, and
# no such line is shown. Attachments stay where they are: the application sees empty stand-ins.
set -eu
LC_ALL=C
export LC_ALL
umask 077
home=/var/lib/vikunja-deploy/migration
filling=/var/lib/vikunja-deploy/filling-database
scratch=/var/lib/vikunja/vikunja-deploy-database-move
next=/etc/vikunja/secrets/db-password-next
unit=vikunja-backend@database-move.service
file=/run/systemd/system/$unit
adds=$file.d
settings=/run/vikunja-deploy/database-move.environment
log=/run/vikunja-deploy/database-move.log

end() {
	systemctl stop -- "$unit" 2>/dev/null || :
	systemctl reset-failed -- "$unit" 2>/dev/null || :
	rm -rf "$file" "$adds" "$settings" "$log" "$scratch"
	rm -f "$next"
	systemctl daemon-reload
}

evidence() {
	# The restore repeats the dumped environment.
	grep -v VIKUNJA_ "$log" | tail -n 8 >&2 || :
}

run() {
	# COMMAND COLOR LIMIT [HIDDEN…]: the application's command, to its end.
	command=$1 color=$2 limit=$3
	environment=/etc/vikunja/environment.$color
	program="/usr/local/lib/vikunja/backend.$color /opt/vikunja/backend/$color/vikunja"
	shift 3
	mkdir -p "$adds" /run/vikunja-deploy
	cp "/etc/systemd/system/vikunja-backend@$color.service" "$file"
	: >"$log"
	{
		printf '[Unit]\nConditionPathExists=\nAssertPathExists=\n[Service]\nType=oneshot\nRestart=no\n'
		printf 'EnvironmentFile=\nEnvironmentFile=%s\nEnvironmentFile=%s\n' "$environment" "$settings"
		printf 'ExecStart=\nExecStart=%s %s\n' "$program" "$command"
		printf 'WorkingDirectory=%s\nTimeoutStartSec=%s\n' "$scratch" "$limit"
		printf 'StandardInput=file:%s/answers\nStandardOutput=append:%s\n' "$scratch" "$log"
		printf 'InaccessiblePaths=-/var/lib/vikunja/files\n'
		for hidden in "$@"; do printf 'InaccessiblePaths=-%s\n' "$hidden"; done
	} >"$adds/settings.conf"
	systemctl daemon-reload
	systemctl start -- "$unit" || {
		evidence
		echo "the application's $command ended with an error" >&2
		exit 1
	}
}

action=$1
shift
case $action in
room)
	free=$(df --output=avail -B 1 /var/lib/vikunja | tail -n 1)
	wanted=$(($1 + 64 * 1024 * 1024))
	[ "$free" -ge "$wanted" ] || {
		echo "/var/lib/vikunja in the container may need $((wanted / 1000000)) MB for the dump, and $((free / 1000000)) MB are free" >&2
		exit 1
	}
	;;
keep)
	rm -f "$home/filled"
	for file in "$@"; do
		if [ -e "$file" ]; then printf '%s\n' "${file#/}"; fi
	done | tar -C / -cpf "$home/before.tar.new" --verbatim-files-from -T -
	sync "$home/before.tar.new"
	mv -fT "$home/before.tar.new" "$home/before.tar"
	;;
dump)
	rm -rf "$scratch"
	install -d -o vikunja -g vikunja -m 0700 "$scratch" "$scratch/files"
	mkdir -p /run/vikunja-deploy
	{
		cat
		printf 'VIKUNJA_SERVICE_ROOTPATH="%s"\nVIKUNJA_FILES_BASEPATH="%s/files"\n' "$scratch" "$scratch"
	} >"$settings"
	# It asks twice, and may read ahead the first time: answers enough for every read.
	{
		printf 'Yes, I understand\n'
		head -c 16384 /dev/zero | tr '\0' '\n'
	} >"$scratch/answers"
	find /var/lib/vikunja/files -maxdepth 1 -type f -regex '.*/[0-9]+' -printf '%f\0' |
		(cd "$scratch/files" && xargs -0 -r touch --)
	chown -R vikunja:vikunja "$scratch"
	run dump "$@"
	# It says how it went by no exit code.
	for found in "$scratch"/vikunja-dump*.zip; do
		[ ! -e "$found" ] || mv -fT "$found" "$scratch/dump.zip"
	done
	[ "$(tail -c 22 "$scratch/dump.zip" 2>/dev/null | head -c 4)" = "$(printf 'PK\005\006')" ] || {
		evidence
		echo "the application's dump is not whole" >&2
		exit 1
	}
	;;
restore)
	# From here on what is in the new database is ours.
	cp "$home/filling" "$filling.new"
	sync "$filling.new"
	mv -fT "$filling.new" "$filling"
	sync "${filling%/*}"
	: >"$home/filled"
	run "restore $scratch/dump.zip" "$@"
	evidence
	;;
undo)
	systemctl stop -- "$unit" 2>/dev/null || :
	if [ -e "$home/filled" ]; then
		while IFS= read -r word; do set -- "$@" "$word"; done <"$home/connection"
		if bash -c "$(cat "$home/database")" database wipe "$@"; then
			rm -f "$filling" "$home/filled"
		else
			echo "the new database could not be emptied: the next apply does it" >&2
		fi
	fi
	if [ -e "$home/before.tar" ]; then tar -C / -xpf "$home/before.tar" --unlink-first; fi
	end
	;;
end)
	end
	rm -f "$filling"
	;;
wake | rest)
	service=postgresql.service
	[ "$1" != mysql ] || service=mariadb.service
	if [ "$action" = rest ]; then
		systemctl stop -- "$service"
		exit
	fi
	systemctl -q is-active "$service" || systemctl start -- "$service"
	tries=0
	until if [ "$1" = mysql ]; then
		mariadb-admin --silent ping >/dev/null 2>&1
	else
		(cd / && for ready in /usr/lib/postgresql/*/bin/pg_isready; do "$ready" -q; done)
	fi; do
		tries=$((tries + 1))
		[ "$tries" -lt 300 ] || {
			echo "$service does not answer" >&2
			exit 1
		}
		sleep 0.2
	done
	;;
esac
