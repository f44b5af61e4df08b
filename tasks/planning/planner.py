"""The pure middle: desired, facts and what was applied before become a plan."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from tasks.desired import proxy
from tasks.desired.authorities import is_authority, withdrawn
from tasks.desired.owners import owner_of
from tasks.desired.release import other
from tasks.model.applied import Applied, AppliedResource
from tasks.model.digests import digest
from tasks.model.layout import UNITS
from tasks.model.plan import Action, AttributeChange, PlanEntry, Reason
from tasks.resources.applied import applied_resource
from tasks.resources.base import Difference, Facts, Resource
from tasks.resources.container import ContainerRunning
from tasks.resources.files import Absent, Directory, File
from tasks.resources.overrides import Override
from tasks.resources.release import HealthCheck, Record, active_color
from tasks.resources.system import DaemonReload, Script, StoppedUnit, Unit

DIFF_LIMIT = 256 * 1024
"""Bytes; larger texts are compared by digest only."""

SHOWN_TRIGGERS = 5
"""Where more of them call for an entry, their number is the reason."""

AS_IT_SERVES = Reason("pending", "the same as in what serves")
"""Why a color gets what is no reason for it to take over."""


class Desired(Struct, frozen=True):
    """Everything one instance should be: step → resources, in the order of their application."""

    instance: str
    steps: Mapping[str, tuple[Resource, ...]]
    colors: frozenset[str] = frozenset()
    """Addresses of what either color may have of its own: the one that rests keeps it."""
    deployed: bool = False
    """Whether the container was deployed with this database: its data must be there."""
    emptied: bool = False
    """Whether that database is there and has no table."""

    @property
    def resources(self) -> tuple[Resource, ...]:
        return tuple(resource for step in self.steps.values() for resource in step)


def plan(desired: Desired, facts: Facts, applied: Applied) -> tuple[PlanEntry, ...]:
    """What must be done, in order, consequences of earlier entries included."""
    entries: list[PlanEntry] = []
    changed: dict[str, Action] = {}
    for step, resources in desired.steps.items():
        for resource in _with_stale(step, resources, desired, facts, applied):
            entry = _entry(desired, step, resource, facts, applied, changed)
            if entry is not None:
                entries.append(entry)
                changed[entry.address] = entry.action
    return tuple(entries)


def _with_stale(
    step: str, resources: Sequence[Resource], desired: Desired, facts: Facts, applied: Applied
) -> Iterable[Resource]:
    """The step's resources with what is addressed no longer: files of a unit's before it takes its
    files up, authorities before anything starts that would trust them, and all else in the switch,
    once nothing that served before may need it."""
    if step not in ("system", "switch") or "system" not in desired.steps:
        return resources
    known = desired.colors.union(resource.address for resource in desired.resources)
    stale = [one for one in orphans(applied, known) if one.difference(facts) is not None]
    units = {one.unit for one in desired.resources if isinstance(one, Unit)}
    by_unit: dict[str | None, list[Resource]] = {}
    for one in stale:
        unit = _takes_up(one)
        by_unit.setdefault(unit if unit in units else None, []).append(one)
    result: list[Resource] = []
    for resource in resources:
        gone = by_unit.get(resource.unit, []) if isinstance(resource, Unit) else []
        if gone:
            result += (*gone, *_unit_files_gone(resource.name.removesuffix(".service"), gone))
            triggers = (*resource.triggers, *(other.address for other in gone))
            resource = replace(resource, triggers=triggers)
        result.append(resource)
    others = by_unit.get(None, [])
    if step == "system":
        return (*result, *(one for one in others if isinstance(one, Script)))
    late = [one for one in others if not isinstance(one, Script)]
    return (*result, *late, *_unit_files_gone("before", late))


def _takes_up(gone: Resource) -> str | None:
    """The unit that something which goes was for."""
    if not isinstance(gone, Absent):
        return None
    return proxy.UNIT if proxy.starts_with(gone.path) else owner_of(gone.path)


def _unit_files_gone(of: str, gone: Iterable[Resource]) -> tuple[Resource, ...]:
    """That systemd forgets those unit files and drop-ins among these."""
    addresses = [
        one.address for one in gone if isinstance(one, Absent) and one.path.startswith(f"{UNITS}/")
    ]
    return (DaemonReload(of=of, triggers=tuple(addresses)),) if addresses else ()


def reachable(facts: Facts, resources: Iterable[Resource]) -> Facts:
    """The facts without what is seen only through something that will be put aside: below a path
    where a folder is desired and a link has been put."""
    folders = tuple(
        f"{resource.path}/"
        for resource in resources
        if isinstance(resource, Directory)
        and (found := facts.files.get(resource.path)) is not None
        and found.type != "directory"
    )
    if not folders:
        return facts
    return replace(
        facts,
        files={path: fact for path, fact in facts.files.items() if not path.startswith(folders)},
        texts={path: text for path, text in facts.texts.items() if not path.startswith(folders)},
        probes={
            key: state
            for key, state in facts.probes.items()
            if not any(f"{argument}/".startswith(folders) for argument in key[1:])
        },
    )


def orphans(applied: Applied, desired: Collection[str]) -> tuple[Resource, ...]:
    """For what was applied once and is no longer configured: that it be gone.

    Units first, then files; packages, users, folders and secrets stay, for they may hold data. Of
    what was only announced nobody knows whose is there: it goes where it is what was announced.
    """
    gone = [address.partition(":") for address in applied.resources if address not in desired]
    # A path may be desired as another kind of thing now: a password given before and made today.
    taken = {address.partition(":")[2] for address in desired}
    units = [StoppedUnit(unit=name) for kind, _, name in gone if kind == "unit"]
    authorities = [
        withdrawn(name) for kind, _, name in gone if kind == "file" and is_authority(name)
    ]
    files = [
        Absent(path=name, was=kind, announced=_announced(applied.resources[f"{kind}:{name}"]))
        for kind, _, name in gone
        if kind in ("file", "link") and name not in taken and not is_authority(name)
    ]
    return (*units, *authorities, *files)


def _announced(before: AppliedResource) -> str:
    return before.digest if before.pending and before.done is None else ""


def _entry(
    desired: Desired,
    step: str,
    resource: Resource,
    facts: Facts,
    applied: Applied,
    changed: Mapping[str, Action],
) -> PlanEntry | None:
    fired = [trigger for trigger in resource.triggers if trigger in changed]
    fired += [one for one in resource.opened if changed.get(one) == "create"]
    # Through what changes, it answers otherwise than it will.
    asked_in_vain = bool(fired) and isinstance(resource, HealthCheck)
    difference = None if asked_in_vain else resource.difference(facts)
    subject = resource.serving or resource
    if difference is None and subject is not resource and subject.difference(facts) is not None:
        # An apply that came to no end has prepared it: it is still to come to serve.
        difference = resource.fired()
    if desired.emptied and isinstance(resource, Script) and resource.holds_data:
        difference = difference or resource.emptied()
    if difference is None:
        if not fired:
            return None
        difference = resource.fired()
        reasons = _because(fired)
    elif difference.because:
        reasons = [Reason("pending", difference.because)]
    elif followed := [address for address in resource.follows if address in changed]:
        reasons = _because(list(dict.fromkeys((*followed, *fired))))
    else:
        reasons = _reasons(resource, difference, facts, applied)
        own = [reason for reason in reasons if reason.kind not in ("tool", "interrupted")]
        if fired and difference.action != "create":
            reasons = own * (not isinstance(resource, Record)) + _because(fired)
        elif fired and not own:
            reasons = _because(fired)
    if subject is not resource and fired:
        reasons = _because(fired)
    elif subject is not resource:
        reasons, difference = _taking_over(subject, difference, facts, applied)
    lost = _is_lost(desired, resource, difference, facts, applied)
    return PlanEntry(
        instance=desired.instance,
        step=step,
        address=resource.address,
        action=difference.action,
        reasons=tuple(reasons),
        changes=shown_changes(resource, difference),
        diff="" if resource.sensitive else unified(subject.name, difference),
        sensitive=resource.sensitive,
        destructive=difference.destructive
        or resource.destructive
        or _loses_data(subject, applied)
        or lost,
        lost=lost,
        interrupts=_interrupts(resource, difference, facts, fired),
        resource=resource,
    )


def _taking_over(
    serving: Resource, difference: Difference, facts: Facts, applied: Applied
) -> tuple[list[Reason], Difference]:
    """Why something of the color that takes over differs from the same of the one that serves, and
    how. difference: of the thing itself from what was there before, whatever that was."""
    change = serving.difference(facts)
    if change is None:
        return [AS_IT_SERVES], replace(difference, changes=(), before=None, after=None)
    reasons = _reasons(serving, change, facts, applied)
    return reasons, replace(
        difference, changes=change.changes, before=change.before, after=change.after
    )


def _interrupts(
    resource: Resource, difference: Difference, facts: Facts, fired: Sequence[str]
) -> str:
    if not isinstance(resource, Unit):
        return difference.interrupts
    if resource.unit.endswith(f"@{other(active_color(facts))}.service"):
        # Whatever it does, nobody's requests are passed to it.
        return ""
    return resource.interrupted(difference, facts, fired)


def _because(fired: Sequence[str]) -> list[Reason]:
    if len(fired) > SHOWN_TRIGGERS:
        return [Reason("trigger", f"{len(fired)} entries above")]
    if len(fired) == 1:
        return [Reason("trigger", f"{fired[0]} changes", fired[0])]
    first, *more = fired
    others = [Reason("trigger", "", trigger) for trigger in more]
    return [Reason("trigger", f"{first} and {len(more)} more change", first), *others]


def _reasons(
    resource: Resource, difference: Difference, facts: Facts, applied: Applied
) -> list[Reason]:
    if isinstance(resource, ContainerRunning) and difference.action == "run":
        container = resource.container.address
        return [Reason("trigger", f"{container} changes", container)]
    if isinstance(resource, Override):
        return [Reason("drift", f"drift: {difference.drift}")]
    before = applied.resources.get(resource.address)
    if before is None:
        return _first_reasons(resource, difference, applied)
    now = applied_resource(resource)
    if before.digest == now.digest:
        if before.pending:
            return [Reason("interrupted", "the last apply has not finished it")]
        if facts.container is not None and not facts.container.exists:
            return [Reason("missing", "not there")]
        if isinstance(resource, Record) and not resource.path:
            return [Reason("tool", "written when an apply is done")]
        if isinstance(resource, Script) and _retired(resource):
            return [Reason("interrupted", "left by an apply that came to no end")]
        return [Reason("drift", f"drift: {difference.drift}{_in_container(resource)}")]
    if _retired(resource):
        if before.pending:
            return [Reason("interrupted", "the last apply has not finished it")]
        return [Reason("no_longer_configured", "no longer configured")]
    # What was only announced is nothing that anything changed from.
    inputs = before.done or {}
    reasons = [
        Reason("configuration", f"{key} changed", key)
        for key, value in now.inputs.items()
        if inputs.get(key, applied.configuration.get(key, value)) != value
    ]
    if before.template != now.template:
        reasons.append(Reason("template", "template changed"))
    dropped = [
        Reason("configuration", f"{key} no longer matters", key)
        for key in inputs
        if key not in now.inputs
    ]
    if reasons or dropped:
        return reasons or dropped
    if before.pending:
        return [Reason("interrupted", "the last apply has not finished it")]
    if resource.otherwise:
        return [Reason("source", resource.otherwise)]
    return [Reason("tool", "changed by this version of vikunja-deploy")]


def _first_reasons(resource: Resource, difference: Difference, applied: Applied) -> list[Reason]:
    keys = [
        key
        for key, value in resource.origin.inputs.items()
        if applied.configuration and applied.configuration.get(key) != value
    ]
    edited = [key for key in keys if not _is_new(key, resource.origin.inputs[key], applied)]
    if edited:
        return [Reason("configuration", f"{key} changed", key) for key in edited]
    if keys:
        return [Reason("tool", "changed by this version of vikunja-deploy")]
    if difference.action == "create":
        return [Reason("missing", "not there yet")]
    if isinstance(resource, Record):
        return [Reason("tool", "written when an apply is done")]
    if _retired(resource):
        return [Reason("no_longer_configured", "no longer configured")]
    return [Reason("drift", f"found {difference.drift}" if difference.drift else "differs")]


def _is_new(key: str, value: str, applied: Applied) -> bool:
    """Whether a key came with this version of the tool, and has its default: nobody changed it.
    value: its digest."""
    if key in applied.configuration or any(
        one.startswith(f"{key}.") for one in applied.configuration
    ):
        return False
    from tasks.config.schema import subschema

    first, *names = key.split(".")
    # What one of several sections says was chosen with it.
    if "default" not in subschema((first,)):
        return False
    return value == digest(subschema((first, *names)).get("default"))


def _retired(resource: Resource) -> bool:
    """Whether it is that something of ours is not there any more."""
    if isinstance(resource, Absent):
        return resource.was != resource.kind
    if isinstance(resource, Script):
        return resource.wanted == "absent"
    return isinstance(resource, StoppedUnit)


def _in_container(resource: Resource) -> str:
    return " in the container" if isinstance(resource, File) else ""


def _loses_data(resource: Resource, applied: Applied) -> bool:
    before = applied.resources.get(resource.address)
    # Where no apply has ever been done, there is nothing yet.
    return (
        before is not None
        and bool(applied.created_at)
        and any(
            (before.done or {}).get(key) not in (None, resource.origin.inputs.get(key))
            for key in resource.destructive_inputs
        )
    )


def _is_lost(
    desired: Desired, resource: Resource, difference: Difference, facts: Facts, applied: Applied
) -> bool:
    """Whether it held data and is gone with it, while the container is there."""
    there = facts.container is not None and facts.container.exists
    if not (resource.holds_data and difference.action == "create" and there):
        return False
    if isinstance(resource, Directory) and applied.lacks(resource.address):
        # Another folder than before. What is in that one is looked at where it would stay behind.
        return False
    return desired.deployed or must_be_there(resource, applied)


def must_be_there(resource: Resource, applied: Applied) -> bool:
    """Whether a database outside was applied: it outlives the container."""
    before = applied.resources.get(resource.address)
    outside = isinstance(resource, Script) and resource.outside
    return outside and before is not None and before.done is not None


def shown_changes(resource: Resource, difference: Difference) -> tuple[AttributeChange, ...]:
    """The attribute changes, with a line for a content that must not be shown."""
    changes = tuple(_shown(change) for change in difference.changes)
    if resource.sensitive and difference.action == "update" and difference.drift == "edited":
        return (*changes, AttributeChange("content", "(sensitive)", "(sensitive, changed)"))
    return changes


def _shown(change: AttributeChange) -> AttributeChange:
    from tasks.model.redaction import masked

    before, after = change.before, change.after
    return AttributeChange(change.name, before and masked(before), after and masked(after))


def unified(name: str, difference: Difference) -> str:
    """Unified diff of the two contents; empty where there is no text to show."""
    before, after = difference.before or b"", difference.after or b""
    if difference.after is None or len(before) + len(after) > DIFF_LIMIT:
        return ""
    if difference.action == "update" and difference.before is None:
        return ""
    try:
        old, new = before.decode(), after.decode()
    except UnicodeDecodeError:
        return ""
    import difflib

    from tasks.model.redaction import masked_settings

    lines = difflib.unified_diff(
        masked_settings(old),
        masked_settings(new, old),
        f"{name} (found)",
        f"{name} (desired)",
        lineterm="",
    )
    return "\n".join(lines)
