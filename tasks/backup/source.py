"""The files of an instance as its container sends them: the dump first, attachments after.

The dump was made before the stream begins, so every attachment that it names is in the archive:
the application never changes an attachment, and what came later does no harm.
"""

from __future__ import annotations

from typing import IO

from tasks.backup.stream import Produce
from tasks.containers.base import Container
from tasks.errors import DeployError

STAGING = "/var/lib/vikunja-backup"
"""In the container, root's alone: what is made for a backup and gone after it."""

RECORDS = 256
"""Of 512 bytes, in what tar reads and writes at once: its usual 20 cost it half of its time."""

_DIFFERS = 1
"""GNU tar's exit code where a file went away or grew while it was read."""

_EVIDENCE = 5


def create_argv(root: str, staging: str, above: str) -> list[str]:
    """GNU tar's arguments to send `<staging>/database` and `<above>/files`, below `root`."""
    return [
        "tar",
        "--create",
        "--file=-",
        "--format=gnu",
        f"--blocking-factor={RECORDS}",
        "--hard-dereference",
        f"--transform=flags=r;s|^|{root}/|",
        f"--directory={staging}",
        "database",
        f"--directory={above}",
        "files",
    ]


def container_stream(container: Container, argv: list[str], timeout: float) -> Produce:
    """What `argv`, a GNU tar in the container, writes; timeout in seconds."""

    def produce(output: IO[bytes]) -> None:
        done = container.run(argv, stdout=output, timeout=timeout, check=False)
        if done.returncode not in (0, _DIFFERS):
            lines = done.stderr.decode(errors="replace").splitlines()
            raise DeployError(
                f"the files could not be read, tar failed with exit code {done.returncode}",
                where=container.spec.name,
                evidence=lines[-_EVIDENCE:],
            )

    return produce
