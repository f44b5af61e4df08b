"""What `uninstall` asks, and what it says goes and stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from instance_samples import sample_instance
from msgspec.structs import replace

from tasks.commands.uninstall import asked, what_goes, what_stays
from tasks.containers import container_for
from tasks.errors import CancelledError, UsageError
from tasks.model.instance import Instance
from tasks.output import console
from tasks.paths import Paths
from tasks.workflows.remains import Remains
from tasks.workflows.uninstall import UninstallRequest

NAME = "vikunja-main"


def remains(instance: Instance) -> Remains:
    return Remains((container_for(instance, Paths(Path("/nowhere"))),), True, None, ())


def answer(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Somebody at a terminal who types these; returns what they were asked."""
    questions: list[str] = []
    left = list(answers)

    def ask(question: str) -> str:
        questions.append(question)
        return left.pop(0)

    monkeypatch.setattr(console, "interactive", lambda: True)
    monkeypatch.setattr(console, "ask", ask)
    return questions


@pytest.mark.parametrize(
    ("typed", "backup"), [("", True), ("y", True), ("n", False), ("No", False)]
)
def test_a_last_backup_is_offered_and_the_id_has_to_be_typed(
    monkeypatch: pytest.MonkeyPatch, typed: str, backup: bool
) -> None:
    instance = sample_instance()
    questions = answer(monkeypatch, typed, NAME)
    assert asked(instance, remains(instance), UninstallRequest()).backup is backup
    assert questions == [
        "Take a last backup first? [Y/n] ",
        f"Type {NAME} to remove it: ",
    ]


@pytest.mark.parametrize("typed", ["", "y", "yes", "vikunja-mian"])
def test_anything_but_the_id_removes_nothing(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    instance = sample_instance()
    answer(monkeypatch, "y", typed)
    with pytest.raises(CancelledError, match="nothing was removed"):
        asked(instance, remains(instance), UninstallRequest())


def test_where_there_is_nothing_to_back_up_no_backup_is_offered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    instance = sample_instance()
    questions = answer(monkeypatch, NAME, NAME)
    asked(instance, replace(remains(instance), containers=()), UninstallRequest())
    asked(instance, remains(instance), UninstallRequest(backup=False))
    assert questions == [f"Type {NAME} to remove it: "] * 2


def test_nobody_to_ask_is_told_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "interactive", lambda: False)
    instance = sample_instance()
    with pytest.raises(UsageError) as caught:
        asked(instance, remains(instance), UninstallRequest())
    assert f"./doit uninstall --yes {NAME}" in caught.value.hint


def test_what_goes_and_what_stays_is_said(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    bucket = {
        "endpoint": "https://s3.example.com",
        "bucket": "tasks",
        "access_key": "A",
        "secret_file": "/s",
    }
    instance = sample_instance(
        backup={"directory": str(tmp_path)},
        database={"type": "mysql", "host": "db.example.com", "password_file": "/p"},
        vikunja={"files": {"type": "s3", "s3": bucket}},
    )
    there = remains(instance)
    assert what_goes(instance, there, UninstallRequest()) == [
        f"Of {NAME} go:",
        f"  container {NAME} (10.98.0.10/24), with everything in it",
        "  its registry entry, records and state on this machine",
        f"Before that a last backup is taken into {tmp_path / NAME}",
    ]
    assert (
        what_goes(instance, there, UninstallRequest(backup=False))[-1]
        == "Before that no backup is taken"
    )
    kept = what_goes(instance, there, UninstallRequest(backup=False, keep_data=True))
    assert kept[1].endswith("is stopped and stays")
    assert len(kept) == 3
    copied = replace(there, copies=("copy",))
    assert what_stays(instance, copied, UninstallRequest(), "")[0] == (
        f"Container copy stays as it is: it says that it is {NAME}'s, a copy"
    )
    assert what_stays(instance, there, UninstallRequest(), "/b/1.tar.gz") == [
        "Its last backup: /b/1.tar.gz",
        "Its database vikunja on db.example.com was not touched",
        "Its attachments in bucket tasks, files/, at https://s3.example.com were not touched",
        f"Its backups stay in {tmp_path / NAME}",
    ]
    socket = sample_instance(
        backup={"directory": str(tmp_path)},
        database={"type": "mysql", "host": "/srv/mysqld.sock", "password_file": "/p"},
    )
    assert what_stays(socket, there, UninstallRequest(), "")[0] == (
        "Its database vikunja on /srv/mysqld.sock is gone with the container where its server was "
        "there, else was not touched"
    )
    kept = what_stays(socket, there, UninstallRequest(keep_data=True), "")
    assert kept[1] == "Its database vikunja on /srv/mysqld.sock was not touched"
    kept = what_stays(instance, there, UninstallRequest(keep_data=True), "")
    assert kept[0] == (
        "Its container stays, stopped, and nothing starts it by itself: "
        f"./doit apply {NAME} takes it over again"
    )
