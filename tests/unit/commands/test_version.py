from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path

import pytest

from tasks.commands.version import Version, commit
from tasks.paths import ROOT

DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_it_says_version_and_commit(capsys: pytest.CaptureFixture[str]) -> None:
    assert Version().parse_execute([]) == 0
    assert capsys.readouterr().out.startswith(f"vikunja-deploy {DECLARED}")
    assert Version().parse_execute(["--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["version"] == DECLARED and set(found) == {"version", "commit"}
    assert Version().parse_execute(["vikunja-main"]) == 3


def test_the_commit_is_that_of_the_checkout(tmp_path: Path) -> None:
    assert commit(tmp_path) is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    (tmp_path / "file").write_text("one")
    for argv in (["init", "-q"], ["add", "file"], ["commit", "-qm", "one"], ["tag", "v9"]):
        subprocess.run([*git, *argv], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    assert commit(tmp_path) == head.stdout[:10]
    (tmp_path / "file").write_text("two")
    assert commit(tmp_path) == f"{head.stdout[:10]}-changed"


def test_every_version_has_its_changes() -> None:
    """What is released is told, and the newest that is told is what this is."""
    titles = [
        line.removeprefix("## ").split(" ")[0]
        for line in (ROOT / "CHANGELOG.md").read_text().splitlines()
        if line.startswith("## ")
    ]
    assert next(title for title in titles if title != "Unreleased") == DECLARED
