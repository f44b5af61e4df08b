# The passwords that redis lets in, as digests: the one that is configured, and those that colors were
# prepared with. Arguments: PORT. Behind database-login.sh.

_redis_file=/etc/redis/vikunja-password.conf

_redis_digests() {
	# RETIRED, or nothing: see _in_use.
	for secret in $(_in_use redis-password "$1"); do
		_read_password "$secret" || return 1
		digest=$(printf %s "$password" | sha256sum)
		unset password
		printf ' #%s' "${digest%% *}"
	done
}

_redis_lets_in() {
	# PORT DIGESTS: in its file, and where it runs at once. Who is in already stays.
	aside=$_redis_file.vikunja-deploy
	umask 077
	printf 'user default on ~* &* +@all%s\n' "$2" >"$aside" && chown redis:redis "$aside" &&
		sync "$aside" && mv -fT "$aside" "$_redis_file" || return 1
	for secret in redis-password blue/redis-password green/redis-password; do
		_read_password "$secret" 2>/dev/null || continue
		printf 'AUTH %s\nACL SETUSER default resetpass%s\n' "$password" "$2"
		unset password
	done | timeout 5 redis-cli -h 127.0.0.1 -p "$1" >/dev/null 2>&1 || :
}

probe_redis_passwords() {
	if [ ! -s /etc/vikunja/secrets/redis-password ] || [ ! -e "$_redis_file" ]; then
		echo absent
	elif [ "$(cat "$_redis_file")" = "user default on ~* &* +@all$(_redis_digests "")" ]; then
		echo present
	else
		echo outdated
	fi
}

apply_redis_passwords() {
	digests=$(_redis_digests "") || return 1
	_redis_lets_in "$1" "$digests" || {
		echo "the password could not be written for redis" >&2
		return 1
	}
}
