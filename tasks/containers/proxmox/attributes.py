"""What a plan compares of a container on Proxmox VE beyond a ContainerSpec's fields. Pure.

Names are those of the configuration below `proxmox`; values are JSON-ready.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tasks.containers.base import RECORDED
from tasks.containers.proxmox.affinity import Affinities, canonical
from tasks.containers.proxmox.desired import DesiredProxmox, Ha, Replication
from tasks.containers.proxmox.parameters import (
    DEFAULTS,
    MOUNTS,
    Config,
    attributes_of,
    is_unprivileged,
    nests,
    storage_of,
)
from tasks.containers.proxmox.properties import (
    parse_gib,
    parse_properties,
    parse_tags,
    parse_whole,
)
from tasks.containers.proxmox.tags import TagRules

Properties = Mapping[str, str]

TEXTS = {"search_domain": "searchdomain", "timezone": "timezone", "startup": "startup"}
FLAGS = ("onboot", "protection")


def size_name(path: str) -> str:
    """Name of the attribute that is the size of a mount point, GiB."""
    return f"mounts[{path}].size_gb"


def more_of(desired: DesiredProxmox) -> dict[str, object]:
    """By name. What nothing is desired about is left out, and what only a new container takes."""
    found: dict[str, object] = {
        "swap_mb": desired.swap_mb,
        "vlan": desired.vlan,
        "mtu": desired.mtu,
        "firewall": desired.firewall,
        "search_domain": desired.search_domain,
        "timezone": desired.timezone,
        "startup": desired.startup,
        "onboot": desired.onboot,
        "protection": desired.protection,
        "tags": sorted(desired.tags),
        "nesting": True,
        "unprivileged": True,
        "link": "up",
        **{size_name(mount.path): mount.size_gb for mount in desired.mounts},
        "ha": ha_text(desired.ha),
        "replication": replication_texts(desired.replication),
        "identity": RECORDED,
    }
    # Where the HA manager puts it, there it belongs.
    if desired.ha is None:
        found["node"] = desired.node
    if desired.storage is not None:
        found["storage"] = desired.storage
    return found


def observed(
    desired: DesiredProxmox,
    config: Config,
    node: str,
    vmid: int,
    ha: Ha | None,
    jobs: Iterable[Replication],
) -> dict[str, object]:
    """The same names as found, with the fields of ContainerSpec and `container_id`."""
    current = {name: value for name, value in config.current.items() if value is not None}
    return {
        **attributes_of(current),
        **_settings(desired, current, config.tag_rules),
        "node": node,
        "container_id": vmid,
        "ha": ha_text(ha),
        "replication": replication_texts(jobs),
    }


def pending(desired: DesiredProxmox, config: Config) -> dict[str, object]:
    """What attributes become at the next start, of those that differ then."""
    if not config.pending:
        return {}
    rules = config.tag_rules
    now = {**attributes_of(config.current), **_settings(desired, config.current, rules)}
    then = {**attributes_of(config.coming), **_settings(desired, config.coming, rules)}
    return {name: value for name, value in then.items() if now.get(name) != value}


def _settings(
    desired: DesiredProxmox, config: Mapping[str, str], rules: TagRules
) -> dict[str, object]:
    interface = parse_properties(config.get("net0", ""))
    tags = rules.keys(parse_tags(config.get("tags", "")))
    found: dict[str, object] = {
        "swap_mb": parse_whole(config.get("swap", DEFAULTS["swap"])),
        "vlan": parse_whole(interface.get("tag")),
        "mtu": parse_whole(interface.get("mtu")),
        "firewall": interface.get("firewall") == "1",
        "nesting": nests(config),
        "unprivileged": is_unprivileged(config),
        "link": "down" if interface.get("link_down") == "1" else "up",
        "tags": sorted(tag for tag in desired.tags if rules.key(tag) in tags),
        "storage": storage_of(config),
        **{name: config.get(key) for name, key in TEXTS.items()},
        **{name: config.get(name, DEFAULTS[name]) == "1" for name in FLAGS},
    }
    sizes = _sizes(config)
    return found | {size_name(mount.path): sizes.get(mount.path) for mount in desired.mounts}


def _sizes(config: Mapping[str, str]) -> dict[str, int | float | None]:
    """Path of a mount point → its size, GiB."""
    volumes = (parse_properties(config[name], "volume") for name in MOUNTS if name in config)
    return {v["mp"]: parse_gib(v.get("size", "")) for v in volumes if "mp" in v}


def ha_text(ha: Ha | None) -> str | None:
    """`started, 1 restart, group web on pve:2, pve2`"""
    if ha is None:
        return None
    nodes = f" on {', '.join(canonical(ha.nodes))}" if ha.nodes else ""
    group = f", group {ha.group}{nodes}" if ha.group else ""
    return f"{ha.state}, {ha.max_restart} restart{'s' * (ha.max_restart != 1)}{group}"


def replication_texts(jobs: Iterable[Replication]) -> list[str]:
    """`pve2 at */15`, one a job."""
    return sorted(f"{job.target} at {job.schedule}" for job in jobs)


def ha_of(
    sections: Mapping[tuple[str, str], Properties],
    affinities: Affinities,
    vmid: int,
    desired: Ha | None,
) -> Ha | None:
    """How the HA manager has a container, of ha/resources.cfg, in the words of the configuration.

    Its group is that of Proxmox VE 8, or the rule of 9 that names it; of nodes it is said only
    where some are desired, and then as desired where they are the same.
    """
    found = sections.get(("ct", str(vmid)))
    if found is None:
        return None
    state: str = found.get("state", "started")
    # The older name of the same state.
    state = "started" if state == "enabled" else state
    group = found.get("group") or affinities.group_of(
        f"ct:{vmid}", desired.group if desired else None
    )
    nodes: tuple[str, ...] = ()
    if desired and desired.nodes:
        nodes = affinities.nodes_of(group)
        nodes = desired.nodes if nodes == canonical(desired.nodes) else nodes
    restarts = parse_whole(found.get("max_restart", "1"))
    return Ha(group, state, 1 if restarts is None else restarts, nodes)  # type: ignore[arg-type]


def jobs_of(sections: Mapping[tuple[str, str], Properties], vmid: int) -> dict[str, Replication]:
    """Id of a replication job of a container → the job, of replication.cfg."""
    return {
        name: Replication(properties.get("target", ""), properties.get("schedule", "*/15"))
        for (_, name), properties in sections.items()
        if name.partition("-")[0] == str(vmid)
    }
