"""The registry of all instances that this host looks after: instances.json.

What an instance's container is known by is noted before the container is there: whenever one is
found, however a command before was killed, it can be told from a copy of it.
"""

from __future__ import annotations

import re
import uuid
from ipaddress import ip_interface
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from tasks.errors import ResourceError
from tasks.host.files import as_record, damaged, exclusive, read_json, write_json
from tasks.model.fields import END, ContainerId, InstanceId, Text, Time
from tasks.model.instance import DHCP, DriverName, is_asked
from tasks.paths import Paths

Signature = tuple[int, int, int, int, int]

IDENTITY = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class Registered(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One instance."""

    instance_id: Annotated[
        InstanceId, Meta(description="Unique identifier, as in the configuration.")
    ]
    driver: Annotated[DriverName, Meta(description="Where its container lives.")]
    node: Annotated[Text | None, Meta(description="Proxmox node; null in plain LXC.")]
    container_id: Annotated[
        ContainerId | None,
        Meta(
            description="Proxmox's number of the container; null in plain LXC and before it is "
            "known."
        ),
    ]
    container_name: Annotated[
        Text,
        Meta(description="The container's name; no other instance of the same driver has it."),
    ]
    ip_address: Annotated[
        str,
        Meta(
            description="Address with prefix length; no other instance has it. Of one that DHCP "
            "gives, the last that was; dhcp before there was any.",
            pattern=f"^([0-9A-Fa-f.:]+/[0-9]{{1,3}}|{DHCP}){END}",
        ),
    ]
    domain: Annotated[Text, Meta(description="Public domain name.")]
    created_at: Annotated[Time, Meta(description="When the instance was first entered.")]
    config: Annotated[Text, Meta(description="Path of its configuration file.")]
    identity: Annotated[
        Annotated[str, Meta(pattern=f"^{IDENTITY}{END}")] | None,
        Meta(
            description="What its container was made with: a UUID, which the container's "
            "configuration has, too. Not there for one that was made before there were any."
        ),
    ] = None
    folder: Annotated[
        int | None,
        Meta(
            description="Inode number of the container's folder in plain LXC: a copy of the folder "
            "has another."
        ),
    ] = None
    ip6_address: Annotated[
        str | None,
        Meta(
            description="Second address, of IPv6, with prefix length; no other instance has "
            "it. Of one that is given by others, the last that was; auto or dhcp before there was "
            "any. Not there for none."
        ),
    ] = None

    @property
    def addresses(self) -> tuple[str, ...]:
        """Those that are known, with prefix length."""
        return tuple(
            one for one in (self.ip_address, self.ip6_address) if one and not is_asked(one)
        )


def new_identity() -> str:
    """Of a container that is about to be made."""
    return str(uuid.uuid4())


def parse_identity(text: str) -> str | None:
    """An identity that somebody may have edited; None where it is none any more."""
    return text if re.fullmatch(IDENTITY, text) else None


def read(paths: Paths) -> tuple[Registered, ...]:
    """All instances, by id. Raises DeployError if the file is damaged."""
    path = paths.registry
    signature = _signature(path)
    known = _READ.get(path)
    if known is not None and known[0] == signature:
        return known[1]
    found = _read(path)
    if signature is not None:
        # What is written from here on has another signature.
        _READ[path] = signature, found
    return found


def _read(path: Path) -> tuple[Registered, ...]:
    hint = f"Move {path} aside: the next apply of each instance enters it again."
    records = read_json(path, hint)
    if records is None:
        return ()
    if not isinstance(records, list):
        raise damaged(path, "a list is expected", hint)
    entries = []
    for number, record in enumerate(records, 1):
        try:
            entry = as_record(record, Registered)
            if wrong := [one for one in entry.addresses if not _is_address(one)]:
                raise ValueError(f"an address cannot be {wrong[0]!r}")
        except ValueError as error:
            raise damaged(path, f"entry {number}: {error}", hint) from error
        entries.append(entry)
    return tuple(entries)


_READ: dict[Path, tuple[Signature, tuple[Registered, ...]]] = {}
"""What was read last: every container of a plan asks for its entry."""


def _signature(path: Path) -> Signature | None:
    """What another file of that name, or another content of it, differs by. None: no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


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


def note_container(
    paths: Paths,
    instance_id: str,
    driver: DriverName,
    *,
    identity: str,
    folder: int | None = None,
    container_id: int | None = None,
    container_name: str | None = None,
) -> None:
    """What the instance's container is known by from now on, in its entry. Nothing where it has
    none of this driver: the first apply enters it. container_id, container_name: None leaves what
    is there."""
    with exclusive(_guard(paths)):
        entries = {known.instance_id: known for known in read(paths)}
        known = entries.get(instance_id)
        if known is None or known.driver != driver:
            return
        entry = replace(
            known,
            identity=identity,
            folder=folder,
            container_id=container_id or known.container_id,
            container_name=container_name or known.container_name,
        )
        if entry != known:
            entries[instance_id] = entry
            _write(paths, entries)


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
    theirs = {ip_interface(text).ip for text in other.addresses}
    taken = (ip for text in entry.addresses if (ip := ip_interface(text).ip) in theirs)
    return next((f"address {address}" for address in taken), "")


def _write(paths: Paths, entries: dict[str, Registered]) -> None:
    write_json(paths.registry, [document(entries[name]) for name in sorted(entries)])


def document(entry: Registered) -> dict[str, object]:
    """As it is written: what is not known of a container has no field."""
    known: dict[str, object] = msgspec.to_builtins(entry)
    return known


def _guard(paths: Paths) -> Path:
    return paths.registry.with_name(f".{paths.registry.name}.guard")


def _is_address(text: str) -> bool:
    try:
        ip_interface(text)
    except ValueError:
        return False
    return True
