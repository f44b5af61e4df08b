"""The journal of a rebuild, and the note of what it keeps."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from jsonschema import Draft202012Validator
from msgspec.structs import replace

from tasks.errors import DeployError, ResourceError
from tasks.model import rebuild as records
from tasks.model import releases
from tasks.model.operations import operation
from tasks.model.rebuild import Place, Rebuild, Replaced
from tasks.model.releases import Releases, Served
from tasks.paths import SCHEMAS, Paths

NAME = "vikunja-main"
IDENTITY = "11111111-2222-3333-4444-555555555555"
OLD = Place(NAME, NAME, None, NAME, "vkd0", "10.1.2.3/24", "10.1.2.1")
KEPT = replace(OLD, name=f"{NAME}-old", owner=f"{NAME}-old", ip_address="", gateway="")
UNDER_WAY = Rebuild(
    instance_id=NAME,
    phase="preparing",
    begun_at="2026-11-30T07:00:00Z",
    old=OLD,
    new=replace(OLD, name=f"{NAME}-new", owner=f"{NAME}-new", ip_address="198.18.0.2/24"),
    kept=KEPT,
    old_identity=IDENTITY,
)
REPLACED = Replaced(KEPT, IDENTITY, "bookworm", "2026-11-30T07:01:00Z", 4.8)


def test_it_is_there_until_it_has_come_to_its_end(paths: Paths) -> None:
    assert records.read(paths, NAME) is None
    records.write(paths, UNDER_WAY)
    further = records.enter(paths, UNDER_WAY, "moving")
    assert records.read(paths, NAME) == further == replace(UNDER_WAY, phase="moving")
    schema = json.loads((SCHEMAS / "rebuild.schema.json").read_text())
    Draft202012Validator(schema).validate(json.loads(paths.rebuilding(NAME).read_text()))
    records.remove(paths, NAME)
    records.remove(paths, NAME)
    assert records.read(paths, NAME) is None


def test_a_damaged_one_is_refused_with_what_to_do(paths: Paths) -> None:
    paths.rebuilding(NAME).parent.mkdir(parents=True)
    paths.rebuilding(NAME).write_text('{"phase": "done"}')
    with pytest.raises(DeployError) as caught:
        records.read(paths, NAME)
    assert "Look which containers there are" in caught.value.hint


@pytest.mark.parametrize("phase", ["frozen", "moving", "committed"])
def test_nothing_else_begins_while_which_container_serves_is_open(
    paths: Paths, phase: records.Phase
) -> None:
    records.enter(paths, UNDER_WAY, phase)
    with pytest.raises(ResourceError) as caught, operation(paths, NAME, "deploy"):
        raise AssertionError
    assert str(caught.value) == (
        "vikunja-main: a rebuild is under way, or broke off, while one container takes another's "
        "place"
    )
    assert caught.value.hint == (
        "./doit rebuild --recover vikunja-main puts in order what is left of it."
    )


def test_what_broke_off_before_that_keeps_nobody_from_anything(paths: Paths) -> None:
    records.refuse_rebuilding(paths, NAME)
    records.write(paths, UNDER_WAY)
    with operation(paths, NAME, "deploy"):
        pass


def test_old_containers_are_kept_in_their_order_each_once(paths: Paths) -> None:
    assert records.kept(paths, NAME) == ()
    second = replace(
        REPLACED,
        place=replace(KEPT, name=f"{NAME}-old2"),
        identity=IDENTITY.replace("1", "2"),
    )
    records.keep(paths, NAME, REPLACED)
    records.keep(paths, NAME, REPLACED)
    records.keep(paths, NAME, second)
    assert records.kept(paths, NAME) == (REPLACED, second)
    schema = json.loads((SCHEMAS / "replaced.schema.json").read_text())
    Draft202012Validator(schema).validate(json.loads(paths.replaced(NAME).read_text()))
    records.forget(paths, NAME, REPLACED.place.name)
    assert records.kept(paths, NAME) == (second,)
    records.forget(paths, NAME, second.place.name)
    records.forget(paths, NAME, second.place.name)
    assert not paths.replaced(NAME).exists()


def test_each_gets_a_name_of_its_own() -> None:
    def first_suffix(containers: tuple[records.Replaced, ...], name: str) -> str:
        return next(records.next_suffixes(containers, name))

    assert first_suffix((), NAME) == "-old"
    assert first_suffix((REPLACED,), NAME) == "-old2"
    second = replace(REPLACED, place=replace(KEPT, name=f"{NAME}-old2"))
    assert first_suffix((second,), NAME) == "-old"


def test_it_is_kept_for_so_many_days() -> None:
    assert REPLACED.until(7) == datetime(2026, 12, 7, 7, 1, tzinfo=UTC)
    assert REPLACED.until(0) == datetime(2026, 11, 30, 7, 1, tzinfo=UTC)


def test_a_release_that_was_built_anew_is_none_that_could_be_gone_back_from() -> None:
    before = Served("a" * 64, None, "v0.9", None)
    serving = Served("b" * 64, None, "v1.0", None)
    known = Releases((serving, before), serving.key, ())
    rebuilt = releases.rebuilt(known, "c" * 64)
    assert rebuilt.current == "c" * 64
    assert [one.version for one in rebuilt.served] == ["v1.0", "v0.9"]
    assert releases.before(rebuilt, "c" * 64) == before
