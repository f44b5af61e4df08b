"""What should be, step by step: container, system, units, release, records. Pure."""
