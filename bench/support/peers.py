"""pyinfra and Ansible, declaring the same things in the same container."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.support import declared
from bench.support.lab import environment, said
from bench.support.measure import Command, Void
from tasks.paths import ROOT
from tasks.resources.base import Resource

REQUIREMENTS = ROOT / "bench/requirements.txt"
CONNECTION = Path(__file__).parent / "ansible"


def ensure_tools(cache: Path) -> Path:
    """The folder of the tools' programs, installed on first use. Raises Void where it fails."""
    key = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:16]
    venv = cache / f"venv-{key}"
    mark = venv / ".made"
    if not mark.exists():
        said(f"installing pyinfra and ansible-core into {venv}, once …")
        shutil.rmtree(venv, ignore_errors=True)
        quiet = ["-q", "--disable-pip-version-check"]
        for argv in (
            [sys.executable, "-m", "venv", str(venv)],
            [str(venv / "bin/pip"), "install", *quiet, "-r", str(REQUIREMENTS)],
        ):
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise Void(f"pyinfra and ansible-core could not be installed:\n{done.stderr}")
        mark.touch()
    return venv / "bin"


def enter_argv(process: int) -> list[str]:
    """Enters the container of a process as its root. It costs less than lxc-attach or ssh."""
    return ["nsenter", f"--target={process}", "--all", "--setuid=0", "--setgid=0", "--wd=/"]


def commands(
    resources: Sequence[Resource], process: int, programs: Path, work: Path
) -> tuple[Command, Command]:
    """`pyinfra --dry` and `ansible-playbook --check --diff`, ready to be run.

    Each raises Void when it is run and reports another number of resources than declared, or any
    change: what it did would not be what `plan` does.
    """
    sources = work / "sources"
    declared.write_sources(resources, sources)
    expected = declared.count(resources)
    return (
        _pyinfra(resources, expected, process, programs, work),
        _ansible(resources, expected, process, programs, work),
    )


def _pyinfra(
    resources: Sequence[Resource], expected: int, process: int, programs: Path, work: Path
) -> Command:
    shell = work / "container-sh"
    shell.write_text(f'#!/bin/sh\nexec {shlex.join(enter_argv(process))} /bin/sh "$@"\n')
    shell.chmod(0o755)
    data = {"_shell_executable": str(shell)}
    (work / "inventory.py").write_text(f"hosts = [('@local', {data!r})]\n")
    (work / "deploy.py").write_text(declared.deploy(resources, work / "sources"))
    return Command(
        "pyinfra --dry",
        (str(programs / "pyinfra"), "--dry", "-y", "inventory.py", "deploy.py"),
        environment() | {"HOME": str(work)},
        work,
        lambda output: check_pyinfra(output, expected),
    )


def check_pyinfra(output: str, expected: int) -> None:
    if f"declared {expected}, changes 0\n" not in output:
        raise Void(f"pyinfra does not find {expected} things as declared:\n{output[-3000:]}")


def _ansible(
    resources: Sequence[Resource], expected: int, process: int, programs: Path, work: Path
) -> Command:
    host = {"ansible_connection": "container", "ansible_python_interpreter": "/usr/bin/python3"}
    inventory = {"all": {"hosts": {"container": host}}}
    (work / "inventory.json").write_text(json.dumps(inventory))
    (work / "playbook.json").write_text(
        json.dumps(declared.playbook(resources, work / "sources"), indent=1)
    )
    (work / "ansible.cfg").write_text(
        f"[defaults]\nconnection_plugins = {CONNECTION}\n[connection]\npipelining = True\n"
    )
    return Command(
        "ansible-playbook --check --diff",
        (
            str(programs / "ansible-playbook"),
            *("--check", "--diff", "--inventory", "inventory.json", "playbook.json"),
        ),
        environment()
        | {
            "HOME": str(work),
            "ANSIBLE_CONFIG": str(work / "ansible.cfg"),
            "BENCH_ENTER": shlex.join(enter_argv(process)),
            "LC_ALL": "C.UTF-8",
        },
        work,
        lambda output: check_ansible(output, expected),
    )


def check_ansible(output: str, expected: int) -> None:
    recap = re.search(r"ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", output)
    if recap is None or recap.groups() != (str(expected), "0", "0", "0"):
        raise Void(f"Ansible does not find {expected} things as declared:\n{output[-3000:]}")
