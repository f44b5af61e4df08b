# What a node knows: of the cluster from its cluster file system, of itself from its kernel.
#
#   look CLUSTER_FILES LXC_PATH all|running [ROOT]
#
# Prints `path:line` of files of the cluster file system, then `running ID` of the containers that
# run on this node, and `restart` where it waits for one itself. Exit code 3: this machine is no node
# of Proxmox VE.

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
	if restart_pending "${4-}"; then echo restart; fi
}

restart_pending() {
	# ROOT: packages say so, or a newer kernel than the one that runs is there, and none is pinned.
	[ ! -e "$1/run/reboot-required" ] || return 0
	[ ! -s "$1/etc/kernel/proxmox-boot-pin" ] || return 1
	read -r runs 2>/dev/null <"$1/proc/sys/kernel/osrelease" || return 1
	# shellcheck disable=SC2012 # by version, which find does not sort by; of names of packages
	newest=$(ls -v "$1"/boot/vmlinuz-*-pve 2>/dev/null) || return 1
	[ "${newest##*/vmlinuz-}" != "$runs" ]
}

look "$@"
