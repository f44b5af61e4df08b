"""Timers of this machine's systemd, which back up, drill and apply with nobody there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from string import Template

from msgspec import Struct

from tasks.errors import ResourceError, UsageError
from tasks.host.files import named, write_atomically
from tasks.host.process import run
from tasks.paths import PREFIX_VARIABLE, ROOT, TEMPLATES, Paths

WAIT_SECONDS = 60


class Job(Struct, frozen=True):
    """arguments: of its command. calendar: when, as systemd has it; empty: not by itself. delay:
    at most so much later, by chance, so that not everybody asks the same server at once."""

    purpose: str
    arguments: tuple[str, ...]
    calendar: str
    delay: str


JOBS: Mapping[str, Job] = {
    "backup": Job(
        "Backups of Vikunja, by vikunja-deploy", ("--wait", "3600"), "*-*-* 03:30", "15min"
    ),
    "drill": Job(
        "Proof that backups of Vikunja can be restored, by vikunja-deploy",
        ("--wait", "3600"),
        "monthly",
        "12h",
    ),
    "apply": Job("Updates of Vikunja, by vikunja-deploy", ("--yes",), "", "15min"),
}
"""By the command that each runs."""


class Standing(Struct, frozen=True):
    """How a timer stands. next, last: as systemd writes moments; empty where there is none, or none
    since the machine was started. result: of the last run, `success` or why it failed."""

    calendar: str
    next: str
    last: str
    result: str


def folder(paths: Paths) -> Path:
    return paths.prefix / "etc/systemd/system"


def timer(name: str) -> str:
    return f"vikunja-deploy-{name}.timer"


def service(name: str) -> str:
    return f"vikunja-deploy-{name}.service"


def are_installed(paths: Paths, name: str) -> bool:
    """Whether the timer is there, and starts with the machine."""
    return (folder(paths) / "timers.target.wants" / timer(name)).is_symlink()


def units(name: str, calendar: str, config: Path) -> dict[str, str]:
    """File name → text, of a job's two units. config: absolute."""
    job = JOBS[name]
    argv = [str(ROOT / "doit"), name, *job.arguments, "--config", str(config)]
    prefix = os.environ.get(PREFIX_VARIABLE)
    if prefix:
        argv[:0] = ["/usr/bin/env", f"{PREFIX_VARIABLE}={prefix}"]
    values = {
        "purpose": job.purpose,
        "command": " ".join(quoted(word) for word in argv),
        "calendar": calendar.replace("%", "%%"),
        "delay": job.delay,
    }
    texts = {service(name): "service", timer(name): "timer"}
    return {
        file: Template((TEMPLATES / "timers" / template).read_text()).substitute(values)
        for file, template in texts.items()
    }


def quoted(word: str) -> str:
    """A word of a command as a unit file has it."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if not word or set(word) & set(" '\"\\;\t") else escaped


def install(paths: Paths, calendars: Mapping[str, str], config: Path) -> None:
    """The jobs with a calendar have a timer that runs, the others none.

    Raises UsageError for a calendar that systemd does not read, ResourceError where it does not run
    this machine; nothing is changed then.
    """
    require_systemd(paths)
    for name, calendar in calendars.items():
        if calendar:
            refuse_calendar(name, calendar)
    unwanted = [name for name, calendar in calendars.items() if not calendar]
    _disable(paths, unwanted)
    wanted = [name for name in calendars if calendars[name]]
    for name in wanted:
        for file, text in units(name, calendars[name], config).items():
            write_atomically(folder(paths) / file, text.encode())
    systemctl("daemon-reload")
    if wanted:
        systemctl("enable", *map(timer, wanted))
        # One that runs already goes by its calendar of before until it is started anew.
        systemctl("restart", *map(timer, wanted))


def remove(paths: Paths) -> list[str]:
    """Take all of them away; what runs finishes. Returns the jobs that had one."""
    require_systemd(paths)
    there = [name for name in JOBS if (folder(paths) / timer(name)).exists()]
    _disable(paths, there)
    systemctl("daemon-reload")
    return there


def standings(paths: Paths) -> dict[str, Standing]:
    """How each timer that is there stands, by job."""
    require_systemd(paths)
    found = {}
    for name in JOBS:
        file = folder(paths) / timer(name)
        if not file.exists():
            continue
        lines = file.read_text().splitlines()
        calendar = next((one[11:] for one in lines if one.startswith("OnCalendar=")), "")
        following = _properties(timer(name), "NextElapseUSecRealtime")
        ran = _properties(service(name), "ExecMainStartTimestamp", "Result")
        # A timer itself takes the moment of its first start for its last one.
        last = ran["ExecMainStartTimestamp"]
        result = ran["Result"] if last else ""
        found[name] = Standing(calendar, following["NextElapseUSecRealtime"], last, result)
    return found


def require_systemd(paths: Paths) -> None:
    if not (paths.prefix / "run/systemd/system").is_dir():
        raise ResourceError(
            "systemd does not run this machine, and so no timers",
            hint="Use cron: docs/backup.md has the lines",
        )


def refuse_calendar(name: str, calendar: str) -> None:
    """Raise UsageError for what is no calendar of systemd's."""
    done = run(["systemd-analyze", "calendar", "--", calendar], merge=True, timeout=WAIT_SECONDS)
    if done.returncode:
        raise UsageError(
            f"--{name} {calendar}: no time that systemd knows",
            hint="Such as daily, monthly, Sun 04:00, or *-*-* 03:30; see man systemd.time",
        )


def systemctl(*arguments: str) -> str:
    """Raises ResourceError with what it said."""
    done = run(["systemctl", "--quiet", *arguments], merge=True, timeout=WAIT_SECONDS)
    said = done.stdout.decode(errors="replace")
    if done.returncode:
        raise ResourceError(f"systemctl {arguments[0]} failed", evidence=said.splitlines()[-5:])
    return said


def _properties(unit: str, *names: str) -> dict[str, str]:
    said = systemctl("show", unit, *(f"--property={name}" for name in names))
    found = dict(line.partition("=")[::2] for line in said.splitlines())
    return {name: found.get(name, "") for name in names}


def _disable(paths: Paths, jobs: list[str]) -> None:
    there = [name for name in jobs if (folder(paths) / timer(name)).exists()]
    if there:
        systemctl("disable", "--now", *map(timer, there))
    for name in jobs:
        for file in (timer(name), service(name)):
            path = folder(paths) / file
            with named(path, "cannot be removed"):
                path.unlink(missing_ok=True)
