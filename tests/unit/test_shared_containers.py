"""Tests that share containers run in one worker, so that each container is made once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SUPPORT = Path(__file__).parents[1] / "support"
NOTES = """
import os, pathlib, pytest

@pytest.mark.parametrize("number", range(4))
def test_it(number):
    note = pathlib.Path(__file__).with_suffix("." + os.environ["PYTEST_XDIST_WORKER"])
    note.write_text("ran")
"""
FOLDER = [f"tests/lab/one/test_{number}.py" for number in range(4)]
ALONE = [f"tests/lab/test_alone_{number}.py" for number in range(8)]


def test_the_files_of_a_folder_of_the_lab_stay_together_and_all_others_do_not(
    tmp_path: Path,
) -> None:
    for name in FOLDER + ALONE:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(NOTES)
    plugins = ("-p", "shared_containers", "-p", "xdist", "-p", "no:cacheprovider")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV"))}
    at_once = ("--numprocesses", "2", "--dist", "loadfile", "--import-mode", "importlib")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--disable-plugin-autoload", *plugins, *at_once],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(SUPPORT)},
        capture_output=True,
        text=True,
    )
    assert "48 passed" in done.stdout, done.stdout
    workers = [{p.suffix for p in (tmp_path / name).parent.glob("test_*.gw*")} for name in FOLDER]
    assert len(workers[0]) == 1
    assert {p.suffix for p in (tmp_path / "tests/lab").glob("test_*.gw*")} == {".gw0", ".gw1"}
