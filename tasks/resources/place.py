"""The container itself: that it exists as wished, and that it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

from tasks.containers.base import ContainerSpec
from tasks.frozen import dataclass
from tasks.resources.base import AttributeChange, Difference, Facts, Resource

REPLACING = ("template",)
"""Attributes that no existing container can take on."""


@dataclass(frozen=True, kw_only=True)
class ContainerWish(Resource):
    """restarting: attributes that take effect only by a restart."""

    kind: ClassVar[str] = "container"

    spec: ContainerSpec
    restarting: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return self.spec.name

    def wish(self) -> Mapping[str, Any]:
        return {**asdict(self.spec), "nameservers": list(self.spec.nameservers)}

    def difference(self, facts: Facts) -> Difference | None:
        found = facts.container
        wished = self.wish()
        if found is None or not found.exists:
            shown = ("template", "cpu_cores", "memory_mb", "disk_size_gb", "ip_address")
            changes = tuple(AttributeChange(key, None, _shown(wished[key])) for key in shown)
            return Difference("create", "removed", changes)
        changes = tuple(
            AttributeChange(key, _shown(value), _shown(wished[key]))
            for key, value in found.attributes.items()
            if _plain(value) != wished[key]
        )
        if not changes:
            return None
        names = {change.name for change in changes}
        drift = ", ".join(sorted(names)) + " changed"
        if names & set(REPLACING):
            return Difference(
                "replace", drift, changes, destructive=True, interrupts="everything in it is lost"
            )
        return Difference("update", drift, changes)


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value) or "as the host"
    return str(value)


@dataclass(frozen=True, kw_only=True)
class ContainerRunning(Resource):
    """The container runs; started again where a changed attribute needs that."""

    kind: ClassVar[str] = "running"

    container: ContainerWish

    @property
    def name(self) -> str:
        return self.container.spec.name

    def wish(self) -> Mapping[str, Any]:
        return {"running": True}

    def difference(self, facts: Facts) -> Difference | None:
        found = facts.container
        if found is None or not found.exists:
            return Difference("create", "stopped")
        changing = self.container.difference(facts)
        if changing is not None and changing.action == "replace":
            return Difference("run", "", (AttributeChange("state", "running", "started anew"),))
        if not found.running:
            return Difference(
                "update", "stopped", (AttributeChange("state", "stopped", "running"),)
            )
        names = {change.name for change in changing.changes} if changing else set()
        if names & self.container.restarting:
            change = AttributeChange("state", "running", "restarted")
            return Difference("run", "", (change,), interrupts="the site, while it restarts")
        return None
