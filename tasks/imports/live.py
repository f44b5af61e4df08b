"""A container of this host, and a host by ssh: programs can be run there."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from msgspec import Struct

from tasks.containers.lxc.attach import attach
from tasks.containers.proxmox.access import OpenSsh
from tasks.containers.proxmox.stream import stream
from tasks.errors import DeployError, NetworkError, ResourceError
from tasks.guest.runner import GuestScript, last_lines
from tasks.host.process import Completed
from tasks.imports.source import MOST_BYTES, Measured
from tasks.paths import Paths

FILES = GuestScript("source-files", ("source-files",), guard=False)
READ_SECONDS = 300.0

_VERSION = re.compile(r"\bversion\s+(\S+)")
_GONE = re.compile(r"Failed to get init pid|is not running", re.IGNORECASE)

Runner = Callable[..., Completed]


class Live(Struct, frozen=True):
    """See tasks.imports.source.LiveSource. runner: Container.run without its own errors."""

    said: str
    runner: Runner

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
        timeout: float = 60,
        check: bool = True,
    ) -> Completed:
        done: Completed = self.runner(argv, stdin=stdin, stdout=stdout, timeout=timeout)
        if check and done.returncode != 0:
            raise DeployError(
                f"{argv[0]} failed with exit code {done.returncode}",
                where=self.said,
                evidence=last_lines(done.stderr),
            )
        return done

    def fetch(self, patterns: Sequence[str]) -> Mapping[str, bytes]:
        argv = FILES.argv("files", str(MOST_BYTES), *patterns)
        done = self.run(argv, timeout=READ_SECONDS, check=False)
        refused = [
            line.partition("\t")[2]
            for line in done.stderr.decode(errors="replace").splitlines()
            if line.startswith("unreadable\t")
        ]
        if refused:
            raise unreadable(self.said, refused[0])
        try:
            with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
                return {
                    f"/{member.name.lstrip('/')}": taken.read()
                    for member in archive
                    if (taken := archive.extractfile(member)) is not None
                }
        except tarfile.TarError as error:
            raise DeployError(
                "files could not be read",
                where=self.said,
                evidence=last_lines(done.stderr),
                hint="It takes sh, tar, find and stat there.",
            ) from error

    def sizes(self, paths: Sequence[str]) -> Mapping[str, int]:
        lines = self._lines("sizes", *paths)
        return {path: int(size) for size, _, path in (line.partition("\t") for line in lines)}

    def measure(self, folder: str) -> Measured | None:
        for line in self._lines("folder", folder):
            count, size = line.split("\t")
            return Measured(int(count), int(size))
        return None

    def version(self, program: str) -> str:
        done = self.run(FILES.argv("version", program), check=False)
        found = _VERSION.search(done.stdout.decode(errors="replace"))
        return found[1] if found else ""

    def processes(self) -> frozenset[str]:
        return frozenset(self._lines("processes"))

    def _lines(self, *arguments: str) -> list[str]:
        done = self.run(FILES.argv(*arguments), timeout=READ_SECONDS)
        return done.stdout.decode(errors="surrogateescape").splitlines()


def unreadable(said: str, path: str) -> ResourceError:
    return ResourceError(
        f"{path} cannot be read by this user",
        where=said,
        hint="Log in as root, ssh:root@HOST, or run the command as root.",
    )


def container_source(said: str, name: str, paths: Paths, pve: Path = Path("/etc/pve")) -> Live:
    """A container by name, or on a node of Proxmox VE by number. Raises ResourceError where it is
    not there, or does not run."""
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

    return Live(said, run)


def _number(name: str, pve: Path) -> str:
    """Of a container of Proxmox VE by its host name; the name where there is none."""
    for path in sorted(pve.glob("lxc/*.conf")):
        if re.search(rf"^hostname:\s*{re.escape(name)}\s*$", path.read_text(), re.MULTILINE):
            return path.stem
    return name


def ssh_source(said: str, access: OpenSsh) -> Live:
    """A host by ssh, with a key that asks nothing."""

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

    return Live(said, run)


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
