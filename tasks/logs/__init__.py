"""The logs of an instance: which there are, how they are read, how they are put together."""
