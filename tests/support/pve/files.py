"""The stand-in's cluster file system: what every node of the cluster sees below /etc/pve.

ROOT/shared/           what is the same on all nodes
ROOT/hosts/NODE/       what a node sees, with links to the former; its own is `.members`
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from pve.cluster import Cluster, Guest

SHARED = (".vmlist", "datacenter.cfg", "nodes", "ha", "replication.cfg", "priv")


def conf_text(guest: Guest) -> str:
    """A container's configuration file, as pve-container writes it."""
    settings = dict(guest.config)
    notes = str(settings.pop("description", ""))
    lines = [f"#{quote(line, safe=SAFE)}" for line in notes.splitlines()]
    lines += [f"{name}: {settings[name]}" for name in sorted(settings)]
    if guest.pending:
        lines += ["", "[pve:pending]"]
        lines += [f"{name}: {guest.pending[name]}" for name in sorted(guest.pending)]
    for snapshot in guest.snapshots:
        lines += ["", f"[{snapshot}]"]
        lines += [f"{name}: {settings[name]}" for name in sorted(settings)]
    return "".join(f"{line}\n" for line in lines)


SAFE = " !\"#$&'()*+,-./;<=>?@[\\]^_`{|}~"
"""Characters of notes that stand for themselves: all of ASCII but `%` and `:`."""


def section_text(kind: str, name: str, values: Mapping[str, object]) -> str:
    lines = [f"\t{key} {value}" for key, value in values.items()]
    return "\n".join([f"{kind}: {name}", *lines, "", ""])


def rules_text(cluster: Cluster) -> str:
    """ha/rules.cfg"""
    return "".join(
        section_text(str(rule["type"]), name, {k: v for k, v in rule.items() if k != "type"})
        for name, rule in cluster.ha_rules.items()
    )


class ClusterFiles:
    """The files of a cluster below a folder, brought up to date by `publish`."""

    def __init__(self, root: Path, cluster: Cluster) -> None:
        self.root = root
        self.cluster = cluster
        self._written: dict[Path, str] = {}
        shared = root / "shared"
        (shared / "priv/lock").mkdir(parents=True)
        (shared / "ha").mkdir()
        for node in cluster.nodes:
            (shared / "nodes" / node / "lxc").mkdir(parents=True)
            self.seen_by(node).mkdir(parents=True)
            for name in SHARED:
                (self.seen_by(node) / name).symlink_to(shared / name)
        self.publish()

    def seen_by(self, node: str) -> Path:
        """What that node has at /etc/pve."""
        return self.root / "hosts" / node

    def publish(self) -> None:
        """Write what has changed, each file by a rename."""
        with self.cluster.lock:
            self._publish()

    def _publish(self) -> None:
        wanted = self._contents()
        for path in [path for path in self._written if path not in wanted]:
            path.unlink()
            del self._written[path]
        for path, text in wanted.items():
            if self._written.get(path) != text:
                aside = path.with_name(f".{path.name}.new")
                aside.write_text(text)
                aside.rename(path)
                self._written[path] = text

    def _contents(self) -> dict[Path, str]:
        cluster, shared = self.cluster, self.root / "shared"
        found = {
            shared / "nodes" / guest.node / "lxc" / f"{guest.vmid}.conf": conf_text(guest)
            for guest in cluster.guests.values()
        }
        ids = {
            str(guest.vmid): {"node": guest.node, "type": "lxc", "version": 1}
            for guest in cluster.guests.values()
        }
        ids |= {str(vmid): {"node": n, "type": "qemu"} for vmid, n in cluster.machines.items()}
        # Without any guest there is no list of them.
        listed = {"version": 1} | ({"ids": ids} if ids else {})
        found[shared / ".vmlist"] = json.dumps(listed, indent=1)
        # Files that most clusters do not have.
        if cluster.options:
            lines = [f"{name}: {value}\n" for name, value in cluster.options.items()]
            found[shared / "datacenter.cfg"] = "".join(lines)
        if cluster.ha:
            found[shared / "ha/resources.cfg"] = "".join(
                section_text("ct", sid.removeprefix("ct:"), values)
                for sid, values in cluster.ha.items()
            )
        if cluster.ha_groups:
            found[shared / "ha/groups.cfg"] = "".join(
                section_text("group", name, values) for name, values in cluster.ha_groups.items()
            )
        if cluster.ha_rules:
            found[shared / "ha/rules.cfg"] = rules_text(cluster)
        if cluster.replication:
            found[shared / "replication.cfg"] = "".join(
                section_text("local", name, values) for name, values in cluster.replication.items()
            )
        for node in cluster.nodes:
            found[self.seen_by(node) / ".members"] = json.dumps(self._members(node), indent=1)
        return found

    def _members(self, node: str) -> dict[str, object]:
        nodes = self.cluster.nodes
        if len(nodes) == 1:
            return {"nodename": node, "version": 0}
        return {
            "nodename": node,
            "version": 1,
            "cluster": {
                "name": "lab",
                "version": 1,
                "nodes": len(nodes),
                "quorate": int(self.cluster.quorate),
            },
            "nodelist": {
                one.name: {"id": number, "online": int(one.online), "ip": address_of(number)}
                for number, one in enumerate(nodes.values(), 1)
            },
        }


def address_of(number: int) -> str:
    """Of the number-th node, within the cluster."""
    return f"192.0.2.{number}"
