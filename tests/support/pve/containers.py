"""How the stand-in makes, changes, starts, stops, moves and removes containers."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from pve.cluster import Cluster, Failed, Guest, Node, Refused, Task
from pve.ha import forget, manages, request
from pve.rights import refuse_tags, unique_tags

Parameters = dict[str, Any]

WAITS = re.compile(r"features|nameserver|searchdomain|timezone|ostype|rootfs")
"""What a running container takes up at its next start."""

ONLY_AT_CREATION = frozenset(
    {"node", "vmid", "ostemplate", "storage", "pool", "start", "password", "ssh-public-keys"}
)


def _mac() -> str:
    return "BC:24:11:" + ":".join(f"{secrets.randbelow(256):02X}" for _ in range(3))


def stored(name: str, value: str | int) -> str | int:
    """A value as the configuration holds it."""
    if name == "description":
        return f"{value}".rstrip("\n") + "\n"
    if re.fullmatch(r"net\d+", name):
        parts = dict(part.split("=", 1) for part in str(value).split(","))
        parts.setdefault("hwaddr", _mac())
        parts.setdefault("type", "veth")
        first = parts.pop("name")
        return ",".join([f"name={first}", *(f"{key}={parts[key]}" for key in sorted(parts))])
    new = re.fullmatch(r"([^:,]+):(\d+),(.+)", str(value)) if re.fullmatch(r"mp\d+", name) else None
    if new:
        return f"{new[1]}:vm-disk-{name},{new[3]},size={new[2]}G"
    return value


def _volume(cluster: Cluster, node: str, rootfs: str, vmid: int) -> str:
    """`STORAGE:GIB` as the volume that is made for it."""
    name, _, size = rootfs.partition(":")
    storage = cluster.nodes[node].storages.get(name)
    if storage is None:
        raise Refused(500, f"storage '{name}' does not exist")
    if "rootdir" not in storage.content:
        raise Refused(500, f"storage '{name}' does not support container directories")
    return f"{name}:vm-{vmid}-disk-0,size={size}G"


def _create(cluster: Cluster, user: str, values: Parameters) -> str:
    node, vmid = values["node"], values["vmid"]
    if vmid in cluster.guests:
        raise Refused(500, f"CT {vmid} already exists on node '{cluster.guests[vmid].node}'")
    if vmid in cluster.machines:
        raise Refused(500, f"VM {vmid} already exists on node '{cluster.machines[vmid]}'")
    refuse_tags(cluster, user, vmid, "", str(values.get("tags", "")))
    if refusal := mtu_refused(cluster.nodes[node], values):
        raise Refused(500, refusal)
    config: dict[str, str | int] = {"memory": 512, "swap": 512, "arch": "amd64"}
    config |= {name: stored(name, v) for name, v in values.items() if name not in ONLY_AT_CREATION}
    config["rootfs"] = _volume(cluster, node, str(values.get("rootfs", "local:4")), vmid)
    config["lock"] = "create"
    cluster.guests[vmid] = Guest(vmid, node, config, pool=values.get("pool"))

    def finish(task: Task) -> None:
        if values["ostemplate"] not in cluster.nodes[node].templates:
            del cluster.guests[vmid]
            raise Failed(
                f"unable to create CT {vmid} - volume '{values['ostemplate']}' does not exist"
            )
        storage = cluster.nodes[node].storages[str(config["rootfs"]).partition(":")[0]]
        # The new one's disk is among those that are counted.
        if cluster.used(node, storage.name) > storage.total:
            del cluster.guests[vmid]
            raise Failed(f"unable to create CT {vmid} - no space left on device")
        task.log.append(f"extracting archive '{values['ostemplate']}'")
        cluster.backend.create(cluster.guests[vmid])
        del config["lock"]

    return cluster.begin(node, "vzcreate", vmid, user, finish, ["Formatting the disk"])


def unlocked(cluster: Cluster, values: Parameters) -> Guest:
    guest = cluster.guest(values["node"], values["vmid"])
    if "lock" in guest.config:
        raise Refused(500, f"CT is locked ({guest.config['lock']})")
    return guest


def _config(cluster: Cluster, _: str, values: Parameters) -> Any:
    guest = cluster.guest(values["node"], values["vmid"])
    if values.get("current"):
        return {**guest.config, "digest": guest.digest}
    return {**guest.config, **guest.pending, "digest": guest.digest}


def _pending(cluster: Cluster, _: str, values: Parameters) -> Any:
    guest = cluster.guest(values["node"], values["vmid"])
    rows = []
    for key in sorted({*guest.config, *guest.pending}):
        row: Parameters = {"key": key}
        if key in guest.config:
            row["value"] = guest.config[key]
        if key in guest.pending:
            row["pending"] = guest.pending[key]
        rows.append(row)
    return [*rows, {"key": "digest", "value": guest.digest}]


def _interfaces(cluster: Cluster, _: str, values: Parameters) -> Any:
    guest = cluster.guest(values["node"], values["vmid"])
    # Of one that does not run it answers with nothing at all.
    return cluster.backend.interfaces(guest) if guest.running else None


def _change(cluster: Cluster, user: str, values: Parameters) -> None:
    guest = unlocked(cluster, values)
    if values.get("digest", guest.digest) != guest.digest:
        raise Refused(
            500, "detected modified configuration - file changed by other user? Try again."
        )
    if "tags" in values:
        values = {**values, "tags": unique_tags(cluster, str(values["tags"]))}
        before = str(guest.config.get("tags", ""))
        refuse_tags(cluster, user, guest.vmid, before, str(values["tags"]))
    if refusal := mtu_refused(cluster.nodes[guest.node], values):
        raise Refused(500, refusal)
    deleted = [name for name in str(values.get("delete", "")).split(",") if name]
    for verb, names in (("delete", deleted), ("modify", values)):
        if "unprivileged" in names:
            raise Refused(500, f"unable to {verb} read-only option: 'unprivileged'")
    for name in deleted:
        guest.config.pop(name, None)
    for name, value in values.items():
        if name in ("node", "vmid", "digest", "delete", "revert"):
            continue
        waits = guest.running and WAITS.fullmatch(name)
        (guest.pending if waits else guest.config)[name] = stored(name, value)
    if guest.running or "net0" in values:
        # Plain LXC keeps two containers from having one address, whether or not they run.
        cluster.backend.change(guest)


def mtu_refused(node: Node, config: Parameters) -> str:
    """Why no container of a configuration can be on its bridge; empty where it can. Said of a
    creation and a change at once, and of a start in its task."""
    mtu = re.search(r"mtu=(\d+)", str(config.get("net0", "")))
    if not mtu or int(mtu[1]) <= node.mtu:
        return ""
    return f"net0: MTU size '{mtu[1]}' is bigger than bridge MTU '{node.mtu}'"


def _resize(cluster: Cluster, user: str, values: Parameters) -> str:
    guest = unlocked(cluster, values)
    disk = values["disk"]
    old = str(guest.config[disk])
    size = int(old.rpartition("=")[2][:-1])
    text = values["size"]
    wanted = size + int(text[1:-1]) if text.startswith("+") else int(text[:-1])
    if wanted < size:
        raise Refused(500, "unable to shrink disk size")

    def grow(task: Task) -> None:
        guest.config[disk] = f"{old.rpartition('=')[0]}={wanted}G"
        if guest.vmid in cluster.stuck:
            task.log.append(
                "Failed to update the container's filesystem: command 'resize2fs' failed"
            )

    return cluster.begin(guest.node, "resize", guest.vmid, user, grow)


def _start(cluster: Cluster, user: str, values: Parameters) -> str:
    guest = unlocked(cluster, values)
    if guest.running:
        raise Refused(500, f"CT {guest.vmid} already running")
    if manages(cluster, guest.vmid):
        return request(cluster, user, guest, "hastart", "start")
    return begin_start(cluster, user, guest)


def begin_start(cluster: Cluster, user: str, guest: Guest) -> str:
    def finish(task: Task) -> None:
        if guest.config.get("template"):
            raise Failed("you can't start a CT if it's a template")
        bridge = re.search(r"bridge=([^,]+)", str(guest.config.get("net0", "")))
        if bridge and bridge.group(1) not in cluster.nodes[guest.node].bridges:
            task.log.append(f"bridge '{bridge.group(1)}' does not exist")
            raise Failed(f"startup for container '{guest.vmid}' failed")
        if refusal := mtu_refused(cluster.nodes[guest.node], guest.config):
            raise Failed(refusal)
        guest.config |= guest.pending
        guest.pending.clear()
        cluster.backend.start(guest)
        guest.running = True

    return cluster.begin(guest.node, "vzstart", guest.vmid, user, finish)


def _halt(kind: str) -> Callable[[Cluster, str, Parameters], str]:
    def handler(cluster: Cluster, user: str, values: Parameters) -> str:
        guest = unlocked(cluster, values)
        if not guest.running:
            raise Refused(500, f"CT {guest.vmid} not running")
        if kind != "vzreboot" and manages(cluster, guest.vmid):
            seconds = values.get("timeout", 60) if kind == "vzshutdown" else 0
            return request(cluster, user, guest, "hastop", "stop", str(seconds))
        return begin_halt(cluster, user, guest, kind)

    return handler


def begin_halt(cluster: Cluster, user: str, guest: Guest, kind: str) -> str:
    def finish(task: Task) -> None:
        cluster.backend.stop(guest)
        guest.config |= guest.pending
        guest.pending.clear()
        guest.running = kind == "vzreboot"
        if guest.running:
            cluster.backend.start(guest)

    return cluster.begin(guest.node, kind, guest.vmid, user, finish)


def _migrate(cluster: Cluster, user: str, values: Parameters) -> str:
    guest = unlocked(cluster, values)
    if values["target"] not in cluster.nodes:
        raise Refused(500, f"no such cluster node '{values['target']}'")
    if guest.running and not values.get("restart"):
        raise Refused(500, "migration of a running container needs restart mode")

    if not cluster.nodes[values["target"]].online:
        raise Refused(500, f"no route to host '{values['target']}'")
    if manages(cluster, guest.vmid):
        return request(cluster, user, guest, "hamigrate", "migrate", values["target"])
    return begin_migration(cluster, user, guest, values["target"])


def begin_migration(cluster: Cluster, user: str, guest: Guest, target: str) -> str:
    def finish(task: Task) -> None:
        if guest.running:
            cluster.backend.stop(guest)
        guest.node = target
        if guest.running:
            cluster.backend.start(guest)

    return cluster.begin(guest.node, "vzmigrate", guest.vmid, user, finish)


def _move_volume(cluster: Cluster, user: str, values: Parameters) -> str:
    guest = unlocked(cluster, values)
    if guest.running:
        raise Refused(500, "cannot move volumes of a running container")
    if guest.snapshots and values.get("delete"):
        raise Refused(500, "you can't move a volume with snapshots and delete the source")
    size = str(guest.config["rootfs"]).rpartition("=")[2][:-1]
    volume = _volume(cluster, guest.node, f"{values['storage']}:{size}", guest.vmid)

    def finish(task: Task) -> None:
        del guest.config["lock"]
        if values["storage"] in cluster.full:
            raise Failed("move_volume: No space left on device")
        guest.config["rootfs"] = volume

    upid = cluster.begin(guest.node, "move_volume", guest.vmid, user, finish)
    guest.config["lock"] = "disk"
    return upid


def _destroy(cluster: Cluster, user: str, values: Parameters) -> str:
    guest = unlocked(cluster, values)
    if guest.config.get("protection"):
        raise Refused(500, f"can't remove CT {guest.vmid} - protection mode enabled")
    if guest.running and not values.get("force"):
        raise Refused(500, f"unable to destroy CT {guest.vmid} - container is running")

    def finish(task: Task) -> None:
        base = f"base-{guest.vmid}-disk"
        others = (one for one in cluster.guests.values() if one is not guest)
        if any(base in str(one.config.get("rootfs")) for one in others):
            raise Failed(f"base volume '{base}-0' is still in use by linked cloned")
        cluster.backend.destroy(guest)
        del cluster.guests[guest.vmid]
        if values.get("purge"):
            forget(cluster, f"ct:{guest.vmid}")
            jobs = [name for name in cluster.replication if name.startswith(f"{guest.vmid}-")]
            for name in jobs:
                del cluster.replication[name]

    return cluster.begin(guest.node, "vzdestroy", guest.vmid, user, finish)


HANDLERS: Mapping[str, Callable[[Cluster, str, Parameters], Any]] = {
    "POST /nodes/{node}/lxc": _create,
    "DELETE /nodes/{node}/lxc/{vmid}": _destroy,
    "GET /nodes/{node}/lxc/{vmid}/config": _config,
    "PUT /nodes/{node}/lxc/{vmid}/config": _change,
    "POST /nodes/{node}/lxc/{vmid}/migrate": _migrate,
    "POST /nodes/{node}/lxc/{vmid}/move_volume": _move_volume,
    "GET /nodes/{node}/lxc/{vmid}/interfaces": _interfaces,
    "GET /nodes/{node}/lxc/{vmid}/pending": _pending,
    "PUT /nodes/{node}/lxc/{vmid}/resize": _resize,
    "POST /nodes/{node}/lxc/{vmid}/status/reboot": _halt("vzreboot"),
    "POST /nodes/{node}/lxc/{vmid}/status/shutdown": _halt("vzshutdown"),
    "POST /nodes/{node}/lxc/{vmid}/status/start": _start,
    "POST /nodes/{node}/lxc/{vmid}/status/stop": _halt("vzstop"),
}
