"""A connection that has what it needs, and desired that go together; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tasks.config.finding import Finding, value_at

_HTTPS_ONLY = ("token_file", "fingerprint", "ca_file")
_NEEDED = {"https": ("host", "token_file"), "openssh": ("host",)}
_WHY = {
    "host": "Name a node of the cluster.",
    "token_file": "Write USER@REALM!NAME=VALUE into a file (mode 0600) and name that file.",
}


def proxmox(document: Mapping[str, Any]) -> Iterator[Finding]:
    desired = value_at(document, "proxmox")
    if isinstance(desired, Mapping):
        yield from _connection(desired)
        yield from _mounts(desired)
        yield from _replication(desired)
        yield from _ha(desired)


def _connection(desired: Mapping[str, Any]) -> Iterator[Finding]:
    connection = desired.get("connection") or {}
    kind = connection.get("type")
    if kind is None:
        return
    for name in _NEEDED.get(kind, ()):
        if name in connection and connection[name] is None:
            yield Finding(
                ("proxmox", "connection", name), f"is missing, {kind} needs it", _WHY[name]
            )
    unwanted = _HTTPS_ONLY if kind == "openssh" else ("host", *_HTTPS_ONLY)
    for name in unwanted if kind != "https" else ():
        if connection.get(name) is not None:
            yield Finding(
                ("proxmox", "connection", name),
                f"does not go with type {kind}",
                "Remove the line, or choose https.",
            )
    if connection.get("fingerprint") and connection.get("ca_file"):
        yield Finding(
            ("proxmox", "connection", "ca_file"),
            "is given beside fingerprint",
            "A pinned certificate needs no authority: keep one of the two.",
        )


def _mounts(desired: Mapping[str, Any]) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for index, mount in enumerate(desired.get("mounts") or ()):
        path = mount.get("path") if isinstance(mount, Mapping) else None
        if path is None:
            continue
        if path in seen:
            yield Finding(("proxmox", "mounts", index, "path"), f"{path} is mounted twice")
        seen[path] = index


def _replication(desired: Mapping[str, Any]) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, job in enumerate(desired.get("replication") or ()):
        target = job.get("target") if isinstance(job, Mapping) else None
        if target is None:
            continue
        key = ("proxmox", "replication", index, "target")
        if target == desired.get("node"):
            yield Finding(key, f"{target} is the container's own node")
        elif target in seen:
            yield Finding(key, f"{target} is given twice")
        seen.add(target)


def _ha(desired: Mapping[str, Any]) -> Iterator[Finding]:
    ha = desired.get("ha") or {}
    nodes = ha.get("nodes") or ()
    if nodes and "group" in ha and ha["group"] is None:
        yield Finding(
            ("proxmox", "ha", "nodes"),
            "is only for a group or rule that has a name",
            "Say in proxmox.ha.group what it is called.",
        )
    seen: set[str] = set()
    for index, node in enumerate(nodes):
        name = str(node).partition(":")[0]
        if name in seen:
            yield Finding(("proxmox", "ha", "nodes", index), f"{name} is given twice")
        seen.add(name)
