# Everything that an instance needs to serve is enabled, runs and answers. Behind lifecycle.sh.
# arguments: PORT VERSION MCP_PORT SITE SECONDS COLOR UNIT…; VERSION, MCP_PORT `-`: any,
# none. Exit code 10: it runs and is not healthy.
port=$1 version=$2 mcp=$3 site=$4 seconds=$5 color=$6
shift 6
refuse_standin
undo_restart
up "$@"
healthy "$port" "$version" "$mcp" "$seconds" "$color" || exit 10
health_site "$site" 30 >/dev/null 2>&1 || unhealthy nginx.service || exit
