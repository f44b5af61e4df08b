"""Another database than the one that serves is configured: what is planned then.

Whatever else differs comes first, in a plan of its own with the database as it is: so the data is
only ever carried over by a version that serves well, and nothing else changes meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict, replace

from tasks.backup.running_instance import as_it_serves
from tasks.builds import Answer
from tasks.containers.base import Container
from tasks.databases import database_at
from tasks.desired.color import ELSEWHERE
from tasks.desired.record import DOCUMENT
from tasks.errors import DeployError, UsageError
from tasks.model import measured as measurements
from tasks.model.applied import Applied
from tasks.model.database_address import DatabaseAddress
from tasks.model.database_move import PlannedMove
from tasks.model.host_files import read_host_files
from tasks.model.instance import COLORS, NO_TLS, Color, Database, Instance
from tasks.model.layout import SECRETS, database_tls_files, environment
from tasks.model.plan import InstancePlan, PlanEntry
from tasks.paths import Paths
from tasks.planning import inspection
from tasks.planning.inputs import Inputs, gather
from tasks.planning.inspection import Inspection
from tasks.planning.target import find_target
from tasks.resources.applied import applied_resource
from tasks.resources.base import Facts, Resource
from tasks.resources.data_move import (
    ALL_NEXT,
    LOGIN,
    NEXT,
    DataCopied,
    Freeze,
    database_address,
    kept_in,
    ours,
)
from tasks.resources.files import Absent, File
from tasks.resources.migration import WriteThaw, recorded
from tasks.resources.release import HealthCheck, active_color
from tasks.resources.system import Script
from tasks.secret import Secret

PASSWORD = f"{SECRETS}/db-password"

OF_THE_OLD = frozenset(
    {
        *(f"file:{path}" for path in LOGIN),
        f"file:{SECRETS}/db-admin-password",
        "file:/etc/mysql/mariadb.conf.d/90-vikunja.cnf",
        "unit:postgresql.service",
        "unit:mariadb.service",
    }
)
"""Addresses of what the old database needs, and goes only once the new one serves."""

WHOLE = (Freeze, DataCopied, WriteThaw)

SECONDS = 5.0
SECONDS_PER_MB = 0.2
"""What an estimate of the write-stop is made of, where none was measured."""


def inspect_move(
    sources: Inputs,
    container: Container,
    facts: Facts,
    answer: Answer,
    paths: Paths,
    before: DatabaseAddress,
) -> Inspection:
    """The look at an instance whose data is in `before`, while another database is configured.

    One or two more round trips than any other look.
    """
    instance = sources.instance
    after = database_address(instance)
    occupied = bool(recorded(facts, instance)) and not ours(facts, after, before)
    move = PlannedMove(before, after, occupied=occupied)
    if occupied:
        target = find_target(instance, answer, facts, paths)
        update = inspection.find_update(instance, target, facts, paths)
        return inspection.build_plan(sources, container, target, facts, paths, update, move=move)
    as_is = as_it_is(sources, container, facts, before, paths)
    found = inspection.find(as_is, container, paths)
    target = find_target(instance, answer, found, paths)
    update = inspection.find_update(as_is.instance, target, found, paths)
    first = inspection.build_plan(as_is, container, target, found, paths, update)
    if any(_comes_first(entry, as_is) for entry in first.plan.entries):
        plan = replace(first.plan, unseen=True, database_move=replace(move, first=True))
        return replace(first, plan=plan, asked=instance)
    stale = None
    if after.inside:
        stale = next((i.since for i in kept_in(facts, before) if i.database.same(after)), None)
    seconds = _expected(instance, container, before, paths)
    move = replace(move, seconds=seconds, replaces=stale)
    return inspection.build_plan(sources, container, target, facts, paths, move=move)


def _comes_first(entry: PlanEntry, as_is: Inputs) -> bool:
    """Whether it is more than the records, which every plan ends with, and than what a move that
    failed has left, which the next one puts there anew: a password, the idle color's settings."""
    gone = entry.action == "delete"
    absent = {f"absent:{path}" for path in ALL_NEXT}
    left = gone and (entry.address in absent or entry.address in as_is.colors)
    return entry.step != "record" and not left


def _expected(
    instance: Instance, container: Container, before: DatabaseAddress, paths: Paths
) -> float | None:
    """About how long writes will stop, in seconds: as the last time, else by the size."""
    measured = measurements.read(paths, instance.id).database_move
    if measured is not None:
        return measured
    try:
        size = database_at(before, container).size()
    except DeployError:
        # Why it cannot be measured stops the apply before anything is changed.
        return None
    return SECONDS + SECONDS_PER_MB * size / 1_000_000


def as_it_is(
    sources: Inputs, container: Container, facts: Facts, before: DatabaseAddress, paths: Paths
) -> Inputs:
    """The instance as it is configured, but with the database that serves."""
    document = container.run(["cat", DOCUMENT], check=False).stdout
    database = as_it_serves(sources.instance, document, before).database
    desired = sources.instance.database
    after = database_address(sources.instance)
    password = None
    if before.same_server(after) and before.user == after.user:
        # One server knows a user by one password.
        database = replace(database, password_file=desired.password_file)
    elif not _unchanged(sources, database, paths):
        database = replace(database, password_file=None)
        if not before.inside:
            # What the host says by now need not be that server's; what serves has the right one.
            password = _in_use(container, active_color(facts), "db-password")
            password = password.removesuffix(b"\n")
    if database.admin_password_file is None or not database.admin_password_file.is_file():
        database = replace(database, admin_user=None, admin_password_file=None)
    instance = _with(sources.instance, database)
    # The host's files by now need not be what that server is reached with.
    plain = _with(sources.instance, replace(database, tls=NO_TLS))
    serving = active_color(facts)
    tls = {name: Secret(_in_use(container, serving, name)) for name in database_tls_files(instance)}
    known = replace(read_host_files(plain), database_tls=tls)
    if password:
        known = replace(known, database_password=Secret(password))
    made = gather(instance, paths, known)
    return replace(made, applied=_without_what_comes(made, sources))


