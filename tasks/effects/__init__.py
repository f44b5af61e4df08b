"""Plan entries become effects: batch by batch, in the plan's order. The only place that does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tasks.effects import (
    carrying,
    going_back,
    inside,
    migrating,
    place,
    rehearsing,
    serving,
    switching,
)
from tasks.effects.work import Effect, Work
from tasks.errors import DeployError
from tasks.model.plan import Entry
from tasks.resources.base import Resource
from tasks.resources.carrying import Carried, CarryDone, CarryStop, Forgotten
from tasks.resources.files import Absent, Directory, File, Link
from tasks.resources.going_back import Beside, SwappedIn
from tasks.resources.migration import (
    BackupBefore,
    Rehearsal,
    Unfinished,
    WritesGoOn,
    WriteStop,
)
from tasks.resources.place import ContainerRunning, ContainerWish
from tasks.resources.release import ActiveColor, ArtifactWish, HealthCheck, Record, ReleaseWish
from tasks.resources.system import (
    DaemonReload,
    Package,
    Script,
    Secret,
    StoppedUnit,
    Unit,
    User,
)

__all__ = ["Effect", "Work", "apply", "batches", "effect_of", "title"]

LANDED = (File, Directory, Link, Absent, Secret, User)


def batches(entries: Sequence[Entry]) -> Iterator[tuple[Effect, list[Entry]]]:
    """Consecutive entries that one effect can take together, in order."""
    batch: list[Entry] = []
    current: Effect | None = None
    for entry in entries:
        effect = effect_of(entry.resource)
        together = effect in (inside.land, inside.install) and effect is current
        if batch and current is not None and not together:
            yield current, batch
            batch = []
        batch.append(entry)
        current = effect
    if batch and current is not None:
        yield current, batch


def effect_of(resource: Resource | None) -> Effect:
    """What brings a resource about."""
    for kind, effect in _EFFECTS:
        if isinstance(resource, kind):
            return effect
    raise DeployError(f"nothing applies {resource!r}")


def apply(entries: Sequence[Entry], work: Work) -> None:
    """Do these entries of one step, in order; each is announced to `work.done` when it is."""
    for effect, batch in batches(entries):
        if work.stop.is_set() and not _for_good(work):
            raise KeyboardInterrupt
        work.progress.step(title(batch))
        _do(effect, batch, work)
        for entry in batch:
            work.log(f"{entry.action} {entry.address}: {reasons_text(entry)}")
            work.done(entry)


def _do(effect: Effect, batch: Sequence[Entry], work: Work) -> None:
    """Cancelled once another version serves for good, what is left is done all the same: it is
    little, and each of it can be done again. Cancelled a second time, it is left."""
    try:
        effect(batch, work)
    except KeyboardInterrupt:
        if work.late or not _for_good(work):
            raise
        work.finish_late()
        effect(batch, work)


def _for_good(work: Work) -> bool:
    return work.switched and work.migration is None


def reasons_text(entry: Entry) -> str:
    return ", ".join(reason.text for reason in entry.reasons if reason.text)


def title(batch: Sequence[Entry]) -> str:
    """What a batch does, in few words."""
    first = batch[0]
    if len(batch) == 1:
        return f"{first.action} {first.address}"
    kinds = {entry.address.partition(":")[0] for entry in batch}
    name = kinds.pop() if len(kinds) == 1 else "thing"
    return f"{first.action} {len(batch)} {name}s"


_EFFECTS: tuple[tuple[type[Resource] | tuple[type[Resource], ...], Effect], ...] = (
    (LANDED, inside.land),
    (Package, inside.install),
    (Script, inside.run_script),
    (Unit, inside.settle_unit),
    (StoppedUnit, switching.stop_unit),
    (DaemonReload, inside.reload_daemon),
    (ContainerWish, place.settle_container),
    (ContainerRunning, place.run_container),
    (ArtifactWish, serving.make_artifact),
    (ReleaseWish, serving.put_release),
    (ActiveColor, switching.switch_color),
    (HealthCheck, serving.check_site),
    (Record, serving.write_records),
    (Rehearsal, rehearsing.rehearse),
    (BackupBefore, migrating.back_up),
    (WriteStop, migrating.stop_writes),
    (Beside, going_back.lay_beside),
    (SwappedIn, going_back.swap_in),
    (WritesGoOn, migrating.let_writes_go_on),
    (Unfinished, migrating.settle),
    (CarryStop, carrying.stop_writes),
    (Carried, carrying.carry_over),
    (CarryDone, carrying.let_writes_go_on),
    (Forgotten, carrying.forget),
)
