"""What `./doit` makes of what is typed; a program that says what it is told stands for doit."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tasks.paths import ROOT


@pytest.fixture
def wrapper(tmp_path: Path) -> Path:
    """The wrapper in a checkout whose .venv is made already."""
    shutil.copy(ROOT / "doit", tmp_path)
    program = tmp_path / ".venv/bin/doit"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    program.chmod(0o755)
    for name in ("pyproject.toml", "requirements.lock", ".venv/.made"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (2, 2) if name.startswith(".venv") else (1, 1))
    return tmp_path / "doit"


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ([], ["help"]),
        (["-h"], ["help"]),
        (["--help", "plan"], ["help", "plan"]),
        (["plan", "--help"], ["help", "plan"]),
        (["list", "-h"], ["help", "list"]),
        (["plan", "--json", "-h"], ["plan", "--json", "-h"]),
        (["-n", "4", "build:a b"], ["-n", "4", "build:a b"]),
        (["--version"], ["--version"]),
    ],
)
def test_help_is_help_however_it_is_asked_for(
    wrapper: Path, typed: list[str], told: list[str]
) -> None:
    done = subprocess.run([wrapper, *typed], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == told


def test_an_empty_argument_is_refused(wrapper: Path) -> None:
    done = subprocess.run([wrapper, "plan", ""], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "error: an empty argument on the command line\n"
