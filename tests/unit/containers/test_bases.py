from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.containers.lxc.bases import bases_folder, keep_base
from tasks.host.locks import locked
from tasks.paths import ROOT, Paths

KEEP = """
import sys
from pathlib import Path
from tasks.containers.lxc.bases import keep_base
from tasks.host.locks import locked
from tasks.paths import Paths
paths, cached = Paths(Path(sys.argv[1])), Path(sys.argv[2])
with locked(paths.lxc / "lock", handed_on=True) as lock:
    keep_base(paths, cached, "one", lock)
"""

SLOW_CP = """\
#!/bin/sh
echo begun >"$GATE/begun"
read -r word <"$GATE/go"
exec /bin/cp "$@"
"""


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    made = Paths(tmp_path / "prefix")
    made.lxc.mkdir(parents=True)
    return made


@pytest.fixture
def cached(tmp_path: Path) -> Path:
    root = tmp_path / "cache" / "key" / "root"
    root.mkdir(parents=True)
    (root / "file").write_text("there")
    return root


def test_a_kept_one_is_a_twin_without_a_copy(paths: Paths, cached: Path) -> None:
    with locked(paths.lxc / "lock", handed_on=True) as lock:
        kept = keep_base(paths, cached, "one", lock)
    assert kept == bases_folder(paths) / "key"
    assert (kept / "file").stat().st_ino == (cached / "file").stat().st_ino


def test_a_killed_one_is_waited_for_until_nothing_writes_any_more(
    paths: Paths, cached: Path, tmp_path: Path
) -> None:
    gate, programs = tmp_path / "gate", tmp_path / "bin"
    gate.mkdir()
    programs.mkdir()
    for name in ("begun", "go"):
        os.mkfifo(gate / name)
    (programs / "cp").write_text(SLOW_CP)
    (programs / "cp").chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, "-c", KEEP, str(paths.prefix), str(cached)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{programs}:/bin", "GATE": str(gate)},
    )
    assert (gate / "begun").read_text() == "begun\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    with (paths.lxc / "lock").open() as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    (gate / "go").write_text("go\n")
    with locked(paths.lxc / "lock", handed_on=True) as held:
        kept = keep_base(paths, cached, "one", held)
    assert (kept / "file").read_text() == "there"
    assert not (bases_folder(paths) / ".key").exists()
