"""`backup`, `backups` and `verify`, as far as they go without a container."""

from __future__ import annotations

import json
import os
import random
import subprocess
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from pyrage import x25519

from tasks.age import parse_recipient
from tasks.backup.manifest import Counted
from tasks.backup.source import create_argv
from tasks.backup.stream import write_archive
from tasks.backup.take import ELSEWHERE, LEFT_OUT, Taken
from tasks.commands.backup import Backup, report
from tasks.commands.backups import Backups
from tasks.commands.verify import Verify
from tasks.model import archive as model
from tasks.model.archive import Archive, Contents, root_of, time_text
from tasks.model.lock import Lock
from tasks.model.operation_log import utc_now
from tasks.model.operations import operation
from tasks.paths import PREFIX_VARIABLE, Paths

NAME = "vikunja-main"
OWNER = x25519.Identity.generate()
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv(PREFIX_VARIABLE, str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path, NAME)
    return Paths(tmp_path)


def write_config(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        document = {
            "deployment": {"instance_id": name},
            "lxc": {"template": "bookworm"},
            "network": {
                "bridge": "br0",
                "ip_address": f"10.98.0.{10 + number}/24",
                "gateway": "10.98.0.1",
                "domain": f"{name}.example.com",
            },
            "database": {"type": "sqlite"},
            "git": {"repository": "https://git.example.com/vikunja.git"},
            "admin": {"email": "admin@example.com"},
            "backup": {"directory": str(folder / "backups")},
        }
        file = folder / ("config.yaml" if len(names) == 1 else f"many/{name}.yaml")
        file.parent.mkdir(exist_ok=True)
        file.write_text(yaml.safe_dump(document))


def make_archive(folder: Path, epoch: int, *, encrypted: bool = False) -> Archive:
    data = folder.parent.parent / "data"
    (data / "database").mkdir(parents=True, exist_ok=True)
    (data / "files").mkdir(exist_ok=True)
    (data / "files/1").write_bytes(random.Random(epoch).randbytes(1000))
    archive = Archive(epoch, folder, encrypted)
    argv = create_argv(root_of(epoch), str(data), str(data))

    def describe(counted: Counted) -> Contents:
        return Contents(
            backup_version="1.0.0",
            instance_id=NAME,
            created_at=time_text(epoch),
            vikunja_version="v1.0.0",
            vikunja_commit=None,
            database_type="sqlite",
            database_size_bytes=0,
            files_count=counted.files_count,
            files_size_bytes=counted.files_size_bytes,
            hostname="vikunja.example.com",
            backup_trigger="manual",
            tables={"tasks": 3, "users": 1},
        )

    write_archive(
        archive,
        lambda output: void(subprocess.run(argv, stdout=output, check=True)),
        describe,
        own={},
        level=2,
        expected=0,
        lock=(parse_recipient(str(OWNER.to_public())),) if encrypted else None,
    )
    return archive


def void(_: object) -> None:
    pass


@pytest.fixture
def archive(paths: Paths) -> Archive:
    return make_archive(paths.prefix / "backups" / NAME, 1729335600)


# backup


def test_an_instance_that_was_never_deployed_has_nothing_to_back_up(
    paths: Paths, capsys: Captured
) -> None:
    assert Backup().parse_execute([]) == 4
    assert capsys.readouterr() == (
        "",
        "error: vikunja-main: backup needs a deployed instance\n"
        "       Deploy it first: ./doit apply vikunja-main\n",
    )
    assert not (paths.prefix / "backups").exists()


def test_an_operation_under_way_refuses_it(paths: Paths, capsys: Captured) -> None:
    with operation(paths, NAME, "deploy"):
        assert Backup().parse_execute([]) == 5
    assert "locked by deploy by" in capsys.readouterr().err


def test_an_operation_under_way_is_waited_for(paths: Paths, capsys: Captured) -> None:
    held = Lock.acquire(paths, NAME, "deploy")
    release = threading.Timer(0.5, held.release)
    release.start()
    # Past the lock it finds out that nothing was deployed.
    assert Backup().parse_execute(["--wait", "120"]) == 4
    release.join()


def test_waiting_ends(paths: Paths) -> None:
    with operation(paths, NAME, "deploy"):
        before = time.monotonic()
        assert Backup().parse_execute(["--wait", "1"]) == 5
        assert time.monotonic() - before >= 1


def test_each_of_several_is_told_and_the_first_failure_counts(
    paths: Paths, capsys: Captured
) -> None:
    write_config(paths.prefix, "one", "two")
    with operation(paths, "one", "deploy"):
        code = Backup().parse_execute(["--json", "--config", "many"])
    assert code == 5
    captured = capsys.readouterr()
    assert [(one["instance_id"], one["exit_code"]) for one in json.loads(captured.out)] == [
        ("one", 5),
        ("two", 4),
    ]
    assert captured.err.count("error:") == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--wait", "-1"], "less than the minimum"),
        (["--level", "10"], "compression level '10' is unknown"),
        (["--level", "smal"], "compression level 'smal' is unknown"),
    ],
)
def test_wrong_usage_is_refused(
    paths: Paths, capsys: Captured, arguments: list[str], said: str
) -> None:
    assert Backup().parse_execute(arguments) == 3
    assert said in capsys.readouterr().err


# backups


