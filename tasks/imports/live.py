"""A source in which programs can be run: a container of this machine, or a host by ssh."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Mapping, Sequence
from typing import IO

from msgspec import Struct

from tasks.containers.elsewhere import Runner
from tasks.errors import DeployError, ResourceError
from tasks.guest.runner import GuestScript, last_lines
from tasks.host.process import Completed
from tasks.imports.source import MOST_BYTES, Measured

FILES = GuestScript("source-files", ("source-files",), guard=False)
READ_SECONDS = 300.0

_VERSION = re.compile(r"\bversion\s+(\S+)")


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
