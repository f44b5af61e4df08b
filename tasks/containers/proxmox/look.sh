# What a node knows: of the cluster from its cluster file system, of itself from its kernel.
#
#   look CLUSTER_FILES LXC_PATH all|running
#
# Prints `path:line` of files of the cluster file system, then `running ID` of the containers that
# run on this node. Exit code 3: this machine is no node of Proxmox VE.

look() {
	cd "$1" 2>/dev/null && [ -e .members ] || exit 3
	# The last file is empty and always there: with it, paths are printed even before one line.
	if [ "$3" = all ]; then
		grep -as '' .members .vmlist datacenter.cfg ha/resources.cfg ha/groups.cfg ha/rules.cfg \
			replication.cfg nodes/*/lxc/*.conf /dev/null
	fi
	grep -o "@$2/[1-9][0-9]*/command$" /proc/net/unix | sort -u | while IFS= read -r socket; do
		id=${socket%/command}
		echo "running ${id##*/}"
	done
}

look "$@"
