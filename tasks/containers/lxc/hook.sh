#!/bin/sh
# What the host does around a container of vikunja-deploy: bridge and NAT, the overlay mount, and
# the record of its init. A copy lies beside each container's configuration, so that LXC can start
# the container at boot without anything else of vikunja-deploy.
#
#   hook pre-start  FOLDER LOWER LOCK MODE BRIDGE GATEWAY/PREFIX SUBNET
#   hook start-host FOLDER
#   hook post-stop  FOLDER
#   hook network-up   LOCK MODE BRIDGE GATEWAY/PREFIX SUBNET
#   hook network-down BRIDGE                                     (the caller holds the lock)
#
# MODE: own (the bridge is made and kept here) or foreign (used as it is, never changed).

set -eu
PATH=/usr/sbin:/usr/bin:/sbin:/bin

fail() {
	echo "$*" >&2
	exit 1
}

# The variant of iptables this kernel speaks; the first one is the machine's own choice.
find_iptables() {
	for iptables in iptables iptables-nft iptables-legacy; do
		if command -v "$iptables" >/dev/null &&
			"$iptables" -w -t nat -S POSTROUTING >/dev/null 2>&1; then
			return
		fi
	done
	fail "no variant of iptables can read this kernel's NAT table"
}

# rule TABLE -A|-I CHAIN RULE...: there once, however often it is asked for.
rule() {
	table=$1 how=$2 chain=$3
	shift 3
	"$iptables" -w -t "$table" -C "$chain" "$@" 2>/dev/null ||
		"$iptables" -w -t "$table" "$how" "$chain" "$@"
}

make_bridge() {
	# Named last: a bridge of the desired name is never one that does not say whose it is.
	fresh=vkd$(echo "$lock" | cksum | cut -d " " -f 1)
	ip link delete "$fresh" 2>/dev/null || true
	ip link add "$fresh" type bridge
	ip link set "$fresh" alias "vikunja-deploy:$lock"
	ip link set "$fresh" name "$bridge"
}

network_up() {
	lock=$1 mode=$2 bridge=$3 gateway=$4 subnet=$5
	if [ "$mode" = foreign ]; then
		[ -d "/sys/class/net/$bridge" ] || fail "the bridge $bridge does not exist"
		return
	fi
	exec 9>"$lock"
	flock 9
	[ -d "/sys/class/net/$bridge" ] || {
		# On two interfaces with one network, answers to the containers of one go to the other's.
		other=$(ip -4 -o route show "$subnet" | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1)
		[ -z "$other" ] || fail "the network $subnet is reached through $other already"
		make_bridge
	}
	[ "$(cat "/sys/class/net/$bridge/ifalias")" = "vikunja-deploy:$lock" ] ||
		fail "the bridge $bridge was made here and now belongs to somebody else"
	case " $(ip -o -4 address show dev "$bridge") " in
	*" $gateway "*) ;;
	*) ip address add "$gateway" dev "$bridge" ;;
	esac
	ip link set "$bridge" up
	[ "$(cat /proc/sys/net/ipv4/ip_forward)" = 1 ] || echo 1 >/proc/sys/net/ipv4/ip_forward
	find_iptables
	mark="vikunja-deploy:$bridge"
	rule nat -A POSTROUTING -s "$subnet" ! -d "$subnet" -m comment --comment "$mark" -j MASQUERADE
	rule filter -I FORWARD -i "$bridge" -m comment --comment "$mark" -j ACCEPT
	rule filter -I FORWARD -o "$bridge" -m comment --comment "$mark" -j ACCEPT
	exec 9>&-
}

network_down() {
	bridge=$1
	find_iptables
	for chain in "nat POSTROUTING" "filter FORWARD"; do
		table=${chain% *} chain=${chain#* }
		"$iptables" -w -t "$table" -S "$chain" | tr -d '"' | while read -r verb line; do
			case "$verb $line " in
			"-A "*" --comment vikunja-deploy:$bridge "*)
				# shellcheck disable=SC2086 # the words of a rule of our own: none of them holds a space
				"$iptables" -w -t "$table" -D $line
				;;
			esac
		done
	done
	if [ -d "/sys/class/net/$bridge" ]; then
		ip link delete "$bridge"
	fi
}

mount_root() {
	folder=$1 lower=$2
	mountpoint -q "$folder/rootfs" && return
	[ -d "$lower" ] || fail "the root file system $lower is gone"
	mount -t overlay vikunja-deploy \
		-o "lowerdir=$lower,upperdir=$folder/upper,workdir=$folder/work" "$folder/rootfs"
}

# process PID: the id and the start time (clock ticks since boot), which together name one process
# for good. Sets $parent.
process() {
	pid=$1
	stat=$(cat "/proc/$pid/stat")
	# shellcheck disable=SC2086 # the words after the program's name; none of them holds a space
	set -- ${stat##*) }
	parent=$2
	shift 19
	printf '%s %s\n' "$pid" "$1"
}

# Two lines: the container's first process, and LXC's monitor of it.
record_init() {
	folder=$1
	process "$LXC_PID" >"$folder/init.new"
	process "$parent" >>"$folder/init.new"
	mv "$folder/init.new" "$folder/init"
}

unmount_root() {
	folder=$1
	if mountpoint -q "$folder/rootfs"; then
		umount "$folder/rootfs"
	fi
	# Last: while the monitor is on record, a new start waits for it.
	rm -f "$folder/init"
}

action=$1
shift
case $action in
pre-start)
	mount_root "$1" "$2"
	shift 2
	network_up "$@"
	;;
start-host) record_init "$@" ;;
post-stop) unmount_root "$@" ;;
network-up) network_up "$@" ;;
network-down) network_down "$@" ;;
*) fail "unknown action $action" ;;
esac
