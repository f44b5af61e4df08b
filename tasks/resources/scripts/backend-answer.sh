# What the backend of the active colour answers, asked once: `STATUS INFO` with the status of
# /health and the body of /api/v1/info, or `000 ERROR`. Arguments: PORT_BLUE PORT_GREEN.

probe_backend_answer() {
	port=$1
	[ ! -e /etc/vikunja/active/green ] || port=$2
	set -- --silent --max-time 3 --noproxy '*'
	health=$(curl "$@" --output /dev/null --write-out '%{http_code} %{errormsg}' "http://127.0.0.1:$port/health")
	case $health in
	000*) printf '%s\n' "$health" ;;
	*) printf '%s %s\n' "${health%% *}" "$(curl "$@" "http://127.0.0.1:$port/api/v1/info" | tr -d '\n\t')" ;;
	esac
}
