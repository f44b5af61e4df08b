"""Every shell script of the tree through shfmt and shellcheck, as it really runs.

    .venv/bin/python tests/support/shell_lint.py

Most scripts are put together before they run: they are checked as what they are put together to,
and a finding is named by the file and line that it comes from. A script that no text here holds is
a finding, too. Exit code 1 where there is any.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from instance_samples import sample_instance  # noqa: E402
from model_container import known_texts, script_names  # noqa: E402

from tasks.backup import cutover, running_instance, staged_proof, staging, take  # noqa: E402
from tasks.builds import builder, caches, fetching, making, toolchain  # noqa: E402
from tasks.checks import settings as checked  # noqa: E402
from tasks.containers.lxc import boot, rootfs  # noqa: E402
from tasks.containers.proxmox import guest_access, stream, view  # noqa: E402
from tasks.databases import base as databases  # noqa: E402
from tasks.databases import copier, trial, watchdog  # noqa: E402
from tasks.desired.rendering import render  # noqa: E402
from tasks.desired.system import templated  # noqa: E402
from tasks.guest.runner import GuestScript, script_text, while_stopped  # noqa: E402
from tasks.imports import attachments, data, live  # noqa: E402
from tasks.logs import reading  # noqa: E402
from tasks.model.instance import DatabaseType, Instance  # noqa: E402
from tasks.resources.observe import observer  # noqa: E402
from tasks.status import measured  # noqa: E402
from tasks.workflows import application, service_scripts  # noqa: E402
from tasks.workflows.rebuild import data as rebuild_data  # noqa: E402
from tasks.workflows.rebuild import rebuild, recovery  # noqa: E402

Shell = Literal["sh", "bash"]

ENGINES: tuple[DatabaseType, ...] = ("sqlite", "postgresql", "mysql")
SENT = (
    application.APPLICATION,
    builder.END,
    builder.INSTALL,
    builder.PREPARE,
    checked.TRUSTING,
    cutover.ATTACHMENTS,
    cutover.HEALTH,
    copier.COPY_ROWS,
    reading.LOGS,
    *trial.TRIALS.values(),
    rebuild.CLOSE,
    rebuild_data.CARRY_OUT,
    rebuild_data.GONE,
    rebuild_data.IN,
    rebuild_data.LIST,
    rebuild_data.OUT,
    recovery.OPEN,
    running_instance.CONTENTS,
    service_scripts.RESTART,
    service_scripts.RETIRE,
    service_scripts.START,
    service_scripts.STOP,
    attachments.BROUGHT,
    attachments.RECEIVE,
    attachments.REMOVE,
    data.DATA,
    data.READ,
    live.FILES,
    staged_proof.DIGESTS,
    staging.MAKE_FOLDER,
    take.SHOW,
    watchdog.RECOVER,
)
WITHOUT_REASON = re.compile(r"#\s*shellcheck\s+disable=[\w,]++(?! # \S)", re.MULTILINE)
UNUSED = (2034, 2317)
"""shellcheck's codes for a variable that nobody reads, and for a command that is never reached."""
SHEBANG = re.compile(r"#!/bin/(sh|bash)\n")


@dataclass(frozen=True)
class Text:
    """What one call of a shell gets. ours: its form is a matter of shfmt, too."""

    name: str
    shell: Shell
    text: str
    ours: bool = False


def texts() -> Iterator[Text]:
    yield from _composed()
    yield from _embedded()
    yield from _rendered()
    for path in files():
        shebang = SHEBANG.match(path.read_text())
        if shebang:
            yield Text(_name(path), "bash" if shebang[1] == "bash" else "sh", path.read_text())
    for name in ("database_host", "database_tls", "package_source", "security_update"):
        yield Text(name, "sh", (ROOT / f"tests/lab/{name}.sh").read_text())


def _composed() -> Iterator[Text]:
    for text, name in known_texts().items():
        if name not in script_names() or "apply_" in script_text(name):
            yield Text(name, "sh", text)
    for name in script_names():
        if "probe_" in script_text(name):
            yield _sent(observer([("probe", name)]), name)
    for instance in _instances():
        needed = measured.needed_scripts(instance)
        yield _sent(observer([("probe", "measure")], needed), "measure")
        names = [*needed, "migrations"]
        yield _sent(observer([("probe", name) for name in names]), "migrations")
    for engine in ENGINES:
        yield _sent(databases.script(engine))
        yield _sent(cutover.cutover_script(engine), engine)
    for script in SENT:
        yield _sent(script)
    yield Text("guard", "bash", watchdog.guard_text("/home", 60))
    yield Text("while-stopped", "bash", while_stopped([])[2])
    yield Text("look", "sh", view.look_text())
    yield Text(caches.SCRIPT, "sh", script_text(caches.SCRIPT))


def _sent(script: GuestScript, what: str = "") -> Text:
    return Text(f"{script.name} {what}".strip(), script.shell, script.text)


