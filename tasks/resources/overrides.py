"""Files of systemd's that change a unit of ours and that nobody has asked for."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from msgspec.structs import replace

from tasks.model.plan import AttributeChange
from tasks.resources.base import Difference, Facts, Resource
from tasks.resources.files import File
from tasks.resources.system import DaemonReload, StoppedUnit, Unit

WRITTEN_BY_HAND = ("/etc/systemd/", "/run/systemd/system/", "/run/systemd/system.control/")
"""Where administrators put such files; packages and generators have other places."""


class Override(Resource, frozen=True, kw_only=True):
    """A drop-in, or a whole unit file in the place of another one, that is put aside."""

    kind: ClassVar[str] = "override"

    path: str
    units: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.path

    def desired(self) -> Mapping[str, Any]:
        return {"path": self.path}

    def difference(self, facts: Facts) -> Difference:
        aside = f"{posixpath.basename(self.path)}.replaced-…"
        first, *more = self.units
        units = f"{first} and {len(more)} more" if more else first
        drift = f"changes {units}, and is not of the configuration"
        return Difference("delete", drift, (AttributeChange("put aside as", None, aside),))


def find(
    facts: Facts, resources: Iterable[Resource], named: Container[str]
) -> tuple[Override, ...]:
    """Those of the units among these resources. named: addresses of what the configuration has
    named, now or before: that goes, or stays, by that."""
    resources = tuple(resources)
    desired = {one.path for one in resources if isinstance(one, File)}
    changed: dict[str, list[str]] = {}
    for unit in (one.unit for one in resources if isinstance(one, Unit | StoppedUnit)):
        fact = facts.units.get(unit)
        loaded = fact.files if fact is not None else ()
        if fact is not None and fact.load == "masked":
            # Its file is the link that masks it.
            loaded = tuple(path for path in loaded if path.endswith(".conf"))
        written = (path for path in facts.unit_files if _belongs(path, unit))
        for path in dict.fromkeys((*loaded, *written)):
            if path not in desired and f"file:{path}" not in named and _by_hand(path):
                changed.setdefault(path, []).append(unit)
    return tuple(Override(path=path, units=tuple(names)) for path, names in sorted(changed.items()))


def _by_hand(path: str) -> bool:
    # Some images of containers have a generator write for all services at once.
    everybody = path.startswith("/run/") and path.split("/")[-2] in ("service.d", "timer.d")
    return path.startswith(WRITTEN_BY_HAND) and not everybody


def _belongs(path: str, unit: str) -> bool:
    """Whether systemd reads the file for the unit: by its name, its template's, a part of it that
    ends in a dash, or for all of its type."""
    template = re.sub(r"@.+\.", "@.", unit)
    stem, _, kind = template.rpartition(".")
    parts = stem.split("-")
    parents = ["-".join(parts[:count]) + f"-.{kind}" for count in range(1, len(parts))]
    folder = path.split("/")[-2]
    if folder.endswith(".d"):
        return folder.removesuffix(".d") in (unit, template, kind, *parents)
    return posixpath.basename(path) in (unit, template)


def put_aside(resources: Sequence[Resource], found: Sequence[Override]) -> tuple[Resource, ...]:
    """The resources with these put aside before systemd reads its files, and their units started
    anew."""
    if not found:
        return tuple(resources)
    result: list[Resource] = []
    for one in resources:
        if isinstance(one, DaemonReload):
            result += found
            one = replace(one, triggers=(*one.triggers, *(item.address for item in found)))
        elif isinstance(one, Unit):
            own = tuple(item.address for item in found if one.unit in item.units)
            one = replace(one, triggers=(*one.triggers, *own))
        result.append(one)
    return tuple(result)
