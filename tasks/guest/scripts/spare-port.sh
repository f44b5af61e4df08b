# A port that a service can listen on now.

spare_port() {
	# Prints it. No connection has it either, not even one that is over: each keeps its port from
	# listeners for a minute. Below 32768, where the kernel takes ports for outgoing connections.
	_spare_port=19000
	while grep -qi "^ *[0-9]*: [0-9A-F]*:$(printf %04X "$_spare_port") " /proc/net/tcp /proc/net/tcp6; do
		_spare_port=$((_spare_port + 1))
	done
	printf '%s\n' "$_spare_port"
}
