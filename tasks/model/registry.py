"""The registry of all instances that this host looks after: instances.json."""

from __future__ import annotations

from dataclasses import asdict, replace
from ipaddress import ip_interface
from pathlib import Path
from typing import Literal

from tasks.errors import ResourceError
from tasks.frozen import dataclass
from tasks.model.files import Check, check_record, damaged, exclusive, read_json, write_json
from tasks.paths import Paths


@dataclass(frozen=True)
class Registered:
    """One instance.

    node and container_id are None in plain LXC; container_id also before Proxmox gave one.
    ip_address: with prefix length. created_at: ISO 8601. config: path of its file.
    """

    instance_id: str
    driver: Literal["proxmox", "lxc"]
    node: str | None
    container_id: int | None
    container_name: str
    ip_address: str
    domain: str
    created_at: str
    config: str


def read(paths: Paths) -> tuple[Registered, ...]:
    """All instances, by id. Raises DeployError if the file is damaged."""
    path = paths.registry
    hint = f"Move {path} aside: the next apply of each instance enters it again."
    records = read_json(path, hint)
    if records is None:
        return ()
    if not isinstance(records, list):
        raise damaged(path, "a list is expected", hint)
    for number, record in enumerate(records, 1):
        if problem := check_record(record, _CHECKS):
            raise damaged(path, f"entry {number}: {problem}", hint)
    return tuple(Registered(**record) for record in records)


def find(paths: Paths, instance_id: str) -> Registered | None:
    """The instance's entry, None where it has none."""
    return next((entry for entry in read(paths) if entry.instance_id == instance_id), None)


def add(paths: Paths, entry: Registered) -> Registered:
    """Enter the instance, or bring its entry up to date; created_at stays that of the first.

    Returns the entry as it stands. Raises ResourceError where its container or its address
    belongs to another instance.
    """
    with exclusive(_guard(paths)):
        entries = {known.instance_id: known for known in read(paths)}
        known = entries.get(entry.instance_id)
        if known is not None:
            entry = replace(entry, created_at=known.created_at)
        refuse_conflicts(entry, tuple(entries.values()))
        if entry != known:
            entries[entry.instance_id] = entry
            _write(paths, entries)
    return entry


def remove(paths: Paths, instance_id: str) -> None:
    """Take the instance out. Gone already is success."""
    with exclusive(_guard(paths)):
        entries = {known.instance_id: known for known in read(paths)}
        if entries.pop(instance_id, None) is not None:
            _write(paths, entries)


def refuse_conflicts(entry: Registered, entries: tuple[Registered, ...]) -> None:
    """Raise ResourceError where another instance of `entries` has what `entry` wants."""
    for other in entries:
        if other.instance_id == entry.instance_id:
            continue
        if taken := _taken(entry, other):
            raise ResourceError(
                f"{taken} belongs to {other.instance_id}",
                where=entry.instance_id,
                hint=f"Choose another in {entry.config}, or see ./doit instances.",
            )


def _taken(entry: Registered, other: Registered) -> str:
    if entry.driver == other.driver:
        if entry.container_id is not None and entry.container_id == other.container_id:
            return f"container {entry.container_id}"
        if entry.container_name == other.container_name:
            return f"container name {entry.container_name}"
    address = ip_interface(entry.ip_address).ip
    if address == ip_interface(other.ip_address).ip:
        return f"address {address}"
    return ""


def _write(paths: Paths, entries: dict[str, Registered]) -> None:
    write_json(paths.registry, [asdict(entries[name]) for name in sorted(entries)])


def _guard(paths: Paths) -> Path:
    return paths.registry.with_name(f".{paths.registry.name}.guard")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_address(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(ip_interface(value))
    except ValueError:
        return False


_CHECKS: dict[str, Check] = {
    "instance_id": _is_text,
    "driver": lambda value: value in ("proxmox", "lxc"),
    "node": lambda value: value is None or _is_text(value),
    "container_id": lambda value: value is None or type(value) is int,
    "container_name": _is_text,
    "ip_address": _is_address,
    "domain": _is_text,
    "created_at": _is_text,
    "config": _is_text,
}
