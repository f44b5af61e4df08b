"""Consistent copies of databases, by each engine's own tools, in the instance's container."""
