"""What an API token needs to be allowed, for a configuration. Pure.

As Proxmox VE's own description says for the calls, and pve-container checks for the parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from tasks.containers.proxmox.section import Proxmox

CONTAINER = (
    "VM.Allocate",
    "VM.Audit",
    "VM.Config.CPU",
    "VM.Config.Disk",
    "VM.Config.Memory",
    "VM.Config.Network",
    "VM.Config.Options",
    "VM.Migrate",
    "VM.PowerMgmt",
)
TOKEN = "USER@REALM!TOKEN"


class Need(Struct, frozen=True):
    """Privileges on a path of Proxmox VE's access control. role: a name for them."""

    role: str
    path: str
    privileges: tuple[str, ...]


def needs(desired: Proxmox, bridge: str) -> tuple[Need, ...]:
    """Everything that plan, apply and check call, and nothing more."""
    found = [Need("VikunjaDeployContainer", _containers(desired), CONTAINER)]
    storages = sorted({desired.storage or "", *(mount.storage for mount in desired.mounts)})
    paths = ["/storage"] if "" in storages else [f"/storage/{name}" for name in storages]
    found += [
        Need("VikunjaDeployDisk", path, ("Datastore.AllocateSpace", "Datastore.Audit"))
        for path in paths
    ]
    named = desired.template or ""
    template = named.partition(":")[0] if ":" in named else ""
    path = f"/storage/{template}" if template else "/storage"
    if path not in paths:
        found.append(Need("VikunjaDeployTemplate", path, ("Datastore.Audit",)))
    if desired.download and not template:
        found.append(Need("VikunjaDeployDownload", path, ("Datastore.AllocateTemplate",)))
    vlan = f"/{desired.vlan}" if desired.vlan is not None else ""
    zone = f"/sdn/zones/localnetwork/{bridge}{vlan}"
    found.append(Need("VikunjaDeployNetwork", zone, ("SDN.Use",)))
    if desired.pool:
        found.append(Need("VikunjaDeployPool", f"/pool/{desired.pool}", ("Pool.Audit",)))
    if desired.ha is not None:
        found.append(Need("VikunjaDeployHa", "/", ("Sys.Audit", "Sys.Console")))
    if desired.replication:
        found.append(Need("VikunjaDeployReplication", "/storage", ("Datastore.Allocate",)))
    return tuple(found)


def needs_to_remove(vmid: int, *, managed: bool) -> tuple[Need, ...]:
    """Of a container that is there. managed: the HA manager has it."""
    found = [Need("", f"/vms/{vmid}", ("VM.Allocate", "VM.Config.Options", "VM.PowerMgmt"))]
    return (*found, Need("", "/", ("Sys.Console",))) if managed else tuple(found)


def _containers(desired: Proxmox) -> str:
    if desired.pool:
        return f"/pool/{desired.pool}"
    return "/vms" if desired.container_id is None else f"/vms/{desired.container_id}"


def missing(wanted: Iterable[Need], granted: Mapping[str, Mapping[str, int]]) -> list[Need]:
    """What of it is not granted. granted: of `GET /access/permissions`: path → privilege → whether
    it holds below the path, too. What is said of a path counts before what is said above it."""
    found = []
    for need in wanted:
        said = _said_of(need.path, granted)
        lacking = tuple(name for name in need.privileges if name not in said)
        if lacking:
            found.append(Need(need.role, need.path, lacking))
    return found


def _said_of(path: str, granted: Mapping[str, Mapping[str, int]]) -> set[str]:
    if path in granted:
        return set(granted[path])
    above = path
    while above != "/":
        above = above.rpartition("/")[0] or "/"
        if above in granted:
            return {name for name, below in granted[above].items() if below}
    return set()


def commands(wanted: Iterable[Need], token: str = TOKEN) -> list[str]:
    """Command lines for a node that grant it: one role a kind of path, then who has it where. They
    can be run again: a role that is there, another instance's too, gets what it lacks.

    Both the token and its user: what a token may is what both may, unless it was made without
    separation.
    """
    user = token.partition("!")[0]
    roles: dict[str, set[str]] = {}
    paths: dict[tuple[str, str], None] = {}
    for need in wanted:
        roles.setdefault(need.role, set()).update(need.privileges)
        paths[need.path, need.role] = None
    lines = []
    for role, names in roles.items():
        privileges = f"--privs '{','.join(sorted(names))}'"
        lines.append(
            f"pveum role add {role} {privileges} 2>/dev/null || "
            f"pveum role modify {role} --append 1 {privileges}"
        )
    return lines + [
        f"pveum acl modify {path} --users '{user}' --tokens '{token}' --roles {role}"
        for path, role in paths
    ]
