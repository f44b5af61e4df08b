"""What a configuration says of Proxmox VE: its section `proxmox`, with what is in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct

from tasks.model.instance import OLDEST_SUITE

SUITES = {"12": "bookworm", "13": "trixie"}
DEFAULT_TEMPLATE = "debian-13-standard"


class Connection(Struct, frozen=True):
    """How Proxmox VE's API is reached. Files are absolute paths of this machine."""

    type: Literal["local", "https", "openssh"]
    host: str | None
    port: int
    token_file: Path | None
    fingerprint: str | None
    ca_file: Path | None


class Ssh(Struct, frozen=True):
    """How nodes are reached by ssh. hosts: node → name or address, where the cluster's will not
    do."""

    user: str
    port: int
    hosts: Mapping[str, str]


class Mount(Struct, frozen=True):
    """A further volume of the container's own. path: absolute, in the container."""

    path: str
    storage: str
    size_gb: int
    backup: bool = True


class Ha(Struct, frozen=True):
    """group: of Proxmox VE 8, or the name of a rule of 9. nodes: `pve` or `pve:2`, that it is made
    with and kept at; none where others see to it."""

    group: str | None
    state: Literal["started", "stopped", "ignored", "disabled"]
    max_restart: int
    nodes: tuple[str, ...] = ()


class Replication(Struct, frozen=True):
    """schedule: a calendar event of Proxmox VE."""

    target: str
    schedule: str


class Proxmox(Struct, frozen=True):
    """See tasks.model.instance.Placement. container_id None: the cluster's next free one, then
    kept. storage None: a sensible one.

    startup: as Proxmox VE writes it. pool, ssh_keys: of a new container only.
    """

    node: str
    container_id: int | None
    template: str | None
    connection: Connection
    ssh: Ssh
    download: bool
    storage: str | None
    swap_mb: int
    vlan: int | None
    mtu: int | None
    firewall: bool
    search_domain: str | None
    timezone: str | None
    onboot: bool
    startup: str | None
    protection: bool
    tags: tuple[str, ...]
    pool: str | None
    ssh_keys: tuple[str, ...]
    mounts: tuple[Mount, ...]
    ha: Ha | None
    replication: tuple[Replication, ...]
    lock_wait_seconds: int

    @property
    def default_template(self) -> str:
        return DEFAULT_TEMPLATE

    def container_name(self, instance_id: str) -> str:
        return instance_id

    def suite(self, template: str) -> str:
        """As far as the template's name tells; where it does not, the oldest that is supported:
        what is built for that runs on the others, too."""
        found = re.search(r"debian-(\d+)", template)
        return SUITES.get(found[1] if found else "", OLDEST_SUITE)
