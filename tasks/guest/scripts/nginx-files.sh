# That nginx takes whatever else somebody has put into its conf.d: what runs goes on with what it
# has, and the next reload or start fails. Arguments: FOLDER and the names of our own files there.

_nginx_files_foreign() (
	# FOLDER NAME…: paths of the others, one a line
	set +f
	folder=$1
	shift
	for path in "$folder"/*.conf; do
		[ -e "$path" ] || continue
		case " $* " in
		*" ${path##*/} "*) ;;
		*) printf '%s\n' "$path" ;;
		esac
	done
)

_nginx_files_refused() {
	# FOLDER NAME…: the path of one that nginx refuses to start with; what it says in $said. Asked as
	# it is reloaded, without root rights, so that nothing is made that is root's.
	foreign=$(_nginx_files_foreign "$@")
	[ -n "$foreign" ] || return 1
	! said=$(setpriv --reuid=www-data --regid=www-data --clear-groups \
		--inh-caps=+net_bind_service --ambient-caps=+net_bind_service nginx -t -q 2>&1) || return 1
	named=${said##* in }
	named=${named%%:*}
	# It may name one of ours, which another one has taken the place of.
	printf '%s\n' "$foreign" | grep -Fx -e "$named" || printf '%s\n' "${foreign%%"
"*}"
}

probe_nginx_files() {
	refused=$(_nginx_files_refused "$@") && echo "nginx refuses ${refused##*/}" || echo present
}

apply_nginx_files() {
	while refused=$(_nginx_files_refused "$@"); do
		mv -T "$refused" "$refused.replaced-$(date +%s)-$$" || return 1
	done
}
