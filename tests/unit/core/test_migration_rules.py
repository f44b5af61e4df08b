"""Which migrations a version would run, what that takes, and what of it is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from instance_samples import sample_instance
from msgspec.structs import replace

from tasks.desired.release import ReleaseTarget
from tasks.errors import DatabaseError, UsageError
from tasks.model.plan import InstancePlan, PlanEntry
from tasks.model.update import PlannedUpdate, Version
from tasks.paths import Paths
from tasks.planning.migrations import (
    around,
    beyond,
    going_on,
    ids_of,
    known,
    pending,
    refuse,
    refuse_unfit,
    shown,
)
from tasks.resources.base import Resource
from tasks.resources.migration import BackupBefore, Rehearsal, WriteFreeze, WriteThaw
from tasks.resources.release import ActiveColor, HealthCheck
from tasks.resources.system import Unit

A, B, C, D = (f"2025010{n}000000" for n in range(1, 5))


def test_ids_are_those_of_files_named_by_fourteen_digits() -> None:
    names = [f"{B}.go", f"{A}.go", f"{C}.go.orig", f"x{C}.go", "2025.go", "catalog.go", f"{D}.sql"]
    assert ids_of(names) == (A, B)


@pytest.mark.parametrize(
    ("wanted", "found", "to_run", "unknown"),
    [
        ([A, B], [A, B], (), ()),
        ([B, A, C], [A], (B, C), ()),
        ([A], [C, A, B], (), (B, C)),
        ([A, C], [A, B], (C,), (B,)),
        # A version may fold its oldest ones into one.
        ([B, C], [A, B, C], (), ()),
        # What is not of this kind is none.
        ([A], [A, "SCHEMA_INIT"], (), ()),
        ([], [A], (), ()),
    ],
)
def test_what_is_pending_and_what_a_version_is_too_old_for(
    wanted: list[str], found: list[str], to_run: tuple[str, ...], unknown: tuple[str, ...]
) -> None:
    assert pending(wanted, found) == to_run
    assert beyond(wanted, found) == unknown


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        ([A], f"1 migration ({A})"),
        ([A, B], f"2 migrations ({A}, {B})"),
        ([A, B, C, D], f"4 migrations ({A}, {B}, {C}, {D})"),
        ([A, B, C, D, D], f"5 migrations ({A}, {B}, {C}, {D} …)"),
    ],
)
def test_long_lists_of_migrations_are_cut(ids: list[str], text: str) -> None:
    assert shown(ids) == text


def test_nothing_is_known_of_a_version_without_a_repository_or_a_commit(tmp_path: Path) -> None:
    with_git = sample_instance()
    archive = sample_instance(
        git=None,
        release={"url": "https://example.com/a.zip", "sha256": "0" * 64, "version": "v1.0.0"},
    )
    paths = Paths(tmp_path)
    assert known(with_git, ReleaseTarget(None, "k"), paths) is None
    assert known(archive, ReleaseTarget("0" * 40, "k"), paths) is None


UPDATE = PlannedUpdate(
    before=Version("1" * 40, "v1.0.0"),
    after=Version("2" * 40, "v2.0.0"),
    commits=1,
    dropped=0,
    pending=(A,),
    beyond=(),
    mode="rehearse",
    write_stop_seconds=None,
    way_back="restore",
    way_back_seconds=None,
)
BACKEND = Unit(unit="backend.service")
SITE = HealthCheck(site="https://example.com:443", timeout=60)
SWITCH: tuple[Resource, ...] = (
    BACKEND,
    ActiveColor(color="green"),
    SITE,
    Unit(unit="last.service"),
)
TRIED = (
    Rehearsal(color="green", pending=(A,), label="2222222 (v2.0.0)"),
    BackupBefore(pending=(A,)),
    WriteFreeze(color="green", pending=(A,)),
)


def test_an_update_with_migrations_is_tried_backed_up_and_ends_its_write_stop_once_it_answers() -> (
    None
):
    assert around(UPDATE, SWITCH, "green") == (
        *TRIED,
        *SWITCH[:3],
        WriteThaw(color="green"),
        SWITCH[3],
    )
    assert around(UPDATE, SWITCH, "green")[3:] == going_on(SWITCH, "green")


def test_one_that_will_be_refused_since_the_database_is_newer_is_shown_without_a_write_stop() -> (
    None
):
    assert around(replace(UPDATE, beyond=(B,)), SWITCH, "green") == SWITCH


def plan_of(update: PlannedUpdate | None, *resources: Resource) -> InstancePlan:
    entries = tuple(
        PlanEntry("one", "switch", resource.address, "run", (), resource=resource)
        for resource in resources
    )
    return InstancePlan("one", entries, {}, {}, update=update)


WHOLE = around(UPDATE, SWITCH, "green")


@pytest.mark.parametrize(
    "plan",
    [
        plan_of(None, *SWITCH),
        plan_of(UPDATE, *WHOLE),
        # Nothing of what changes the database.
        plan_of(UPDATE, BACKEND),
        plan_of(UPDATE),
        plan_of(replace(UPDATE, mode="online"), *SWITCH),
        plan_of(replace(UPDATE, mode="refuse", pending=()), *SWITCH),
    ],
)
def test_what_is_whole_and_may_be_is_not_refused(plan: InstancePlan) -> None:
    refuse(plan)


@pytest.mark.parametrize("left_out", range(6))
def test_a_part_of_an_update_that_changes_the_database_is_refused(left_out: int) -> None:
    steps = [one for one in WHOLE if not isinstance(one, Unit)]
    del steps[left_out]
    with pytest.raises(UsageError, match="is done as a whole") as caught:
        refuse(plan_of(UPDATE, *steps))
    assert (caught.value.where, caught.value.hint) == ("one", "Leave out --target.")


@pytest.mark.parametrize(
    ("ids", "what", "evidence"),
    [
        ((A,), "2222222 (v2.0.0) changes the database", [f"pending: 1 migration ({A})"]),
        (None, "2222222 (v2.0.0) may change the database", []),
    ],
)
def test_migrations_are_refused_where_the_configuration_says_so(
    ids: tuple[str, ...] | None, what: str, evidence: list[str]
) -> None:
    with pytest.raises(UsageError) as caught:
        refuse(plan_of(replace(UPDATE, mode="refuse", pending=ids), *SWITCH))
    assert caught.value.what == f"{what}, and update.migrations is refuse"
    assert caught.value.where == "one" and list(caught.value.evidence) == evidence


def test_a_database_that_is_newer_than_the_version_is_refused_before_anything_else() -> None:
    with pytest.raises(DatabaseError) as caught:
        refuse(plan_of(replace(UPDATE, beyond=(B,), mode="refuse"), *SWITCH))
    assert caught.value.what == (
        f"the database is newer than 2222222 (v2.0.0): it has been through 1 migration ({B})"
    )
    assert caught.value.where == "one"


@pytest.mark.parametrize(
    ("version", "database", "what"),
    [
        (None, [A, B], None),
        ((A, B), [A, B, "SCHEMA_INIT"], None),
        ((A,), [A, B], f"v1 does not know 1 migration ({B})"),
        ((A, B), [A], f"v1 would run 1 migration ({B})"),
        ((A, C), [A, B], f"v1 does not know 1 migration ({B})"),
    ],
)
def test_a_database_that_comes_back_has_exactly_the_migrations_of_its_version(
    version: tuple[str, ...] | None, database: list[str], what: str | None
) -> None:
    if what is None:
        refuse_unfit(version, database, "v1", "one")
        return
    with pytest.raises(DatabaseError) as caught:
        refuse_unfit(version, database, "v1", "one")
    error: Any = caught.value
    assert error.what == f"the archive's database is not as v1 left it: {what}"
    assert error.where == "one" and "./doit restore one --from ARCHIVE" in error.hint
