"""What a user types: parse, ask, print; one module a command."""
