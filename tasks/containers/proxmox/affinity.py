"""Where the HA manager may run what: groups of Proxmox VE 8, rules of 9. Pure.

A group is named by each of its resources; a rule names its resources itself. On 9 a cluster
keeps its groups until all of its nodes are of 9; then they become rules, with names that are
drawn by lot (`ha-rule-6e12c05d-c269`) and the group's comment, as rules of the web interface have.
So a rule is meant by its name or, where that is such a name, by its comment.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct

from tasks.containers.proxmox.conf import parse_sections
from tasks.errors import ResourceError

DRAWN = "ha-rule-"
"""How the name of a rule begins that nobody chose."""

NODE_AFFINITY = "node-affinity"


class Rule(Struct, frozen=True):
    """nodes: sorted, `pve` or `pve:2`. resources: `ct:100`."""

    name: str
    nodes: tuple[str, ...]
    resources: tuple[str, ...]
    comment: str = ""
    disabled: bool = False


class Affinities(Struct, frozen=True):
    """groups: name → its nodes. rules: those of kind node-affinity. digest: of the rules' file,
    to be given with a change of it."""

    groups: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    digest: str = ""

    def rule(self, wanted: str) -> Rule | None:
        """The rule of that name, or the one drawn by lot with that comment.

        ResourceError where the comment is that of several.
        """
        for rule in self.rules:
            if rule.name == wanted:
                return rule
        found = [r for r in self.rules if r.name.startswith(DRAWN) and r.comment == wanted]
        if len(found) > 1:
            names = ", ".join(rule.name for rule in found)
            raise ResourceError(
                f"more than one HA rule has the comment {wanted}: {names}",
                hint="set proxmox.ha.group to the name of one of them",
            )
        return found[0] if found else None

    def naming(self, sid: str) -> tuple[Rule, ...]:
        """The rules in force that name a resource; Proxmox VE allows one."""
        return tuple(rule for rule in self.rules if sid in rule.resources and not rule.disabled)

    def group_of(self, sid: str, wanted: str | None) -> str | None:
        """What stands for the rules of a resource: `wanted` where they are just that one."""
        rule = self.rule(wanted) if wanted else None
        found = {one.name for one in self.naming(sid)}
        if rule is not None and sid in rule.resources:
            # A rule that is disabled is joined all the same: `check` tells.
            found.add(rule.name)
            if found == {rule.name}:
                return wanted
        return ", ".join(sorted(found)) or None

    def nodes_of(self, wanted: str | None) -> tuple[str, ...]:
        """Of a group, or of a rule; nothing where there is neither."""
        if wanted is None:
            return ()
        if wanted in self.groups:
            return self.groups[wanted]
        rule = self.rule(wanted)
        return rule.nodes if rule else ()


def canonical(nodes: Iterable[str]) -> tuple[str, ...]:
    """Nodes with their priorities, each once and in one order; 0 is what nothing said means."""
    return tuple(sorted({node.strip().removesuffix(":0") for node in nodes if node.strip()}))


def parse_affinities(groups: str, rules: str) -> Affinities:
    """Of the texts of ha/groups.cfg and ha/rules.cfg; empty where there is no such file."""
    return Affinities(
        {
            name: canonical(values.get("nodes", "").split(","))
            for (kind, name), values in parse_sections(groups).items()
            if kind == "group"
        },
        tuple(
            Rule(
                name,
                canonical(values.get("nodes", "").split(",")),
                tuple(one.strip() for one in values.get("resources", "").split(",") if one),
                values.get("comment", ""),
                values.get("disable", "0") != "0",
            )
            for (kind, name), values in parse_sections(rules).items()
            if kind == NODE_AFFINITY
        ),
        # As the API compares it; some versions take no digest where there is no file yet.
        hashlib.sha1(rules.encode(errors="surrogateescape")).hexdigest() if rules else "",
    )
