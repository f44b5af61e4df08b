"""Our shell scripts run for real on this machine, against folders of a test's own.

systemd, dpkg and the user database are the container's: small programs first in the PATH answer
for them, so that what the scripts make of the answers is tested, not what this machine has.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from tasks.guest.runner import LAND
from tasks.host.process import Completed
from tasks.resources.base import Facts
from tasks.resources.observe import Question, observe


@dataclass
class HostShell:
    """As much of a container as the observer needs: `run` on this machine."""

    programs: Path
    calls: int = 0

    def program(self, name: str, text: str) -> None:
        """Put a program first in the PATH."""
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | None = None,
        timeout: float = 60,
        check: bool = True,
        environment: Mapping[str, str] | None = None,
        **_: object,
    ) -> Completed:
        self.calls += 1
        path = f"{self.programs}:{os.environ['PATH']}"
        done = subprocess.run(
            argv,
            input=stdin or b"",
            capture_output=True,
            env={"PATH": path, **(environment or {})},
            timeout=timeout,
            check=False,
        )
        return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)

    def observe(self, *questions: Question) -> Facts:
        return observe(self, questions)  # type: ignore[arg-type]

    def land(self, stream: bytes, home: Path) -> Completed:
        """land.sh with its own folder (stamps, landing) below `home`."""
        text = replace(LAND, guard=False).text
        assert "home=/var/lib/vikunja-deploy\n" in text
        text = text.replace("home=/var/lib/vikunja-deploy\n", f"home={home}\n")
        return self.run(["sh", "-c", text, "land"], stdin=stream)


OURS = re.compile(r"/(?:etc/nginx|etc/vikunja|opt/vikunja|run/vikunja|srv/|var/lib/vikunja)")
"""What our scripts name in their texts and is the container's."""


@dataclass
class RootedShell(HostShell):
    """The same with a folder in the place of `/`, for texts, arguments, input and answers alike.

    Of this machine the scripts still have the programs, the users and /proc.
    """

    root: Path = Path("/nowhere")

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | None = None,
        timeout: float = 60,
        check: bool = True,
        environment: Mapping[str, str] | None = None,
        **_: object,
    ) -> Completed:
        done = super().run(
            [self._below(word) for word in argv],
            stdin=self._input(stdin or b""),
            timeout=timeout,
            environment=environment,
        )
        stderr = done.stderr.replace(bytes(self.root), b"")
        return Completed(tuple(argv), done.returncode, self._output(done.stdout), stderr)

    def _below(self, word: str) -> str:
        if word.startswith("/"):
            return f"{self.root}{word}"
        return OURS.sub(lambda found: f"{self.root}{found[0]}", word) if "\n" in word else word

    def _input(self, stdin: bytes) -> bytes:
        """Of the operations in a tar stream, and of lines of text, the paths."""
        if not _is_tar(stdin):
            return self._fields(stdin)
        return _edited(stdin, self._linked)

    def _fields(self, lines: bytes) -> bytes:
        return re.sub(rb"(?<=\t)(?=/)", bytes(self.root), lines)

    def _linked(self, member: tarfile.TarInfo, content: bytes) -> bytes:
        if member.linkname.startswith("/"):
            member.linkname = f"{self.root}{member.linkname}"
        return self._fields(content) if member.name == "operations" else content

    def _output(self, stdout: bytes) -> bytes:
        head, mark, archive = stdout.partition(b"contents\n")
        if _is_tar(stdout):
            return _edited(stdout, self._bare)
        return head.replace(bytes(self.root), b"") + mark + _edited(archive, self._bare)

    def _bare(self, member: tarfile.TarInfo, content: bytes) -> bytes:
        member.name = member.name.removeprefix(str(self.root))
        member.linkname = member.linkname.removeprefix(str(self.root))
        return content


def _is_tar(stream: bytes) -> bool:
    return stream[257:262] == b"ustar"


def _edited(stream: bytes, edit: Callable[[tarfile.TarInfo, bytes], bytes]) -> bytes:
    """A tar stream with each member edited, whose content becomes what comes back."""
    if not stream:
        return b""
    buffer = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(stream)) as old,
        tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as new,
    ):
        for member in old:
            file = old.extractfile(member) if member.isreg() else None
            content = edit(member, file.read() if file else b"")
            member.size = len(content)
            new.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
