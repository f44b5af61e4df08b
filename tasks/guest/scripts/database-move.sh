# What becomes of the data where another database is configured: the application that is to serve makes
# its tables in the new one, with its own unit's sandbox and user, reaching nobody; copy-rows.sh fills
# them. Arguments: ACTION, then
#   room BYTES          so much, and some more for everybody else, is free in the container
#   keep FILE…          those files, as they are now, are put back by `undo`
#   schema COLOR LIMIT  the tables. stdin: settings on top. LIMIT: seconds that it may take
#   undo                nothing of it is left, the new database is empty again
#   end                 nothing of it is left but the new database
#   wake|rest ENGINE    that engine's server in the container, for what is kept on it
set -eu
LC_ALL=C
export LC_ALL
umask 077
home=/var/lib/vikunja-deploy/migration
filling=/var/lib/vikunja-deploy/filling-database
secrets=/etc/vikunja/secrets
unit=vikunja-backend@database-move.service
file=/run/systemd/system/$unit
adds=$file.d
settings=/run/vikunja-deploy/database-move.environment
log=/run/vikunja-deploy/database-move.log

end_unit() {
	systemctl stop -- "$unit" vikunja-deploy-copy-rows.scope 2>/dev/null || :
	systemctl reset-failed -- "$unit" 2>/dev/null || :
	rm -rf "$file" "$adds" "$settings" "$log"
	systemctl daemon-reload
}

end() {
	end_unit
	rm -rf "$home/copy"
	# The password last: the others are looked for only while it is there.
	rm -f "$secrets/db-ca-next" "$secrets/db-cert-next" "$secrets/db-key-next"
	rm -f "$secrets/db-password-next"
}

schema() {
	# COLOR LIMIT
	color=$1
	environment=/etc/vikunja/environment.$color
	program="/usr/local/lib/vikunja/backend.$color /opt/vikunja/backend/$color/vikunja"
	mkdir -p "$adds" /run/vikunja-deploy
	cat >"$settings"
	cp "/etc/systemd/system/vikunja-backend@$color.service" "$file"
	: >"$log"
	{
		printf '[Unit]\nConditionPathExists=\nAssertPathExists=\n[Service]\nType=oneshot\nRestart=no\n'
		printf 'EnvironmentFile=\nEnvironmentFile=%s\nEnvironmentFile=%s\n' "$environment" "$settings"
		printf 'ExecStart=\nExecStart=%s migrate\n' "$program"
		printf 'TimeoutStartSec=%s\nStandardOutput=append:%s\nStandardError=append:%s\n' "$2" "$log" "$log"
	} >"$adds/settings.conf"
	systemctl daemon-reload
	systemctl start -- "$unit" || {
		tail -n 8 "$log" >&2
		echo "the application could not make its tables in the new database" >&2
		exit 1
	}
	end_unit
}

action=$1
shift
case $action in
room)
	free=$(df --output=avail -B 1 /var/lib/vikunja | tail -n 1)
	wanted=$(($1 + 64 * 1024 * 1024))
	[ "$free" -ge "$wanted" ] || {
		echo "/var/lib/vikunja in the container may need $((wanted / 1000000)) MB for another database, and $((free / 1000000)) MB are free" >&2
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
schema)
	# From here on what is in the new database is ours.
	cp "$home/filling" "$filling.new"
	sync "$filling.new"
	mv -fT "$filling.new" "$filling"
	sync "${filling%/*}"
	: >"$home/filled"
	schema "$@"
	;;
undo)
	end_unit
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
