"""Backups: a tar stream in, a finished archive out; checked; unpacked again."""
