"""Whatever an apply refuses, a step alone refuses: the same code, words, records and message."""

from __future__ import annotations

import os
import re
import runpy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from mail_server import MailServer
from model_container import Place
from model_site import NAME, Site, model_site
from single_steps import by_step, errors, step

from tasks import builds
from tasks.commands.apply import Apply
from tasks.commands.backup import Backup
from tasks.containers import spec_for
from tasks.model import operations
from tasks.model import state as states
from tasks.model.operations import Ended, operation
from tasks.paths import ROOT
from tasks.planning import inspection

DATABASE = "/var/lib/vikunja/vikunja.db"
FIRST, SECOND = "20250101000000", "20250901120000"

Way = Callable[[Site], int]
Line = TypeVar("Line", str, tuple[str, str])


def by_apply(site: Site) -> int:
    code: int = Apply().parse_execute(["--yes", "--config", str(site.config)])
    return code


@dataclass
class Outcome:
    """What came of one way: all that a user, the records and whoever is told see of it."""

    code: int
    errors: list[str]
    log: list[str]
    state: tuple[str, ...] | None
    reported: list[tuple[str, str]]
    done: list[tuple[str, str]]


def outcome(
    way: Way,
    arrange: Callable[[Site, pytest.MonkeyPatch], Any],
    capsys: pytest.CaptureFixture[str],
) -> Outcome:
    """What one way comes to on a site of its own."""
    with pytest.MonkeyPatch.context() as patch, model_site(patch) as site:
        with ended_operations() as reported, arranged(arrange(site, patch)):
            site.world.log.clear()
            reported.clear()
            log = site.paths.log(NAME)
            before = log.read_text().splitlines() if log.exists() else []
            capsys.readouterr()
            code = way(site)
            said = capsys.readouterr().err.splitlines()
        now = log.read_text().splitlines() if log.exists() else []
        state = states.read(site.paths, NAME)

        def plain(line: str) -> str:
            return same(line.replace(str(site.folder), "FOLDER"))

        return Outcome(
            code,
            [plain(line) for line in errors(said)],
            built_first([plain(line) for line in now[len(before) :]]),
            (state.status, state.last_operation, state.last_operation_status) if state else None,
            [(end.operation, plain(str(end.error))) for end in reported],
            built_first([(plain(address), how) for address, how in site.world.log]),
        )


@contextmanager
def ended_operations() -> Iterator[list[Ended]]:
    reported: list[Ended] = []
    operations.when_ended(reported.append)
    yield reported


@contextmanager
def arranged(held: Any) -> Iterator[None]:
    """What an arrangement gives is held for as long as the way takes."""
    if held is None:
        yield
    else:
        with held:
            yield


def built_first(lines: list[Line]) -> list[Line]:
    """The same with what is said of a build before all else: it is made beside that."""
    return sorted(lines, key=lambda line: "artifact:" not in str(line))


def same(line: str) -> str:
    """A line without what is another in every run: when, how long, which commit."""
    line = re.sub(r"^\[[^]]*\] ", "", line)
    line = re.sub(r"\b[0-9]+(\.[0-9]+)? ?s\b", "TIME", line)
    line = re.sub(r"\d{4}-\d\d-\d\dT[0-9:]+Z", "WHEN", line)
    return re.sub(r"\b[0-9a-f]{7,64}\b", "HASH", line)


def deployed(site: Site) -> None:
    site.repository.commit(migrations=[FIRST])
    site.deploy()
    site.machine.migrations = f"SCHEMA_INIT {FIRST}"


def edited(site: Site, *_: object) -> None:
    deployed(site)
    site.document["network"]["domain"] = "other.example.com"
    site.write()


def migrations_are_refused(site: Site, *_: object) -> None:
    deployed(site)
    site.document["update"] = {"migrations": "refuse"}
    site.write()
    site.repository.commit(migrations=[FIRST, SECOND])


def database_is_newer(site: Site, *_: object) -> None:
    deployed(site)
    site.repository.commit(migrations=[FIRST])
    site.machine.migrations = f"SCHEMA_INIT {FIRST} {SECOND}"


def data_would_be_lost(site: Site, *_: object) -> None:
    deployed(site)
    site.machine.files.remove(DATABASE)


def container_is_somebodys(site: Site, *_: object) -> None:
    site.world.places[NAME] = Place(spec_for(site.instance), owner=None)


def another_holds_the_lock(site: Site, *_: object) -> Any:
    edited(site)
    return operation(site.paths, NAME, "backup")


def tools_are_missing(site: Site, patch: pytest.MonkeyPatch) -> None:
    missing = ["go is not installed on this machine", "neither is node"]
    patch.setattr(builds, "check_toolchain", lambda *_: missing)


def everything_moves(site: Site, patch: pytest.MonkeyPatch) -> None:
    edited(site)
    real = inspection.inspect

    def inspecting(*arguments: Any, **more: Any) -> Any:
        site.repository.commit(migrations=[FIRST])
        return real(*arguments, **more)

    patch.setattr(inspection, "inspect", inspecting)


def leftovers_never_end(site: Site, *_: object) -> None:
    edited(site)
    site.repository.commit()
    site.machine.works_for_ever = True


def nobody_is_root(site: Site, patch: pytest.MonkeyPatch) -> None:
    edited(site)
    patch.setattr(os, "geteuid", lambda: 1000)


def repository_is_gone(site: Site, *_: object) -> None:
    edited(site)
    site.document["git"]["branch"] = "nowhere"
    site.write()


