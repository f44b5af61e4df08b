# The addresses that the container has now, besides those of its own link.

given_addresses() { # without prefix length, one a line, of IPv4 first
	for family in 4 6; do
		# Those of privacy extensions come and go.
		ip "-$family" -o address show dev eth0 scope global -temporary 2>/dev/null
	done | sed 's/^.* inet6* \([^/ ]*\).*$/\1/'
}

given_address() { # the first
	given_addresses | head -n 1
}
