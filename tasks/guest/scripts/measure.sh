# What an instance's services answer and use, asked once and side by side. The answer is one line
# of parts parted by 0x1e, each a name and its fields. Arguments, `-` where there is none:
#   BACKEND_BLUE BACKEND_GREEN MCP_BLUE MCP_GREEN SITE REDIS_PORT DATABASE…
#   DATABASE: sqlite PATH · SCRIPT ARGUMENT…, where probe_SCRIPT says how the database stands
# Behind health.sh.
# Of postgresql-database, mysql-database, external-postgresql and external-mysql, the one that
# DATABASE names has to be in front of this text.

_measure_curl() {
	# NAME URL [OPTION…]: `NAME STATUS SECONDS ERROR`; the body's first 4 KiB in $body, in one line.
	name=$1
	shift
	body=$(curl --silent --max-time 4 --noproxy '*' \
		--write-out '\n%{http_code} %{time_total} %{errormsg}' "$@")
	last=${body##*
}
	body=$(printf %s "${body%
*}" | head -c 4096 | tr '\n\t\036' '   ')
	printf '%s %s\n' "$name" "$last"
}

_measure_backend() {
	_measure_curl backend "http://127.0.0.1:$1/health"
	_measure_curl info "http://127.0.0.1:$1/api/v1/info"
	printf 'info_body %s\n' "$body"
}

_measure_page() {
	site=$1/
	set -- --insecure --connect-to '::127.0.0.1:'
	! site_wants_preface || set -- "$@" --haproxy-protocol
	_measure_curl page "$site" "$@"
	case $body in
	*id=\"app\"* | *id=\'app\'* | *id=app[\ \>]* | *id=\"root\"*) echo 'application yes' ;;
	esac
}

_measure_mcp() {
	_measure_curl mcp "http://127.0.0.1:$1/health"
	printf 'mcp_body %s\n' "$body"
}

_measure_redis() {
	IFS= read -r REDISCLI_AUTH </etc/vikunja/secrets/redis-password
	export REDISCLI_AUTH
	printf 'redis %s\n' "$(timeout 4 redis-cli -h 127.0.0.1 -p "$1" ping 2>&1 | head -n 1)"
}

_measure_usage() {
	# Microseconds of processor time that the container has used.
	if [ -r /sys/fs/cgroup/cpu.stat ]; then
		sed -n 's/^usage_usec //p' /sys/fs/cgroup/cpu.stat
	elif [ -r /sys/fs/cgroup/cpuacct/cpuacct.usage ]; then
		awk '{ printf "%d\n", $1 / 1000 }' /sys/fs/cgroup/cpuacct/cpuacct.usage
	else
		# Its processes', as far as they still run, in ticks of a hundredth of a second.
		set +f
		cat /proc/[0-9]*/stat 2>/dev/null | sed 's/.*) //' |
			awk '{ ticks += $12 + $13 } END { printf "%d\n", ticks * 10000 }'
	fi
}

_measure_cpu() {
	before="$(date +%s%N) $(_measure_usage)"
	sleep 0.25
	printf 'cpu %s %s %s\n' "$before" "$(date +%s%N)" "$(_measure_usage)"
}

_measure_memory() {
	printf 'meminfo %s\n' "$(awk '/^(MemTotal|MemAvailable):/ { printf "%s ", $2 }' /proc/meminfo)"
	if [ -r /sys/fs/cgroup/memory.current ]; then
		read -r used </sys/fs/cgroup/memory.current
		cached=$(sed -n 's/^inactive_file //p' /sys/fs/cgroup/memory.stat)
	elif [ -r /sys/fs/cgroup/memory/memory.usage_in_bytes ]; then
		read -r used </sys/fs/cgroup/memory/memory.usage_in_bytes
		cached=$(sed -n 's/^total_inactive_file //p' /sys/fs/cgroup/memory/memory.stat)
	else
		return
	fi
	printf 'memory %s %s\n' "$used" "$cached"
}

_measure_used() {
	# FOLDER: KiB of its file system that are used, and free.
	df -Pk "$1" | awk 'NR == 2 { print $3, $4 }'
}

_measure_disk() {
	data=/var/lib/vikunja folder=$(attachments_folder)
	printf 'disk %s\n' "$(_measure_used "$data")"
	[ "$(stat -c %d "$folder" 2>/dev/null)" = "$(stat -c %d "$data")" ] ||
		printf 'attachments_disk %s\n' "$(_measure_used "$folder" 2>/dev/null)"
	setpriv --reuid=vikunja --regid=vikunja --clear-groups test -w "$folder" &&
		echo 'writable yes'
}

_measure_units() {
	# Of every active unit when it became so, in seconds of the epoch.
	systemctl show --timestamp=unix -p Id -p ActiveEnterTimestamp -p ActiveState -- nginx.service \
		'vikunja-backend@*.service' 'vikunja-mcp@*.service' postgresql.service mariadb.service \
		redis-server.service |
		awk -F = '
			$1 == "Id" { id = $2 }
			$1 == "ActiveState" { active = $2 }
			$1 == "ActiveEnterTimestamp" { since = substr($2, 2) }
			$0 == "" { put() }
			END { put() }
			function put() {
				if (active == "active" && since != "") print "since " id " " since
				active = since = ""
			}'
	printf 'now %s\n' "$(date +%s)"
}

