"""What `./doit` makes of what is typed; a program that says what it is told stands for doit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
import sh

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
    ("typed", "reported"),
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
    wrapper: Path, typed: list[str], reported: list[str]
) -> None:
    done = subprocess.run([wrapper, *typed], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == reported


def test_an_empty_argument_is_refused(wrapper: Path) -> None:
    done = subprocess.run([wrapper, "plan", ""], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "error: an empty argument on the command line\n"


PYTHON = """#!/bin/sh
echo "python3 $*" >>"$LOG"
[ "$2" != venv ] || for name in python pip doit; do
	printf '#!/bin/sh\\n' >"$3/bin/$name"
	chmod 755 "$3/bin/$name"
done
"""


def test_what_a_demo_needs_of_the_machine_is_made_while_its_venv_is(wrapper: Path) -> None:
    (wrapper.parent / ".venv/.made").unlink()
    programs = wrapper.parent / "programs"
    programs.mkdir()
    log = wrapper.parent / "log"
    for name, text in {
        "id": "echo 0",
        "python3": PYTHON,
        "setpriv": 'echo "setpriv $*" >>"$LOG"',
    }.items():
        (programs / name).write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    environment = {"PATH": f"{programs}:/usr/bin:/bin", "LOG": str(log)}
    subprocess.run([wrapper, "plan"], env=environment, capture_output=True, check=True)
    assert "setpriv" not in log.read_text()
    (wrapper.parent / ".venv/.made").unlink()
    subprocess.run([wrapper, "demo"], env=environment, capture_output=True, check=True)
    python = wrapper.parent / ".venv/bin/python"
    ahead = f"setpriv --pdeathsig TERM {python} -P -m tasks.containers.lxc.ahead"
    deadline = time.monotonic() + 10
    while ahead not in log.read_text().splitlines():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.01)


def test_what_a_demo_needs_of_the_machine_takes_msgspec_and_sh_alone(tmp_path: Path) -> None:
    for module in (msgspec, sh):
        assert module.__file__ is not None
        (tmp_path / module.__name__).symlink_to(Path(module.__file__).parent)
    environment = {"PYTHONPATH": f"{ROOT}:{tmp_path}"}
    code = (
        "import tasks.containers.lxc.ahead; from tasks.host.process import run; run(['/bin/true'])"
    )
    subprocess.run([sys.executable, "-S", "-P", "-c", code], env=environment, check=True)
