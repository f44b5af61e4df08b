"""One verb, one story: rollback, restore, drill, start and stop, uninstall, adoption."""