_pending_packages() {
	# How many packages have a newer version, by the lists that are there, and how many of them one that
	# fixes security. Of what changed nothing since it is known from before: apt needs its time.
	stamp=$(stat -c %.Z /var/lib/apt/lists /var/lib/dpkg/status /etc/apt/preferences.d 2>/dev/null |
		tr '\n' ' ')
	kept=/run/vikunja-deploy/pending known=
	{ IFS= read -r known <"$kept"; } 2>/dev/null
	case $known in
	"$stamp="*) ;;
	*)
		listing=$(apt-get -s -q -o Debug::NoLocking=1 --with-new-pkgs upgrade 2>/dev/null) || return
		known=$stamp=$(printf '%s\n' "$listing" | awk '
			/^Inst [^ ]+ \[/ { all++; if ($0 ~ /\([^)]*Debian-Security:/) security++ }
			END { print all + 0, security + 0 }')
		mkdir -p "${kept%/*}" && printf '%s\n' "$known" >"$kept.$$" && mv -f "$kept.$$" "$kept"
		;;
	esac
	printf 'pending %s\n' "${known#*=}"
}

_measure_packages() {
	sed -n 's/^VERSION_CODENAME="*\([a-z]*\)"*$/suite \1/p' /etc/os-release
	# shellcheck disable=SC2016 # dpkg-query expands these
	printf 'held %s\n' "$(dpkg-query -W -f '${db:Status-Want} ${Package}\n' | sed -n 's/^hold //p' | tr '\n' ' ')"
	_pending_packages
}

_measure_database() {
	kind=$1
	shift
	case $kind in
	sqlite)
		if [ ! -s "$1" ]; then
			state=absent
		elif [ "$(head -c 15 "$1")" = 'SQLite format 3' ]; then
			state=present
		else
			state=damaged
		fi
		size=0 tables=
		for file in "$1" "$1-wal"; do
			[ ! -f "$file" ] || size=$((size + $(stat -c %s "$file")))
		done
		# As the service's user: what SQLite makes beside the database must not be root's.
		[ "$state" != present ] || tables=$(echo "select count(*) from sqlite_schema where type = 'table'" |
			setpriv --reuid=vikunja --regid=vikunja --clear-groups \
				sqlite3 -readonly -batch -noheader -cmd '.timeout 2000' "$1" 2>/dev/null)
		printf 'database %s %s - - %s\n' "$state" "$size" "${tables:--}"
		return
		;;
	esac
	state=$("probe_$(printf %s "$kind" | tr - _)" "$@")
	figures=
	if [ "$state" = present ]; then
		figures=$("_measure_$(printf %s "$kind" | tr - _)" "$@" | tr '\n' ' ')
	fi
	printf 'database %s %s\n' "$state" "${figures:-- - - -}"
}

_measure_postgresql_query() {
	cat <<-'SQL'
		select pg_database_size(current_database());
		select count(*) from pg_stat_activity where datname = current_database();
		select split_part(current_setting('server_version'), ' ', 1);
		select count(*) from pg_tables where schemaname not in ('pg_catalog', 'information_schema');
	SQL
}

_measure_mysql_query() {
	cat <<-'SQL'
		select coalesce(sum(data_length + index_length), 0) from information_schema.tables
			where table_schema = database();
		select count(*) from information_schema.processlist where db = database();
		select substring_index(version(), ' ', 1);
		select count(*) from information_schema.tables where table_schema = database();
		select coalesce(group_concat(distinct cs order by cs), '-') from (
			select c.character_set_name as cs from information_schema.tables t
				join information_schema.collation_character_set_applicability c
				on c.collation_name = t.table_collation
				where t.table_schema = database() and t.table_type = 'BASE TABLE'
			union select default_character_set_name from information_schema.schemata
				where schema_name = database()) as found where cs <> 'utf8mb4';
	SQL
}

_measure_postgresql_database() {
	_postgresql_programs
	_measure_postgresql_query | _local_login "$1" "$2"
}

_measure_mysql_database() {
	_measure_mysql_query | _mysql_login "$1" "$2"
}

_measure_external_postgresql() {
	_postgresql_programs
	_external_postgresql_is "$@"
	_measure_postgresql_query | _external_psql db-password "$1" "$2" "$4" "$3"
}

_measure_external_mysql() {
	_external_mysql_is "$@"
	_measure_mysql_query | _external_mysql db-password "$1" "$2" "$4" --database="$3"
}

probe_measure() {
	# Before anything of ours adds to it.
	usage=$(_measure_cpu)
	backend=$1
	mcp=$3
	if [ -e /etc/vikunja/active/green ]; then
		backend=$2
		mcp=$4
	fi
	page=$5
	redis=$6
	shift 6
	{
		printf '%s\n' "$usage"
		_measure_backend "$backend" &
		[ "$mcp" = - ] || _measure_mcp "$mcp" &
		_measure_page "$page" &
		[ "$redis" = - ] || _measure_redis "$redis" &
		_measure_database "$@" &
		_measure_memory &
		_measure_disk &
		_measure_units &
		_measure_packages &
		wait
	} | tr '\n' '\036'
	echo
}
