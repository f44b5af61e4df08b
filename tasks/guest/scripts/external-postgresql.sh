# A database on a PostgreSQL server outside. Arguments: HOST PORT NAME USER [ADMIN [TLS]].
# Behind database-login.sh. ADMIN's password is in /etc/vikunja/secrets/db-admin-password; `-` for
# nobody.
# `absent` is only what the server said; with MUST_EXIST no database is made.

_external_psql() (
	# SECRET HOST PORT USER DATABASE; a query on stdin.
	export PGCONNECT_TIMEOUT=4
	_postgresql_tls "$EXTERNAL_TLS" "$DB_SECRET"
	_postgresql "$1" psql --no-psqlrc --quiet --no-align --tuples-only --set=ON_ERROR_STOP=1 \
		--host="$2" --port="$3" --username="$4" --dbname="$5" \
		--set=name="$EXTERNAL_NAME" --set=user="$EXTERNAL_USER"
)

_external_postgresql_is() {
	# HOST PORT NAME USER [ADMIN [TLS]]
	EXTERNAL_NAME=$3 EXTERNAL_USER=$4 EXTERNAL_TLS=${6:-} EXTERNAL_SOCKET=
	case $1 in /*) EXTERNAL_SOCKET=$1/.s.PGSQL.$2 ;; esac
	EXTERNAL_AT=$(_at "$1" "$2" "$EXTERNAL_SOCKET")
}

_external_postgresql_refused() (
	# Why TLS does not come about; nothing where it does. The words are the client's, which are English
	# so, but for what a server says of a certificate that it has not been shown.
	LC_ALL=C
	export LC_ALL
	said=$(echo 'select 1' | _external_psql "$DB_SECRET" "$1" "$2" "$4" "$3" 2>&1) ||
		printf '%s\n' "$said" | sed -n '/SSL\|certificate/{s/^.* failed: //;p;q;}'
)

_external_postgresql_state() {
	_external_postgresql_is "$@"
	if ! _postgresql_programs || [ ! -s "$SECRETS/$DB_SECRET" ]; then
		echo unasked
		return
	fi
	can=$(echo "select coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)" |
		_external_psql "$DB_SECRET" "$1" "$2" "$4" "$3" 2>/dev/null)
	case $can in
	t)
		if [ -z "$EXTERNAL_SOCKET" ] || _socket_is_open "$EXTERNAL_SOCKET"; then
			echo present
		else
			echo closed
		fi
		;;
	f) echo denied ;;
	*)
		# The server's messages may be in any language: another of its databases tells of this one.
		if ! "$programs/pg_isready" --quiet --timeout=4 --host="$1" --port="$2"; then
			echo unreachable
			return
		fi
		list="select count(*) from pg_database where datname = :'name'"
		there=$(echo "$list" | _external_psql "$DB_SECRET" "$1" "$2" "$4" postgres 2>/dev/null)
		[ -n "$there" ] ||
			there=$(echo "$list" | _external_psql "$DB_SECRET" "$1" "$2" "$4" template1 2>/dev/null)
		if [ "$there" = 0 ]; then
			echo absent
		elif [ -n "$EXTERNAL_TLS" ] && [ -n "$(_external_postgresql_refused "$@")" ]; then
			echo insecure
		else
			echo denied
		fi
		;;
	esac
}

probe_external_postgresql() {
	_external_postgresql_state "$@"
}

apply_external_postgresql() {
	_external_postgresql_is "$@"
	admin=${5:-}
	[ "$admin" != - ] || admin=
	_postgresql_programs || {
		echo "PostgreSQL's client programs are not installed in the container." >&2
		return 1
	}
	state=$(_external_postgresql_state "$@")
	case $state in
	present)
		# Vikunja does not encrypt unless it is told to.
		if [ -n "$EXTERNAL_TLS$EXTERNAL_SOCKET" ]; then return 0; fi
		said=$(echo 'select 1' | EXTERNAL_TLS=disable _external_psql "$DB_SECRET" "$1" "$2" "$4" "$3" 2>&1) ||
			case $said in
			*FATAL*)
				echo "PostgreSQL at $EXTERNAL_AT lets user \"$4\" in over TLS only, and database.tls.mode says nothing of it. Set database.tls.mode: verify-full, and ca_file where the server's authority is your own." >&2
				return 1
				;;
			esac
		return 0
		;;
	insecure)
		echo "PostgreSQL at $EXTERNAL_AT is not reached as database.tls (${EXTERNAL_TLS%%,*}) says: $(_external_postgresql_refused "$@"). Correct database.tls, or the server's certificate." >&2
		return 1
		;;
	closed)
		echo "PostgreSQL at $EXTERNAL_AT lets root in and not the application's user, vikunja: the rights of that socket and of the folders on its way keep it out." >&2
		return 1
		;;
	unreachable)
		[ -z "$EXTERNAL_SOCKET" ] || {
			echo "PostgreSQL at $EXTERNAL_AT does not answer in the container: its server has to run there, or its folder to be mounted into it; then apply again. database.host is the folder, database.port what the socket's name ends with." >&2
			return 6
		}
		echo "PostgreSQL at $EXTERNAL_AT does not answer from the container: check database.host and database.port, and that the server listens for and its pg_hba.conf allows the container's address." >&2
		return 6
		;;
	esac
	if [ "$state" = absent ] && [ -n "${MUST_EXIST:-}" ]; then
		echo "PostgreSQL at $EXTERNAL_AT has no database \"$3\" any more, nor what was in it; none was made." >&2
		return 4
	fi
	if [ -z "$admin" ]; then
		if [ "$state" = absent ]; then
			echo "PostgreSQL at $EXTERNAL_AT has no database \"$3\" that user \"$4\" may use. An administrator of that server has to run: CREATE DATABASE \"$3\" OWNER \"$4\"; or set database.admin_user and database.admin_password_file." >&2
		else
			echo "PostgreSQL at $EXTERNAL_AT refuses user \"$4\" with the password of database.password_file, or a place to create tables in database \"$3\". An administrator of that server has to run: CREATE ROLE \"$4\" LOGIN PASSWORD '…'; CREATE DATABASE \"$3\" OWNER \"$4\"; or, where they exist: ALTER ROLE \"$4\" PASSWORD '…'; ALTER DATABASE \"$3\" OWNER TO \"$4\"; or set database.admin_user and database.admin_password_file.${EXTERNAL_SOCKET:+ Its pg_hba.conf has to let in by password there, before any other line of local: local all \"$4\" scram-sha-256.}" >&2
		fi
		return 1
	fi
	if [ -n "${MUST_EXIST:-}" ]; then
		# Who could not log in could not tell whether it is there.
		there=$(echo "select count(*) from pg_database where datname = :'name'" |
			_external_psql db-admin-password "$1" "$2" "$admin" postgres)
		[ "$there" = 1 ] || {
			echo "PostgreSQL at $EXTERNAL_AT has no database \"$3\" any more as administrator \"$admin\" sees it, nor what was in it; none was made." >&2
			return 4
		}
	fi
	{
		_psql_password "$DB_SECRET"
		cat <<-'SQL'
			-- The server finishes the statement of a client that was killed: wait for that.
			select from pg_advisory_lock(hashtext('vikunja-deploy'));
			select format('create role %I login', :'user')
				where not exists (select from pg_roles where rolname = :'user') \gexec
			alter role :"user" login password :'password';
			-- An administrator who is no superuser must be a member of the role it gives a database to.
			select format('grant %I to %I', :'user', current_user) from pg_roles
				where rolname = current_user and not rolsuper and rolname <> :'user' \gexec
			select format('create database %I owner %I encoding %L template template0', :'name', :'user', 'UTF8')
				where not exists (select from pg_database where datname = :'name') \gexec
			alter database :"name" owner to :"user";
		SQL
	} | _external_psql db-admin-password "$1" "$2" "$admin" postgres || {
		echo "PostgreSQL at $EXTERNAL_AT: administrator \"$admin\" could not create database \"$3\" and user \"$4\"; it needs to be allowed to log in to database postgres and the attributes CREATEROLE and CREATEDB." >&2
		return 1
	}
	state=$(_external_postgresql_state "$@")
	if [ "$state" != present ]; then
		echo "PostgreSQL at $EXTERNAL_AT: database \"$3\" was created, but user \"$4\" still finds it $state; check the server's pg_hba.conf." >&2
		return 1
	fi
}
