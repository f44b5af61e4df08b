"""Instances of a made-up configuration, for commands that are shown made-up facts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks.config.make import make_instance
from tasks.config.schema import with_defaults
from tasks.model.instance import DriverName, Instance

SECTIONS: dict[DriverName, dict[str, Any]] = {
    "lxc": {},
    "proxmox": {"lxc": None, "proxmox": {"node": "pve"}},
}
"""What a sample of each driver has otherwise."""

SOURCE = Path("/etc/vikunja-deploy/main.yaml")


def sample_instance(**changes: Any) -> Instance:
    """Plain LXC, sqlite, self-signed; each of `changes` replaces a whole section."""
    document: dict[str, Any] = {
        "deployment": {"instance_id": "vikunja-main"},
        "lxc": {"template": "bookworm"},
        "network": {
            "bridge": "vikunja0",
            "ip_address": "10.98.0.10/24",
            "gateway": "10.98.0.1",
            "domain": "vikunja.example.com",
        },
        "database": {"type": "sqlite"},
        "git": {"repository": "https://git.example.com/vikunja.git"},
        "admin": {"email": "admin@example.com"},
        **changes,
    }
    filled = with_defaults({k: v for k, v in document.items() if v is not None}, SOURCE.parent)
    return make_instance(filled, SOURCE)
