# A database on a MySQL or MariaDB server outside. Arguments: HOST PORT NAME USER [ADMIN [TLS]].
# Behind database-login.sh. ADMIN's password is in /etc/vikunja/secrets/db-admin-password; `-` for
# nobody.
# `absent` is only what the server said; with MUST_EXIST no database is made.

_external_mysql_is() {
	# HOST PORT NAME USER [ADMIN [TLS]]
	EXTERNAL_TLS=${6:-} EXTERNAL_SOCKET='' EXTERNAL_FROM=% EXTERNAL_AT=$(_at "$1" "$2")
	case $1 in /*) EXTERNAL_SOCKET=$1 EXTERNAL_FROM=localhost ;; esac
}

_external_mysql() (
	# SECRET HOST PORT USER [OPTION…]; statements on stdin.
	secret=$1 host=$2 port=$3 login=$4
	shift 4
	# A server that looks up its clients' names answers only when its DNS has, or has given up.
	# shellcheck disable=SC2046 # one word for each
	_mysql "$secret" mariadb --batch --skip-column-names --connect-timeout=15 \
		$(_mysql_tls "$EXTERNAL_TLS" "$DB_SECRET") $(_mysql_server "$host" "$port") --user="$login" "$@"
)

_external_mysql_state() {
	_external_mysql_is "$@"
	if ! command -v mariadb >/dev/null || [ ! -s "$SECRETS/$DB_SECRET" ]; then
		echo unasked
		return
	fi
	# Numbers, not words: the server's messages may be in any language.
	answer=$(echo 'select 1' | _external_mysql "$DB_SECRET" "$1" "$2" "$4" --database="$3" 2>&1)
	case $answer in
	1)
		if [ -z "$EXTERNAL_SOCKET" ] || _socket_is_open "$EXTERNAL_SOCKET"; then
			echo present
		else
			echo closed
		fi
		;;
	*"ERROR 1049"*) echo absent ;;
	*"ERROR 1044"* | *"ERROR 1045"* | *"ERROR 1130"* | *"ERROR 1698"*) echo denied ;;
	# An account with REQUIRE SSL is refused (1045) where TLS is not used.
	*"ERROR 2026"*) echo insecure ;;
	*"ERROR 2002"* | *"ERROR 2003"* | *"ERROR 2005"* | *"ERROR 2013"*) echo unreachable ;;
	*) echo unasked ;;
	esac
}

probe_external_mysql() {
	_external_mysql_state "$@"
}

apply_external_mysql() {
	_external_mysql_is "$@"
	admin=${5:-}
	[ "$admin" != - ] || admin=
	state=$(_external_mysql_state "$@")
	case $state in
	present)
		# Vikunja does not encrypt unless it is told to.
		[ -z "$EXTERNAL_TLS" ] || return 0
		said=$(echo 'select 1' |
			EXTERNAL_TLS=disable _external_mysql "$DB_SECRET" "$1" "$2" "$4" --database="$3" 2>&1)
		case $said in
		*"ERROR 1045"* | *"insecure transport"*)
			[ -z "$EXTERNAL_SOCKET" ] || {
				echo "MySQL at $EXTERNAL_AT lets user '$4' in over TLS only, which nothing needs there. An administrator of that server has to run: ALTER USER '$4'@'$EXTERNAL_FROM' REQUIRE NONE." >&2
				return 1
			}
			echo "MySQL at $EXTERNAL_AT lets user '$4' in over TLS only, and database.tls.mode says nothing of it. Set database.tls.mode: verify-full, and ca_file where the server's authority is your own." >&2
			return 1
			;;
		esac
		return 0
		;;
	insecure)
		said=$(echo 'select 1' | _external_mysql "$DB_SECRET" "$1" "$2" "$4" --database="$3" 2>&1)
		said=$(printf '%s\n' "$said" | tail -n 1)
		echo "MySQL at $EXTERNAL_AT is not reached as database.tls (${EXTERNAL_TLS%%,*}) says: $said. Correct database.tls, or the server's certificate." >&2
		return 1
		;;
	closed)
		echo "MySQL at $EXTERNAL_AT lets root in and not the application's user, vikunja: the rights of that socket and of the folders on its way keep it out." >&2
		return 1
		;;
	unreachable)
		[ -z "$EXTERNAL_SOCKET" ] || {
			echo "MySQL at $EXTERNAL_AT does not answer in the container: its server has to run there, or the folder of its socket to be mounted into it; then apply again. database.host is the socket itself." >&2
			return 6
		}
		echo "MySQL at $EXTERNAL_AT does not answer from the container: check database.host and database.port, and that the server's bind-address and firewall allow the container's address." >&2
		return 6
		;;
	esac
	if [ "$state" = absent ] && [ -n "${MUST_EXIST:-}" ]; then
		echo "MySQL at $EXTERNAL_AT has no database \`$3\` any more, nor what was in it; none was made." >&2
		return 4
	fi
	if [ "$state" = unasked ]; then
		echo 'select 1' | _external_mysql "$DB_SECRET" "$1" "$2" "$4" --database="$3"
		echo "MySQL at $EXTERNAL_AT could not be asked for database \`$3\`: the line above says why." >&2
		return 1
	fi
	if [ -z "$admin" ]; then
		if [ "$state" = absent ]; then
			echo "MySQL at $EXTERNAL_AT has no database \`$3\`. An administrator of that server has to run: CREATE DATABASE \`$3\` CHARACTER SET utf8mb4; GRANT ALL PRIVILEGES ON \`$3\`.* TO '$4'@'$EXTERNAL_FROM'; or set database.admin_user and database.admin_password_file." >&2
		else
			echo "MySQL at $EXTERNAL_AT refuses user '$4' with the password of database.password_file for database \`$3\`. An administrator of that server has to run: CREATE DATABASE IF NOT EXISTS \`$3\` CHARACTER SET utf8mb4; CREATE USER IF NOT EXISTS '$4'@'$EXTERNAL_FROM'; ALTER USER '$4'@'$EXTERNAL_FROM' IDENTIFIED BY '…'; GRANT ALL PRIVILEGES ON \`$3\`.* TO '$4'@'$EXTERNAL_FROM'; or set database.admin_user and database.admin_password_file." >&2
		fi
		return 1
	fi
	name=$(printf %s "$3" | sed 's/`/&&/g')
	user=$(printf %s "$4" | sed "s/'/''/g")
	if [ -n "${MUST_EXIST:-}" ]; then
		# Who could not log in could not tell whether it is there.
		there=$(echo "select count(*) from information_schema.schemata
			where schema_name = '$(printf %s "$3" | sed "s/'/''/g")'" |
			_external_mysql db-admin-password "$1" "$2" "$admin")
		[ "$there" = 1 ] || {
			echo "MySQL at $EXTERNAL_AT has no database \`$3\` any more as administrator '$admin' sees it, nor what was in it; none was made." >&2
			return 4
		}
	fi
	{
		echo "set session sql_mode = 'NO_BACKSLASH_ESCAPES';"
		echo "create database if not exists \`$name\` character set utf8mb4;"
		_mysql_user "$name" "$user" "$EXTERNAL_FROM" "$DB_SECRET"
	} | _external_mysql db-admin-password "$1" "$2" "$admin" || {
		echo "MySQL at $EXTERNAL_AT: administrator '$admin' could not create database \`$3\` and user '$4'; it needs CREATE, CREATE USER and GRANT OPTION." >&2
		return 1
	}
	state=$(_external_mysql_state "$@")
	if [ "$state" != present ]; then
		echo "MySQL at $EXTERNAL_AT: database \`$3\` was created, but user '$4' still finds it $state." >&2
		return 1
	fi
}
