"""Plain LXC on this machine: see driver.py for what it makes."""
