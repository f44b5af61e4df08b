"""Where nothing is ours: programs are run in any container of this machine, and on a host by ssh.

Transport and nothing else, as of our own containers (base.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Protocol

from tasks.containers.lxc.attach import attach
from tasks.containers.proxmox.access import OpenSsh
from tasks.containers.proxmox.stream import stream
from tasks.errors import NetworkError, ResourceError
from tasks.host.process import Completed
from tasks.paths import Paths

_GONE = re.compile(r"Failed to get init pid|is not running", re.IGNORECASE)


class Runner(Protocol):
    """As Container.run, but for an exit code, which raises nothing."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | IO[bytes] | None,
        stdout: IO[bytes] | None,
        timeout: float,
    ) -> Completed: ...


def in_container(said: str, name: str, paths: Paths, pve: Path = Path("/etc/pve")) -> Runner:
    """In a container by name, or on a node of Proxmox VE by number or host name. said: where, in
    errors. Raises ResourceError where it is not there, or does not run."""
    name, folder = _number(name, pve), paths.lxc
    if name.isdigit() and (pve / "lxc" / f"{name}.conf").exists():
        folder = Path("/var/lib/lxc")
    elif not (folder / name / "config").exists():
        known = sorted(path.parent.name for path in folder.glob("*/config"))
        known += sorted(path.stem for path in pve.glob("lxc/*.conf"))
        raise ResourceError(
            f"no container {name} on this machine",
            where=said,
            hint=f"There are: {', '.join(known)}" if known else "There are none in " + str(folder),
        )

    def run(
        argv: Sequence[str],
        *,
        stdin: bytes | IO[bytes] | None,
        stdout: IO[bytes] | None,
        timeout: float,
    ) -> Completed:
        done = attach(name, folder, argv, stdin=stdin, stdout=stdout, timeout=timeout, check=False)
        if done.returncode != 0 and _GONE.search(done.stderr.decode(errors="replace")):
            raise ResourceError(
                f"container {name} does not run",
                where=said,
                hint="Start it: what is in it is read while it runs.",
            )
        return done

    return run


def _number(name: str, pve: Path) -> str:
    """Of a container of Proxmox VE by its host name; the name where there is none."""
    for path in sorted(pve.glob("lxc/*.conf")):
        if re.search(rf"^hostname:\s*{re.escape(name)}\s*$", path.read_text(), re.MULTILINE):
            return path.stem
    return name


def by_ssh(said: str, host: str, user: str, port: int, folder: Path) -> Runner:
    """On a host by ssh, with a key that asks nothing. folder: for the connection's socket; short.
    Raises NetworkError."""
    access = OpenSsh(host, folder, user, port)

    def run(
        argv: Sequence[str],
        *,
        stdin: bytes | IO[bytes] | None,
        stdout: IO[bytes] | None,
        timeout: float,
    ) -> Completed:
        try:
            return stream(
                access,
                argv,
                stdin=stdin,
                stdout=stdout,
                timeout=timeout,
                where=said,
                name=argv[0],
            )
        except NetworkError as failure:
            raise _explained(failure, access) from failure

    return run


_WHY = (
    (
        "Host key verification failed",
        "its host key is not known here, or is another one than before",
        "Log in once by hand and compare it: {}",
    ),
    ("Permission denied", "no key of this machine is let in", "Let one in: ssh-copy-id -p {} {}"),
    ("Could not resolve hostname", "no name server knows that host", "Write its address."),
    ("Connection refused", "nothing listens at that port", "Name its port: ssh:USER@HOST:PORT"),
)


def _explained(failure: NetworkError, access: OpenSsh) -> NetworkError:
    said = "\n".join(failure.evidence)
    by_hand = f"ssh -p {access.port} {access.where} true"
    hints = (_WHY[0][2].format(by_hand), _WHY[1][2].format(access.port, access.where))
    for number, (sign, what, hint) in enumerate(_WHY):
        if sign in said:
            hint = hints[number] if number < len(hints) else hint
            return NetworkError(what, where=failure.where, hint=hint)
    return failure