def taken(archive: Archive, *left_out: str, elsewhere: str = "") -> Taken:
    metadata: Any = SimpleNamespace(total_size_bytes=1)
    return Taken(archive, metadata, (), left_out, elsewhere=elsewhere)


def test_what_an_archive_leaves_out_is_said_to_cron_as_well_and_nothing_else(
    archive: Archive, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, partial = (
        taken(archive),
        taken(archive, "extension dblink", elsewhere="s3.lan/x"),
    )
    remarks = [f"{NAME}: {LEFT_OUT}: extension dblink", f"{NAME}: {ELSEWHERE} s3.lan/x"]
    assert report({NAME: whole}, as_json=False) == 0
    assert capsys.readouterr() == ("", "")
    assert report({NAME: partial}, as_json=False) == 0
    said = capsys.readouterr()
    assert (said.out, said.err.splitlines()) == ("", remarks)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert report({NAME: partial}, as_json=False) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"{NAME}: {archive.path} (")
    assert said.err.splitlines() == remarks


def test_backups_are_listed(paths: Paths, archive: Archive, capsys: Captured) -> None:
    assert Backups().parse_execute([]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "2024-10-19T11:00:00Z" in captured.out
    assert Backups().parse_execute(["--json", NAME]) == 0
    (document,) = json.loads(capsys.readouterr().out)
    assert document["archive"] == str(archive.path)
    assert document["metadata"]["files_count"] == 1


def test_no_backup_yet_says_how_to_take_one(paths: Paths, capsys: Captured) -> None:
    assert Backups().parse_execute([]) == 0
    assert capsys.readouterr() == (
        "",
        "No backups of vikunja-main yet: ./doit backup vikunja-main\n",
    )
    assert Verify().parse_execute([]) == 4


def test_a_damaged_sidecar_is_an_error_and_the_list_is_there(
    archive: Archive, capsys: Captured
) -> None:
    archive.sidecar.write_text("{")
    assert Backups().parse_execute([]) == 1
    captured = capsys.readouterr()
    assert archive.name in captured.out
    assert "is damaged" in captured.err


# verify


@pytest.mark.parametrize("by", ["nothing", "id", "path", "relative path", "link"])
def test_a_whole_archive_is_found_whole_and_marked(
    paths: Paths, archive: Archive, capsys: Captured, by: str
) -> None:
    argument = {
        "nothing": [],
        "id": [NAME],
        "path": [str(archive.path)],
        "relative path": [str(archive.path.relative_to(paths.prefix))],
        "link": [str(archive.folder / "latest")],
    }[by]
    assert Verify().parse_execute(argument) == 0
    captured = capsys.readouterr()
    assert captured.out == (
        f"{archive.path}: whole: Vikunja v1.0.0 on sqlite, 4 rows in 2 tables, 1 files\n"
    )
    assert captured.err == ""
    assert model.linked(archive.folder, "verified") == archive


def test_a_damaged_one_is_exit_1_and_says_what_to_do(archive: Archive, capsys: Captured) -> None:
    whole = bytearray(archive.path.read_bytes())
    whole[len(whole) // 2] ^= 1
    archive.path.write_bytes(whole)
    assert Verify().parse_execute([]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"error: {archive.path}: the archive is damaged: a block" in captured.err
    assert "./doit backups" in captured.err
    assert model.linked(archive.folder, "verified") is None


def test_all_checks_every_one(archive: Archive, capsys: Captured) -> None:
    second = make_archive(archive.folder, archive.epoch + 1)
    archive.path.write_bytes(b"x" * 100)
    assert Verify().parse_execute([]) == 0
    capsys.readouterr()
    assert Verify().parse_execute(["--all", "--json"]) == 1
    documents = json.loads(capsys.readouterr().out)
    assert [(one["archive"], one["whole"]) for one in documents] == [
        (str(second.path), True),
        (str(archive.path), False),
    ]


def test_an_encrypted_one_opens_with_its_key_only(
    paths: Paths, archive: Archive, capsys: Captured
) -> None:
    sealed = make_archive(archive.folder, archive.epoch + 1, encrypted=True)
    identity = paths.prefix / "key.txt"
    identity.write_text(f"# created: {utc_now()}\n{OWNER}\n")
    assert Verify().parse_execute([]) == 0
    captured = capsys.readouterr()
    assert "to the byte" in captured.out
    assert "was not checked" in captured.err
    assert model.linked(archive.folder, "verified") is None
    assert Verify().parse_execute(["--identity", "key.txt"]) == 0
    assert "whole: Vikunja v1.0.0" in capsys.readouterr().out
    assert model.linked(archive.folder, "verified") == sealed
    identity.write_text(f"{x25519.Identity.generate()}\n")
    assert Verify().parse_execute(["--identity", "key.txt"]) == 3
    assert "for another key" in capsys.readouterr().err
    identity.write_text(f"{OWNER}x\n")
    assert Verify().parse_execute(["--identity", "key.txt"]) == 3
    assert "AGE-SECRET" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argument", "code", "said"),
    [
        ("/nowhere/1.tar.gz", 4, "there is no such archive"),
        ("config.yaml", 3, "not the name of an archive"),
        ("vikunja-mian", 4, "no instance 'vikunja-mian'"),
    ],
)
def test_what_is_no_archive_is_named(
    paths: Paths, capsys: Captured, argument: str, code: int, said: str
) -> None:
    assert Verify().parse_execute([argument]) == code
    assert said in capsys.readouterr().err
