"""The records of the data model, and the layout of paths in a container."""
