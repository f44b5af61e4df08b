# A database and its owner in the container's own PostgreSQL. Arguments: NAME USER.
# Behind database-login.sh. The password reaches the server over stdin only.
# Whether the database is there is for the server to say, as its own user: without the password, or
# where a login is refused, the data is there all the same. With MUST_EXIST none is made.

_local_login() (
	# DATABASE USER: over TCP with the password, the way Vikunja comes in; a query on stdin.
	export PGCONNECT_TIMEOUT=5 PGSSLMODE=disable
	_postgresql "$DB_SECRET" psql --no-psqlrc --no-align --tuples-only \
		--host=127.0.0.1 --username="$2" --dbname="$1"
)

_postgresql_exists() {
	# NAME: `1` where the server has it, nothing where it has not; fails where it cannot be asked.
	echo "select 1 from pg_database where datname = :'name'" |
		_local_psql --dbname=postgres --set=name="$1" 2>/dev/null
}

_postgresql_only_here() (
	# Addresses as PostgreSQL lists them: whether nobody outside reaches one.
	IFS=', '
	for address in $1; do
		case $address in
		localhost | 127.* | ::1) ;;
		*) return 1 ;;
		esac
	done
)

_postgresql_keep_here() {
	# Before any file that somebody has edited; taken up by a start only.
	echo "alter system set listen_addresses = 'localhost'" | _local_psql --dbname=postgres &&
		systemctl restart postgresql.service &&
		_until 100 "$programs/pg_isready" --quiet --timeout=3
}

probe_postgresql_database() {
	if ! _postgresql_programs; then
		# A package that was removed leaves the data where it is.
		set -- /var/lib/postgresql/*/*/PG_VERSION
		if [ -e "$1" ]; then echo unasked; else echo absent; fi
		return
	fi
	owner='' listens=''
	[ ! -s "/etc/vikunja/secrets/$DB_SECRET" ] || {
		query='select pg_get_userbyid(datdba), current_setting('\''listen_addresses'\'')
			from pg_database where datname = current_database()'
		found=$(echo "$query" | _local_login "$1" "$2" 2>/dev/null)
		owner=${found%%|*} listens=${found#*|}
	}
	if [ "$owner" = "$2" ] && ! _postgresql_only_here "$listens"; then
		echo exposed
	elif [ "$owner" = "$2" ]; then
		echo present
	elif [ -n "$owner" ]; then
		echo other-owner
	elif ! "$programs/pg_isready" --quiet --timeout=3; then
		echo stopped
	elif ! there=$(_postgresql_exists "$1"); then
		echo unasked
	elif [ -n "$there" ]; then
		echo other-password
	else
		echo absent
	fi
}

apply_postgresql_database() {
	_postgresql_programs || {
		echo "PostgreSQL's programs are not installed in the container." >&2
		return 1
	}
	"$programs/pg_isready" --quiet --timeout=30 || {
		# The unit postgresql.service counts as active whether or not its cluster runs.
		systemctl restart postgresql.service
		_until 100 "$programs/pg_isready" --quiet --timeout=3 || {
			echo "PostgreSQL in the container does not answer; journalctl -u 'postgresql@*' says why." >&2
			return 1
		}
	}
	if [ -n "${MUST_EXIST:-}" ]; then
		there=$(_postgresql_exists "$1") || {
			echo "PostgreSQL in the container cannot be asked for its databases; journalctl -u 'postgresql@*' says why." >&2
			return 1
		}
		[ -n "$there" ] || {
			echo "PostgreSQL in the container has no database $1 any more, nor what was in it; none was made." >&2
			return 4
		}
	fi
	listens=$(echo 'show listen_addresses' | _local_psql --dbname=postgres) || return 1
	_postgresql_only_here "$listens" || _postgresql_keep_here || {
		echo "PostgreSQL in the container listens on $listens, and cannot be kept from it." >&2
		return 1
	}
	{
		_psql_password "$DB_SECRET"
		cat <<-'SQL'
			set password_encryption = 'scram-sha-256';
			set log_statement = 'none';
			set log_min_error_statement = 'panic';
			-- The server finishes the statement of a client that was killed: wait for that.
			select from pg_advisory_lock(hashtext('vikunja-deploy'));
			select format('create role %I login', :'user')
				where not exists (select from pg_roles where rolname = :'user') \gexec
			alter role :"user" login password :'password';
			select format('create database %I owner %I encoding %L template template0', :'name', :'user', 'UTF8')
				where not exists (select from pg_database where datname = :'name') \gexec
			alter database :"name" owner to :"user";
			revoke connect on database :"name" from public;
			-- Where another user was desired before, what that one made is this one's.
			\connect :"name"
			select format('alter table %I.%I owner to %I', schemaname, tablename, :'user') from pg_tables
				where schemaname not in ('pg_catalog', 'information_schema') and tableowner <> :'user' \gexec
		SQL
	} | _local_psql --dbname=postgres --set=name="$1" --set=user="$2" || {
		echo "PostgreSQL in the container did not take the database $1 and its user $2." >&2
		return 1
	}
	said=$(echo 'select 1' | _local_login "$1" "$2" 2>&1) || {
		printf '%s\n' "$said" >&2
		echo "PostgreSQL in the container has the database $1 and its user $2, but lets that user not in: the lines above say why, pg_hba.conf and max_connections are where it is set." >&2
		return 1
	}
}