def _in_use(container: Container, serving: Color, name: str) -> bytes:
    """A secret as what serves has it."""
    own = container.run(["cat", f"{SECRETS}/{serving}/{name}"], check=False).stdout
    # Before a color had secrets of its own.
    return own or container.run(["cat", f"{SECRETS}/{name}"], check=False).stdout


def _with(instance: Instance, database: Database) -> Instance:
    section = {**_plain(database), "tls": _plain(database.tls)}
    return replace(instance, database=database, document={**instance.document, "database": section})


def _plain(record: Struct) -> dict[str, object]:
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in asdict(record).items()
    }


def _unchanged(sources: Inputs, database: Database, paths: Paths) -> bool:
    """Whether the file of the old database's password holds what was last applied."""
    path = database.password_file
    if path is None or not path.is_file():
        return False
    plain = replace(database, admin_user=None, admin_password_file=None, tls=NO_TLS)
    made = gather(_with(sources.instance, plain), paths)
    desired = next(one for one in made.inside if one.address == f"file:{PASSWORD}")
    before = sources.applied.resources.get(desired.address)
    return before is not None and before.digest == applied_resource(desired).digest


def _without_what_comes(as_is: Inputs, sources: Inputs) -> Applied:
    """The last apply without what only the new database needs, or only the old one: none of it is
    stale before the data is carried over."""
    now = {resource.address for resource in as_is.inside}
    then = {resource.address for resource in sources.inside} | OF_THE_OLD
    applied = as_is.applied
    kept = {
        address: value
        for address, value in applied.resources.items()
        if address in now or address not in then
    }
    return replace(applied, resources=kept)


def around(
    system: tuple[Resource, ...],
    start: tuple[Resource, ...],
    move: PlannedMove,
    facts: Facts,
    color: Color,
) -> tuple[tuple[Resource, ...], tuple[Resource, ...]]:
    """The system step without what would shut the old database out, and the start of the color that
    is to serve from the new one, once the data is there."""
    # Together or not at all: who reaches for one with an ending does so for the others.
    login = tuple(one for one in system if isinstance(one, File) and one.path in LOGIN)
    differ = move.before.type != "sqlite" and any(one.difference(facts) for one in login)
    late = login if differ else ()
    waiting = tuple(replace(one, path=f"{one.path}-next") for one in late)
    awaited = {one.path for one in waiting}
    early: list[Resource] = [
        one
        for one in system
        if one not in late and not (isinstance(one, Absent) and one.path in awaited)
    ]
    # Before whatever reaches for it.
    at = next((at for at, one in enumerate(system) if one in late), 0)
    early[at:at] = waiting
    before, after = move.before, move.after
    stop = Freeze(
        color=color,
        before=before,
        after=after,
        ours=ours(facts, after, before),
        seconds=move.seconds,
    )
    kept = tuple(one for one in kept_in(facts, before) if not one.database.same(after))
    copied = DataCopied(color=color, before=before, after=after, kept=kept)
    site = next(at for at, one in enumerate(start) if isinstance(one, HealthCheck)) + 1
    later = (stop, copied, *late, *start[:site], WriteThaw(color=color), *start[site:])
    return tuple(early), later


def losing_nothing(settings: Iterable[Resource]) -> tuple[Resource, ...]:
    """A color's settings where the data comes along to the new database, and its secrets with the
    password of that one."""
    return tuple(_coming_along(one) for one in settings)


def _coming_along(one: Resource) -> Resource:
    if isinstance(one, Script):
        one = replace(one, triggers=(*one.triggers, f"file:{NEXT}"))
    if one.serving:
        before = one.serving
        left = tuple(key for key in before.destructive_inputs if key not in ELSEWHERE)
        one = replace(one, serving=replace(before, destructive_inputs=left))
    return one


def losing(settings: Iterable[Resource]) -> tuple[Resource, ...]:
    """A color's settings where the new database is used as it is: the old data stays there."""
    paths = [environment(color) for color in COLORS]
    return tuple(
        replace(resource, destructive=True)
        if isinstance(resource, File) and resource.path in paths
        else resource
        for resource in settings
    )


def refuse(plan: InstancePlan) -> None:
    """Raise UsageError where only a part of it would be done."""
    if plan.database_move is None or plan.database_move.first or plan.database_move.occupied:
        return
    resources = [entry.resource for entry in plan.entries]
    steps = [any(isinstance(one, kind) for one in resources) for kind in WHOLE]
    # All that is not of the move has come before: what the switch has is of it.
    if any(entry.step == "switch" for entry in plan.entries) and not all(steps):
        raise UsageError(
            "the data is carried over to another database as a whole",
            where=plan.instance,
            hint="Leave out --target.",
        )
