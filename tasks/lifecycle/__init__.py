"""Starting, stopping and restarting what serves, and removing an instance.

`services` does the first three with one script each in the container, behind the guard that lets
only one change things at a time; `removal` the last.
"""