REFUSALS: dict[str, tuple[Callable[..., Any], int, str]] = {
    "migrations": (migrations_are_refused, 3, "update.migrations is refuse"),
    "newer database": (database_is_newer, 7, "the database is newer than"),
    "loss": (data_would_be_lost, 3, f"data is gone: {NAME}/sqlite-database:{DATABASE}"),
    "foreign": (container_is_somebodys, 4, f"container {NAME} exists and is not proven ours"),
    "lock": (another_holds_the_lock, 5, "backup"),
    "tools": (tools_are_missing, 9, "go is not installed on this machine"),
    "stale": (everything_moves, 21, "found: git:commit changed"),
    "leftovers": (leftovers_never_end, 5, "what an earlier run left working in it does not end"),
    "commit": (repository_is_gone, 8, "nowhere"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_step_refuses_what_an_apply_refuses_and_changes_nothing(
    environment: None, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arrange, code, words = REFUSALS[name]
    applied = outcome(by_apply, arrange, capsys)
    stepped = outcome(by_step, arrange, capsys)
    assert applied.code == code
    assert applied.done == []
    assert words in applied.errors[0]
    assert stepped == applied


def test_no_step_replaces_a_container(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    deployed(site)
    site.document["lxc"] = {"template": "bookworm"}
    site.write()
    site.world.log.clear()
    capsys.readouterr()
    assert by_step(site) == 3
    (said, hint) = errors(capsys.readouterr().err.splitlines())[:2]
    assert said == (
        f"error: {NAME}: a new container takes the place of {NAME}'s, which no step does alone"
    )
    assert hint.strip() == f"./doit apply {NAME} does it, or ./doit rebuild {NAME}."
    assert site.world.log == []


def test_neither_way_is_for_anybody_but_root(
    environment: None, capsys: pytest.CaptureFixture[str]
) -> None:
    applied = outcome(by_apply, nobody_is_root, capsys)
    stepped = outcome(by_step, nobody_is_root, capsys)
    assert (applied.code, applied.done, applied.log) == (3, [], [])
    assert applied.errors[0] == "error: apply needs root"
    assert (stepped.code, stepped.done, stepped.log) == (3, [], [])
    assert stepped.errors == [
        "error: a step needs root",
        f"       Run it as root: sudo ./doit record:{NAME}",
    ]


@pytest.mark.parametrize(
    "arrange", [lambda *_: None, edited], ids=["a first deployment", "an edit"]
)
def test_what_is_done_is_recorded_and_told_the_same(
    environment: None, arrange: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    applied, stepped = (outcome(way, arrange, capsys) for way in (by_apply, by_step))
    assert applied.code == 0 and applied.done and applied.reported[0][1] == "None"
    assert stepped == applied


@pytest.mark.parametrize("way", [by_apply, by_step])
def test_whoever_is_to_be_told_gets_a_mail_of_what_was_refused(
    environment: None, site: Site, way: Way
) -> None:
    migrations_are_refused(site)
    with MailServer() as server:
        smtp = {"host": "127.0.0.1", "encryption": "none", "port": server.port}
        site.document["notifications"] = {"mail": "smtp", "smtp": smtp}
        site.write()
        assert way(site) == 3
    assert [one.mail["Subject"] for one in server.received] == [f"[{NAME}] update failed"]


def test_a_stopped_container_is_started_and_the_rest_is_done_by_the_same_step(
    environment: None, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(site: Site, *_: object) -> None:
        edited(site)
        site.place.running = False

    applied, stepped = (outcome(way, stopped, capsys) for way in (by_apply, by_step))
    assert stepped.code == 0
    assert (f"running:{NAME}", "start") in stepped.done
    assert ("file:/etc/nginx/conf.d/vikunja.conf", "update") in stepped.done
    assert stepped == applied


def test_what_a_newer_apply_has_done_is_not_done_over_by_a_step_that_looked_before(
    environment: None, site: Site
) -> None:
    edited(site)
    namespace = runpy.run_path(str(ROOT / "dodo.py"), {"__name__": "dodo"})
    session = namespace["_session"]
    (instance,) = site.instances()
    assert not session.settled(instance, "switch")
    site.apply()
    site.world.log.clear()
    session.perform(instance, "switch")
    session.close()
    assert site.world.log == []


def test_a_backup_is_a_step_that_ends_as_the_command_does(
    environment: None,
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    taken: list[tuple[str, float]] = []

    def take_one(instance: Any, paths: Any, progress: Any, wait: float) -> None:
        taken.append((instance.id, wait))

    with monkeypatch.context() as patched:
        patched.setattr("tasks.commands.backup.take_one", take_one)
        patched.setattr("tasks.commands.backup.report", lambda *_, **__: 0)
        assert [step(f"backup:{NAME}") for _ in range(2)] == [0, 0]
    assert taken == [(NAME, 0)] * 2
    capsys.readouterr()
    by_command = Backup().parse_execute(["--config", str(site.config)])
    said = errors(capsys.readouterr().err.splitlines())
    assert step(f"backup:{NAME}") == by_command == 4
    assert errors(capsys.readouterr().err.splitlines()) == said


def test_a_step_that_is_cancelled_ends_as_cancelled(
    environment: None, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    edited(site)
    site.world.events = 0
    site.world.cancel_at = 8
    capsys.readouterr()
    assert by_step(site) == 20
    assert [same(line) for line in errors(capsys.readouterr().err.splitlines())] == [
        f"error: {NAME}: cancelled; blue (v1.0.0-HASH) serves on",
        f"       ./doit plan {NAME} shows what is left to do.",
    ]
    state = states.read(site.paths, NAME)
    assert state is not None and state.last_operation_status == "failure"
