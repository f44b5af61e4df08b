"""A plan: what would be done, why, and what it was based on. Values only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from msgspec import Struct
from msgspec.structs import replace

from tasks.conversion import convert
from tasks.errors import StalePlanError, UsageError
from tasks.model.digests import digest

if TYPE_CHECKING:
    from tasks.model.database_move import KeptDatabase, PlannedMove
    from tasks.model.update import PlannedUpdate

Action = Literal["create", "update", "replace", "delete", "run"]

STEPS = ("provision", "system", "build", "release", "switch", "record")

FORMAT = 1


ReasonKind = Literal[
    "missing",
    "configuration",
    "template",
    "source",
    "drift",
    "trigger",
    "interrupted",
    "no_longer_configured",
    "tool",
    "pending",
]


class Reason(Struct, frozen=True):
    """Why an entry is in a plan. subject: the key or address it is about.

    text: for people; empty where another reason of the entry speaks for this one.
    """

    kind: ReasonKind
    text: str
    subject: str = ""

    def __str__(self) -> str:
        return self.text


class AttributeChange(Struct, frozen=True):
    """One attribute before and after; None where there is no value."""

    name: str
    before: str | None
    after: str | None


class Planned(Protocol):
    """What an entry is about: a resource of tasks/resources."""

    @property
    def address(self) -> str: ...


class PlanEntry(Struct, frozen=True):
    """One thing that would be done.

    address: without the instance's id (`file:/etc/nginx/conf.d/vikunja.conf`). diff: unified,
    empty where there is no text to compare or it must not be shown. lost: it held data and is gone
    already; what comes in its place is empty. resource: what is desired; not part of a saved plan.
    """

    instance: str
    step: str
    address: str
    action: Action
    reasons: tuple[Reason, ...]
    changes: tuple[AttributeChange, ...] = ()
    diff: str = ""
    sensitive: bool = False
    destructive: bool = False
    interrupts: str = ""
    lost: bool = False
    resource: Planned | None = None

    @property
    def fired(self) -> bool:
        """Whether an earlier entry of the plan calls for this one."""
        return any(reason.kind == "trigger" for reason in self.reasons)

    @property
    def full_address(self) -> str:
        return f"{self.instance}/{self.address}"

    @property
    def title(self) -> str:
        """What is done, in few words: `create file:/etc/x`."""
        return f"{self.action} {self.address}"

    def as_data(self) -> dict[str, Any]:
        """JSON-ready, as `plan --json` prints it."""
        return {
            "address": self.full_address,
            "step": self.step,
            "action": self.action,
            "reasons": [
                {"kind": reason.kind, "subject": reason.subject, "text": reason.text}
                for reason in self.reasons
            ],
            "changes": [
                {"name": change.name, "before": change.before, "after": change.after}
                for change in self.changes
            ],
            "diff": self.diff,
            "sensitive": self.sensitive,
            "destructive": self.destructive,
            "lost": self.lost,
            "interrupts": self.interrupts,
        }


class Lost(Struct, frozen=True):
    """What was deployed and is not there any more, with the data in it: the container, or of what
    is in it `things`, by their addresses.

    newest_backup: when it was taken, None where there is none. fuller: the name of a backup before
    it that holds more than twice as much, what it holds, and what the newest does.
    """

    newest_backup: str | None
    things: tuple[str, ...] = ()
    fuller: tuple[str, str, str] | None = None


class InstancePlan(Struct, frozen=True):
    """The plan of one instance.

    configuration: dotted key → digest of its value. observed: what was asked → what was found.
    unseen: the container is stopped; what is in it is known once it runs. update: what is known
    of another release that is to serve, None where the release stays. database_move: of another
    database that is to serve, None where that stays. kept: databases that are not in use any more.
    lost: what is known of data that is gone, with the container or out of it, None where none is.
    notices: what is to be known beside what would be done, a sentence each.
    """

    instance: str
    entries: tuple[PlanEntry, ...]
    configuration: Mapping[str, str]
    observed: Mapping[str, str]
    unseen: bool = False
    update: PlannedUpdate | None = None
    database_move: PlannedMove | None = None
    kept: tuple[KeptDatabase, ...] = ()
    lost: Lost | None = None
    notices: tuple[str, ...] = ()

    @property
    def replaces(self) -> bool:
        """Whether a new container is to take the place of the one that is there."""
        containers = (entry for entry in self.entries if entry.address.startswith("container:"))
        return any(entry.action == "replace" for entry in containers)

    def only(self, targets: Sequence[str]) -> InstancePlan:
        """The same plan with just the entries that these addresses name.

        An address names an entry with or without the instance's id; one ending in `*` names all
        that begin so.
        """
        chosen = tuple(e for e in self.entries if any(_named(e, target) for target in targets))
        switches = any(entry.step in ("release", "switch") for entry in chosen)
        return replace(self, entries=chosen, update=self.update if switches else None)

    def as_data(self) -> dict[str, Any]:
        return {
            "instance": self.instance,
            "unseen": self.unseen,
            "update": self.update.as_data() if self.update else None,
            "database": self.database_move.as_data() if self.database_move else None,
            "kept_databases": [item.as_data() for item in self.kept],
            "lost_container": _lost(self.lost, in_container=False),
            "lost_data": _lost(self.lost, in_container=True),
            "notices": list(self.notices),
            "configuration": dict(self.configuration),
            "observed": dict(self.observed),
            "entries": [entry.as_data() for entry in self.entries],
        }


def _lost(lost: Lost | None, *, in_container: bool) -> dict[str, Any] | None:
    if lost is None or bool(lost.things) != in_container:
        return None
    things = {"things": list(lost.things)} if in_container else {}
    fuller = lost.fuller[0] if lost.fuller else None
    return {**things, "newest_backup": lost.newest_backup, "fuller_backup": fuller}


def _named(entry: PlanEntry, target: str) -> bool:
    for name in (entry.address, entry.full_address):
        if name == target or (target.endswith("*") and name.startswith(target[:-1])):
            return True
    return False


class Plan(Struct, frozen=True):
    """targets: the addresses that it was cut to, empty for all."""

    instances: tuple[InstancePlan, ...]
    targets: tuple[str, ...] = ()

    @property
    def entries(self) -> tuple[PlanEntry, ...]:
        return tuple(entry for instance in self.instances for entry in instance.entries)

    @property
    def empty(self) -> bool:
        return not self.entries

    @property
    def destructive(self) -> tuple[PlanEntry, ...]:
        return tuple(entry for entry in self.entries if entry.destructive)

    def as_data(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "targets": list(self.targets),
            "instances": [instance.as_data() for instance in self.instances],
        }

    def text(self) -> str:
        return json.dumps(self.as_data(), indent=1, ensure_ascii=False) + "\n"


def read_saved(path: Path) -> dict[str, Any]:
    """A saved plan as data. Raises UsageError where the file is none."""
    try:
        data = json.loads(path.read_text())
        convert(data, _Saved)
        saved: dict[str, Any] = data
        return saved
    except FileNotFoundError:
        raise UsageError(
            "no such file", where=str(path), hint=f"Make it: ./doit plan --out {path}"
        ) from None
    except (OSError, ValueError, RecursionError):
        pass
    raise UsageError(
        "not a saved plan of this version",
        where=str(path),
        hint="Make one: ./doit plan --out FILE",
    )


class _SavedInstance(Struct, frozen=True):
    """What is compared of a saved plan."""

    instance: str
    configuration: dict[str, Any]
    observed: dict[str, Any]
    entries: list[Any]


class _Saved(Struct, frozen=True):
    format: Literal[1]
    targets: list[Any]
    instances: list[_SavedInstance]


def refuse_to_replace(path: Path) -> None:
    """Raise UsageError where something is there that is no saved plan, a configuration perhaps."""
    if not path.exists():
        return
    try:
        whole = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        whole = None
    if not isinstance(whole, dict) or not {"format", "instances"} <= whole.keys():
        raise UsageError(
            "is there already, and is no saved plan",
            where=str(path),
            hint="Name another file: ./doit plan --out FILE",
        )


def moved(saved: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two looks at one instance, one line each.

    The host's own records do not count: an operation writes them as it begins.
    """
    lines = []
    for part, label in (("configuration", "configuration"), ("observed", "found")):
        before, after = saved[part], now[part]
        for key in sorted(before.keys() | after.keys()):
            if before.get(key) != after.get(key) and not key.startswith("record:"):
                how = "appeared" if key not in before else "gone" if key not in after else "changed"
                lines.append(f"{saved['instance']}: {label}: {key} {how}")
    if not lines and digest(saved["entries"]) != digest(now["entries"]):
        lines.append(f"{saved['instance']}: what would be done has changed")
    return lines


def refuse_moved(planned: InstancePlan, now: InstancePlan) -> None:
    """Raise StalePlanError that names what moved since an instance was planned for.

    What would be done does not count: a plan may hold a part of it.
    """
    lines = moved({**planned.as_data(), "entries": []}, {**now.as_data(), "entries": []})
    if lines:
        raise StalePlanError(
            "changed while the plan was looked at: " + "; ".join(lines[:3]),
            where=planned.instance,
            hint="Nothing was changed. Run it again.",
        )


def refuse_if_stale(saved: Mapping[str, Any], now: Plan, hint: str) -> None:
    """Raise StalePlanError that names what moved since the saved plan was made."""
    present = {instance.instance: instance.as_data() for instance in now.instances}
    lines: list[str] = []
    for instance in saved["instances"]:
        name = instance["instance"]
        if name not in present:
            lines.append(f"{name}: no longer in the configuration")
        else:
            lines += moved(instance, present[name])
    if lines:
        raise StalePlanError(
            "the plan is stale: " + "; ".join(lines[:3]) + (" …" if len(lines) > 3 else ""),
            hint=hint,
            evidence=lines if len(lines) > 3 else (),
        )
