"""Everything that runs inside a container: the shell scripts, and what runs them."""
