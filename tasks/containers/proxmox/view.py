"""What a node of Proxmox VE knows of its cluster: everything about all containers in one look.

The cluster file system (/etc/pve) is the same on every node, also about nodes that are down and
where there is no quorum. Reading it costs a thousandth of what starting pvesh does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tasks.containers.proxmox.affinity import Affinities, parse_affinities
from tasks.containers.proxmox.answers import GuestList, Members, Node, understood
from tasks.containers.proxmox.conf import parse_conf, parse_sections
from tasks.containers.proxmox.guests import Guest
from tasks.containers.proxmox.parameters import Config, parse_net
from tasks.containers.proxmox.properties import (
    TAG,
    identity_in_notes,
    instance_in_notes,
    parse_tags,
    proven_instance,
)
from tasks.containers.proxmox.tags import NO_RULES, TagRules, parse_rules
from tasks.errors import DeployError

NO_NODE = 3
"""Exit code of look.sh where the machine is no node."""

T = TypeVar("T")

CONF = re.compile(r"nodes/(?P<node>[^/]+)/lxc/(?P<id>\d+)\.conf")


@cache
def look_text() -> str:
    return Path(__file__).with_name("look.sh").read_text()


class Member(Struct, frozen=True):
    """A node. address: as the cluster reaches it, empty where it is on its own."""

    name: str
    online: bool
    address: str


class Seen(Struct, frozen=True):
    """What a node tells of itself. running: containers that run on it. restart_pending: it waits
    for one, as its packages say or a kernel that does not run yet."""

    running: frozenset[int]
    restart_pending: bool


class View(Struct, frozen=True, dict=True):
    """node: that was asked, which was seen so. quorate: it may change things.

    confs: text of a container's configuration by id. others: ids of what is no container, with
    the node.
    """

    node: str
    quorate: bool
    members: Mapping[str, Member]
    seen: Seen
    nodes_by_id: Mapping[int, str]
    others: Mapping[int, str]
    confs: Mapping[int, str]
    ha: Mapping[tuple[str, str], Mapping[str, str]] = msgspec.field(default_factory=dict)
    affinities: Affinities = msgspec.field(default_factory=Affinities)
    replication: Mapping[tuple[str, str], Mapping[str, str]] = msgspec.field(default_factory=dict)
    tag_rules: TagRules = NO_RULES

    @cached_property
    def guests(self) -> tuple[Guest, ...]:
        """All of the cluster. Tags are read of containers that may be the tool's only."""
        lxc = (_guest(vmid, self.nodes_by_id[vmid], text) for vmid, text in self.confs.items())
        qemu = (Guest(vmid, node, "qemu", ()) for vmid, node in self.others.items())
        return (*lxc, *qemu)

    def config(self, vmid: int) -> Config:
        return replace(parse_conf(self.confs[vmid]), tag_rules=self.tag_rules)

    @property
    def tags(self) -> set[str]:
        """All that containers of the cluster have."""
        configs = (parse_conf(text).current for text in self.confs.values())
        return {tag for config in configs for tag in parse_tags(config.get("tags", ""))}

    def clones(self, vmid: int) -> tuple[int, ...]:
        """The containers whose disks are linked clones of a container's."""
        base = f"base-{vmid}-disk-"
        return tuple(other for other, text in self.confs.items() if other != vmid and base in text)

    def holder(self, address: str, own: int | None) -> int | None:
        """The container, another than `own`, that has or will have an address (no prefix)."""
        for vmid, text in self.confs.items():
            if vmid != own and address in text:
                nets = parse_net(self.config(vmid).coming)
                if address in nets:
                    return vmid
        return None


def _guest(vmid: int, node: str, text: str) -> Guest:
    if TAG not in text:
        return Guest(vmid, node, "lxc", ())
    config = parse_conf(text).current
    tags = parse_tags(config.get("tags", ""))
    notes = config.get("description", "")
    owner = proven_instance(notes, tags)
    named, identity = instance_in_notes(notes), identity_in_notes(notes)
    return Guest(vmid, node, "lxc", tags, owner, named, identity)


def parse_view(output: str, where: str) -> View:
    """The view that look.sh printed, asked for all."""
    files = _files(output)
    members = _read(files, ".members", Members, where)
    listed = _read(files, ".vmlist", GuestList, where).ids if ".vmlist" in files else {}
    nodes_by_id: dict[int, str] = {}
    confs: dict[int, str] = {}
    for path, text in files.items():
        match = CONF.fullmatch(path)
        if match:
            nodes_by_id[int(match["id"])] = match["node"]
            confs[int(match["id"])] = text
    node, cluster = members.nodename, members.cluster
    nodes = members.nodelist or {node: Node(online=True)}
    return View(
        node=node,
        quorate=cluster is None or cluster.quorate,
        members={name: Member(name, row.online, row.ip) for name, row in nodes.items()},
        seen=parse_seen(output),
        nodes_by_id=nodes_by_id,
        others={vmid: row.node for vmid, row in listed.items() if row.type != "lxc"},
        confs=confs,
        ha=parse_sections(files.get("ha/resources.cfg", "")),
        affinities=parse_affinities(files.get("ha/groups.cfg", ""), files.get("ha/rules.cfg", "")),
        replication=parse_sections(files.get("replication.cfg", "")),
        tag_rules=parse_rules(files.get("datacenter.cfg", "")),
    )


def parse_seen(output: str) -> Seen:
    """What a node tells of itself, of what look.sh printed."""
    running = re.findall(r"^running (\d+)$", output, re.MULTILINE)
    restart = re.search(r"^restart$", output, re.MULTILINE)
    return Seen(frozenset(map(int, running)), restart is not None)


def _files(output: str) -> dict[str, str]:
    """Contents by path."""
    lines: dict[str, list[str]] = {}
    for line in output.split("\n"):
        path, colon, content = line.partition(":")
        if colon:
            lines.setdefault(path, []).append(content)
    return {path: "".join(f"{one}\n" for one in found) for path, found in lines.items()}


def _read(files: Mapping[str, str], name: str, form: type[T], where: str) -> T:
    text = files.get(name, "")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise DeployError(
            f"the cluster file system has no sense in {name}",
            where=where,
            hint="`systemctl status pve-cluster` on the node shows whether it is up",
            evidence=text.splitlines()[-3:],
        ) from None
    return understood(data, form, f"/etc/pve/{name}", where)
