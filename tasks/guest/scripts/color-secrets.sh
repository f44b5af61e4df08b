# The secrets of a color: copies of those that are configured, made as it is prepared. What serves
# keeps those that it started with. Arguments: COLOR LOGIN OWNER DATABASE NAME…
# LOGIN: the color's own user in the container's PostgreSQL, who does as OWNER in DATABASE; `-` for
# none. Behind database-login.sh.

_color_secrets_copied() {
	# COLOR NAME…: in $copied, in words. By what is built in: every plan asks for it.
	folder=/etc/vikunja/secrets/$1
	shift
	copied=present
	for name in "$@"; do
		_whole "$folder/$name"
		copy=$whole
		[ -n "$copy" ] || copied=absent
		_configured "$name"
		_whole "$configured"
		[ "$copied" = absent ] || [ "$whole" = "$copy" ] || copied=outdated
	done
	unset whole copy
}

_whole() {
	# FILE: what it holds, in $whole; nothing where it is not there.
	whole=''
	{ while IFS= read -r line || [ -n "$line" ]; do whole="$whole$line
"; done <"$1"; } 2>/dev/null
}

_configured() {
	# NAME: where what is configured is, in $configured. Those of the next database have its password's
	# ending.
	configured=/etc/vikunja/secrets/$1
	case $1 in
	db-password | db-ca | db-cert | db-key) configured=$configured${DB_SECRET#db-password} ;;
	esac
}

_color_login() (
	# COLOR LOGIN DATABASE: a query on stdin, over TCP, the way Vikunja comes in.
	export PGCONNECT_TIMEOUT=5 PGSSLMODE=disable
	_postgresql "$1/db-password" psql --no-psqlrc --no-align --tuples-only \
		--host=127.0.0.1 --username="$2" --dbname="$3"
)

probe_color_secrets() {
	color=$1 login=$2 owner=$3 database=$4
	shift 4
	_color_secrets_copied "$color" "$@"
	if [ "$copied" = present ] && [ "$login" != - ] && _postgresql_programs &&
		[ "$(echo 'select current_user' | _color_login "$color" "$login" "$database" 2>/dev/null)" != "$owner" ] &&
		"$programs/pg_isready" --quiet --timeout=3; then
		copied='not let in'
	fi
	echo "$copied"
}

apply_color_secrets() {
	color=$1 login=$2 owner=$3 database=$4
	shift 4
	folder=/etc/vikunja/secrets/$color
	install -d -o vikunja -g vikunja -m 0700 "$folder" || return 1
	for name in "$@"; do
		# shellcheck disable=SC2015 # either that fails is the reason
		_configured "$name"
		install -o vikunja -g vikunja -m 0600 "$configured" "$folder/.$name" &&
			sync "$folder/.$name" && mv -fT "$folder/.$name" "$folder/$name" || return 1
	done
	sync "$folder"
	[ "$login" != - ] || return 0
	_postgresql_programs || {
		echo "PostgreSQL's programs are not installed in the container." >&2
		return 1
	}
	{
		_psql_password "$color/db-password"
		cat <<-'SQL'
			set password_encryption = 'scram-sha-256';
			set log_statement = 'none';
			set log_min_error_statement = 'panic';
			select from pg_advisory_lock(hashtext('vikunja-deploy'));
			select format('create role %I login', :'login')
				where not exists (select from pg_roles where rolname = :'login') \gexec
			alter role :"login" login password :'password';
			-- What it makes is the owner's, and so the other color's, too.
			grant :"owner" to :"login";
			alter role :"login" set role to :"owner";
		SQL
	} | _local_psql --dbname=postgres --set=login="$login" --set=owner="$owner" || {
		echo "PostgreSQL in the container did not take its user $login." >&2
		return 1
	}
	said=$(echo 'select 1' | _color_login "$color" "$login" "$database" 2>&1) || {
		printf '%s\n' "$said" >&2
		echo "PostgreSQL in the container has the user $login, but lets that user not in: the lines above say why, pg_hba.conf and max_connections are where it is set." >&2
		return 1
	}
}
