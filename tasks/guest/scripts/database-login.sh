# What the scripts of databases share: the password, and the servers' clients, which get it unseen.

SECRETS=/etc/vikunja/secrets
DB_SECRET=db-password
# While another database serves, the password of the one that is configured.
[ ! -s "$SECRETS/$DB_SECRET-next" ] || DB_SECRET=$DB_SECRET-next

_read_password() {
	# SECRET
	password=
	IFS= read -r password <"$SECRETS/$1" || [ -n "$password" ]
}

_open_password() {
	# SECRET: read, and a file without a name as 8 that is to take it: a kill leaves no password behind.
	_read_password "$1" || return 1
	file=$(mktemp /run/vikunja-password.XXXXXX) && exec 8<>"$file" && rm "$file"
}

_in_use() {
	# NAME [RETIRED]: the secrets that are to be let in, paths below SECRETS: the one that
	# is configured, and those that colors were prepared with, but for RETIRED's.
	name=$1
	[ "$1" != db-password ] || name=$DB_SECRET
	echo "$name"
	for color in blue green; do
		[ "$color" = "${2:-}" ] || [ ! -s "$SECRETS/$color/$1" ] ||
			cmp -s "$SECRETS/$name" "$SECRETS/$color/$1" || echo "$color/$1"
	done
}

_until() {
	# TRIES COMMAND [ARGUMENT…]: five in a second
	tries=$1
	shift
	until "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.2
	done
}

# How a server outside is connected to: TLS is the mode of database.tls and which of its files there
# are beside the password SECRET, as `verify-full,ca,cert`; nothing where nothing is said of it.

_tls_file() {
	# NAME SECRET: it is where its password is, of a color or of the next database.
	case $2 in
	*db-password*) echo "$SECRETS/${2%%db-password*}$1${2##*db-password}" ;;
	*) echo "$SECRETS/$1" ;;
	esac
}

_trusted() {
	# TLS SECRET: whom the server's certificate is to be from.
	case $1 in
	*,ca*) _tls_file db-ca "$2" ;;
	*) echo /etc/ssl/certs/ca-certificates.crt ;;
	esac
}

_postgresql_tls() {
	# TLS SECRET: for the programs that are started next.
	[ -n "$1" ] || return 0
	export PGSSLMODE="${1%%,*}"
	case $1 in verify-*)
		PGSSLROOTCERT=$(_trusted "$1" "$2")
		export PGSSLROOTCERT
		;;
	esac
	case $1 in *,cert*)
		PGSSLCERT=$(_tls_file db-cert "$2") PGSSLKEY=$(_tls_file db-key "$2")
		export PGSSLCERT PGSSLKEY
		;;
	esac
}

_mysql_tls() {
	# TLS SECRET: options, a word each.
	case $1 in
	# Newer programs would refuse a server without a certificate that they can check.
	'') echo --disable-ssl-verify-server-cert ;;
	disable*) echo --skip-ssl ;;
	require*) echo --ssl --disable-ssl-verify-server-cert ;;
	*) echo "--ssl --ssl-verify-server-cert --ssl-ca=$(_trusted "$1" "$2")" ;;
	esac
}

# The HOST of a server outside is the path of its socket in the container where it begins with /: for
# MySQL the socket, for PostgreSQL the folder that it is in.

_at() {
	# HOST PORT [SOCKET]: that server in words.
	case $1 in
	/*) echo "the socket ${3:-$1}" ;;
	*) echo "$1 port $2" ;;
	esac
}

_socket_is_open() {
	# SOCKET: for the application's user. Before that one is there, nobody can say.
	! id -u vikunja >/dev/null 2>&1 ||
		setpriv --reuid=vikunja --regid=vikunja --init-groups test -w "$1"
}

_mysql_server() {
	# HOST PORT: options, a word each.
	case $1 in
	/*) echo "--protocol=socket --socket=$1" ;;
	*) echo "--protocol=tcp --host=$1 --port=$2" ;;
	esac
}

_mysql() (
	# SECRET PROGRAM [OPTION…]
	_open_password "$1" || exit 1
	{
		printf '[client]\npassword="'
		printf '%s' "$password" | sed 's/[\\"]/\\&/g'
		printf '"\n'
	} >&8
	unset password
	program=$2
	shift 2
	exec "$program" --defaults-extra-file=/proc/self/fd/8 "$@"
)

_mysql_identified() {
	# SECRET…: by any of these. Only MariaDB knows more than one.
	if [ $# = 1 ]; then how="by '" end="'"; else how="via mysql_native_password using password('" end="')"; fi
	for secret in "$@"; do
		_read_password "$secret"
		printf "%s" "$how"
		printf %s "$password" | sed "s/'/''/g"
		printf "%s" "$end"
		how=" or mysql_native_password using password('"
	done
	unset password
}

_mysql_user() {
	# NAME USER HOST, quoted, SECRET…: statements that make USER, who comes from there with any of
	# these, and give it the database.
	name=$1 user=$2 from=$3
	shift 3
	for verb in 'create user if not exists' 'alter user'; do
		printf "%s '%s'@'%s' identified " "$verb" "$user" "$from"
		_mysql_identified "$@"
		printf ';\n'
	done
	# Underscores in a grant's database name are wildcards.
	echo "grant all privileges on \`$(printf %s "$name" | sed 's/[_%]/\\&/g')\`.* to '$user'@'$from';"
}

_postgresql_programs() {
	# Debian's own psql is a wrapper that costs ten times the program's time.
	programs=
	# The observer, whose subshell this runs in, has turned globbing off.
	set +f
	for folder in /usr/lib/postgresql/*/bin; do
		[ ! -x "$folder/psql" ] || programs=$folder
	done
	[ -n "$programs" ]
}

_postgresql() (
	# SECRET PROGRAM [OPTION…]
	_open_password "$1" || exit 1
	printf '%s' "$password" | sed 's/[\\:]/\\&/g; s/^/*:*:*:*:/' >&8
	unset password
	export PGPASSFILE=/proc/self/fd/8
	program=$programs/$2
	shift 2
	exec "$program" --no-password "$@"
)

_local_psql() {
	# As the server's own user, whom it knows by the socket.
	(cd / && setpriv --reuid=postgres --regid=postgres --init-groups \
		"$programs/psql" --no-psqlrc --quiet --no-align --tuples-only --set=ON_ERROR_STOP=1 "$@")
}

_psql_password() {
	# SECRET. psql takes the value into a variable from its input, as the server's user cannot read the file.
	printf '\\set password '\'
	_read_password "$1"
	printf %s "$password" | sed "s/\\\\/\\\\\\\\/g; s/'/''/g"
	printf "'\n"
	unset password
}
