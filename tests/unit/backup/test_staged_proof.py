"""What is staged is proven against what the archive lists, attachments by the real script."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import pytest
from shells import HostShell

from tasks.backup.manifest import FILES, NAME
from tasks.backup.staged_proof import digests, prove_attachments, prove_rows
from tasks.errors import DatabaseError, DeployError

ATTACHMENTS = {"1": b"one", "with space\nand line": b"two", "sub/3": b""}


def prove(unpacked: Path) -> None:
    prove_attachments(cast(Any, HostShell(unpacked)), str(unpacked), "one")


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """An archive that was unpacked, with attachments that are as it lists them."""
    members = {"database/vikunja.db": "0" * 64}
    for name, content in ATTACHMENTS.items():
        path = tmp_path / FILES / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        members[f"{FILES}{name}"] = sha256(content).hexdigest()
    (tmp_path / NAME).write_text(json.dumps({"members": members}))
    return tmp_path


def test_attachments_as_the_archive_lists_them_are_proven(unpacked: Path) -> None:
    prove(unpacked)


def test_what_was_changed_is_missing_or_was_added_is_named(unpacked: Path) -> None:
    (unpacked / "files/1").write_bytes(b"other")
    (unpacked / "files/sub/3").unlink()
    (unpacked / "files/4").touch()
    with pytest.raises(DeployError, match="3 attachments are not as the archive") as failed:
        prove(unpacked)
    assert failed.value.evidence == ("files/1", "files/4", "files/sub/3")


def test_attachments_that_cannot_be_read_are_a_failure(unpacked: Path) -> None:
    (unpacked / "files").rename(unpacked / "elsewhere")
    with pytest.raises(DeployError, match="can't cd to"):
        prove(unpacked)


def test_the_tables_whose_rows_differ_are_named() -> None:
    prove_rows({"tasks": 2}, {"tasks": 2}, "one")
    with pytest.raises(DatabaseError, match="other rows") as failed:
        prove_rows({"tasks": 2, "users": 1, "gone": 0}, {"tasks": 2, "users": 3}, "one")
    assert failed.value.evidence == (
        "gone: 0 listed, None found",
        "users: 1 listed, 3 found",
    )


def test_digests_are_read_whatever_the_files_are_called() -> None:
    said = b"aa  ./1\0bb  ./with space\nand line\0"
    assert digests(said) == {"files/1": "aa", "files/with space\nand line": "bb"}
    assert digests(b"") == {}
