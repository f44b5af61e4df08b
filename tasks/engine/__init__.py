"""doit underneath: the steps as its tasks, its database, its reporter."""
