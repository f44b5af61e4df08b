"""People of a site under test, as somebody lets them in, and whether they can log in."""

from __future__ import annotations

import json
import os
import pty
import ssl
import subprocess
import termios
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asking import wait_for
from journey import DOIT, Site


def login(site: Site, name: str, password: str) -> int:
    """What the application answers to a login."""
    request = urllib.request.Request(
        f"https://{site.address}/api/v1/login",
        json.dumps({"username": name, "password": password}).encode(),
        {"Content-Type": "application/json", "Host": site.document["network"]["domain"]},
    )
    context = ssl._create_unverified_context()
    try:
        with urllib.request.urlopen(request, context=context, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def user(site: Site, *words: str, password: str | None = None, code: int = 0) -> str:
    """Run `user` as somebody does who pipes the password in; what it says."""
    given = [] if password is None else ["--password-stdin"]
    done = subprocess.run(
        [str(DOIT), "user", "--config", str(site.file), *given, site.id, *words],
        env=site.environment,
        input=f"{password}\n" if password is not None else "",
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert password is None or password not in said
    return said


def users(site: Site) -> dict[str, dict[str, Any]]:
    found = json.loads(site.run("user", site.id, "list", "--json").stdout)
    return {one["username"]: one for one in found}


def keeps_from_view(program: str) -> bool:
    """Whether the terminal of a program of this name, in whatever container, shows nothing of what
    is typed."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text().strip() != program:
                continue
            terminal = os.open(process / "fd/0", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:
            continue
        with os.fdopen(terminal) as stdin:
            if stdin.isatty():
                return not termios.tcgetattr(stdin)[3] & termios.ECHO
    return False


def at_a_terminal(
    site: Site,
    words: Sequence[str],
    typed: Sequence[tuple[str, str]],
    code: int = 0,
    asks: str = "",
) -> str:
    """Run the tool at a terminal, and type each answer once its question is there. asks: name of
    the program that asks where that shows the question before it keeps what is typed from view."""
    argv = [str(DOIT), *words]
    child, terminal = pty.fork()
    if child == 0:
        os.execve(argv[0], argv, site.environment)
    said, answers = "", list(typed)
    while True:
        try:
            said += os.read(terminal, 4096).decode(errors="replace")
        except OSError:
            break
        if answers and answers[0][0] in said:
            if asks:
                wait_for(lambda: keeps_from_view(asks), f"{asks} keeps from view what is typed")
            os.write(terminal, answers.pop(0)[1].encode())
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == code, said
    assert answers == [], said
    return said
