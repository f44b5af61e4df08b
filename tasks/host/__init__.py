"""This machine: who runs the tool, and where programs are looked for."""