def _embedded() -> Iterator[Text]:
    """Too short for a file of their own."""
    for name, text in {
        "boot.WAIT_FOR_SYSTEM": boot.WAIT_FOR_SYSTEM,
        "fetching.GO_SCRIPT": fetching.GO_SCRIPT,
        "fetching.NPM_SCRIPT": fetching.NPM_SCRIPT,
        "inside.ASK": guest_access.ASK,
        "inside.GUARD": guest_access.GUARD,
        "inside.MARK": guest_access.MARK,
        "making.WRITE": making.WRITE,
        "rootfs.CUSTOMIZE": rootfs.CUSTOMIZE,
        "rootfs.UNSYNCED": rootfs.UNSYNCED,
        "stream.KILL": stream.KILL,
        "toolchain.PROBE": toolchain.PROBE,
    }.items():
        yield Text(name, "sh", text)


@cache
def _instances() -> tuple[Instance, ...]:
    outside = {"host": "db.example.org", "user": "tasks", "password_file": "/secret/password"}
    dns = {"provider": "route53", "credentials_file": "/secret/dns"}
    frontends = {
        "auto": {},
        "files": {"tls": "acme"},
        "environment": {"tls": "acme", "acme": {"challenge": "dns", "dns": dns}},
    }
    kinds = [{"type": engine, **more} for engine in ENGINES for more in ({}, outside)]
    return tuple(
        sample_instance(
            database=kind,
            redis={"enabled": True},
            services={"mcp": {"enabled": True}, "frontend": frontends[secrets]},
            vikunja={"secrets": secrets},
        )
        for kind in kinds
        if kind != {"type": "sqlite", **outside}
        for secrets in frontends
    )


def _rendered() -> Iterator[Text]:
    for instance in _instances():
        scripts = [item for item in templated(instance) if item.template.endswith(".sh.j2")]
        for path, rendered in render(instance, scripts).items():
            yield Text(path, "sh", rendered.content.decode(), ours=True)


@cache
def files() -> tuple[Path, ...]:
    """Shell in files: by its name, or by its first line."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return tuple(p for p in paths if p.is_file() and _is_shell(p))


def _is_shell(path: Path) -> bool:
    if path.suffix == ".sh":
        return True
    with path.open("rb") as file:
        return path.suffix != ".j2" and file.read(64).startswith((b"#!/bin/sh\n", b"#!/bin/bash\n"))


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def uncovered(checked: Sequence[Text]) -> Iterator[str]:
    for path in files():
        if not any(path.read_text() in one.text for one in checked):
            yield f"{_name(path)}: no text of {Path(__file__).name} holds it"
    used = {item.template for one in _instances() for item in templated(one)}
    for path in (ROOT / "templates").rglob("*.sh.j2"):
        if str(path.relative_to(ROOT / "templates")) not in used:
            yield f"{_name(path)}: no instance of {Path(__file__).name} renders it"


def shellcheck(one: Text) -> list[tuple[int, int, str]]:
    """Line, code and message of each finding."""
    argv = ["shellcheck", f"--shell={one.shell}", "--norc", "--format=json1", "-"]
    done = subprocess.run(argv, input=one.text, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{one.name}: shellcheck: {done.stderr.strip()}")
    comments = json.loads(done.stdout)["comments"]
    return [(found["line"], found["code"], found["message"]) for found in comments]


def evaluated(
    checked: Sequence[Text], findings: Iterable[Sequence[tuple[int, int, str]]]
) -> Iterator[str]:
    """What counts, by file and line: what is unused only where no text that has it uses it."""
    unused: dict[str, set[Text]] = {}
    for one, found in zip(checked, findings, strict=True):
        for line, code, message in found:
            said = f"{_where(one, line)}: SC{code} {message}"
            if code in UNUSED:
                unused.setdefault(said, set()).add(one)
            else:
                yield said
    for said, where in unused.items():
        path = ROOT / said.partition(":")[0]
        if not path.is_file() or where == {one for one in checked if path.read_text() in one.text}:
            yield said


def _where(one: Text, line: int) -> str:
    for path in files():
        before, found, _ = one.text.partition(path.read_text())
        first = before.count("\n") + 1
        if found and first <= line < first + found.count("\n"):
            return f"{_name(path)}:{line - first + 1}"
    return f"{one.name}:{line}"


def shfmt(name: str, shell: Shell, text: str) -> list[str]:
    language = "bash" if shell == "bash" else "posix"
    argv = ["shfmt", "--diff", f"--language-dialect={language}", "--filename", name]
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    return [f"{name}: shfmt: {done.stdout}{done.stderr}".strip()] if done.returncode else []


def formats(checked: Sequence[Text]) -> Iterator[tuple[str, Shell, str]]:
    """Files, in the least shell that has to read them, and what templates make."""
    for path in files():
        text = path.read_text()
        shells = {one.shell for one in checked if text in one.text}
        yield _name(path), "bash" if shells == {"bash"} else "sh", text
    for one in checked:
        if one.ours:
            yield one.name, one.shell, one.text


def main() -> int:
    checked = list(dict.fromkeys(texts()))
    found = list(uncovered(checked))
    for one in checked:
        for match in WITHOUT_REASON.finditer(one.text):
            line = one.text.count("\n", 0, match.start()) + 1
            found.append(f"{_where(one, line)}: a finding is disabled without a reason beside it")
    with ThreadPoolExecutor() as pool:
        for lines in pool.map(lambda args: shfmt(*args), dict.fromkeys(formats(checked))):
            found += lines
        found += evaluated(checked, pool.map(shellcheck, checked))
    print("\n".join(dict.fromkeys(found)) or f"{len(files())} scripts, {len(checked)} texts: clean")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
