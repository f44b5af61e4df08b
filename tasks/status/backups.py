"""What the archive folder of an instance tells: how many backups, how old, how large."""

from __future__ import annotations

from msgspec import Struct

from tasks.backup.mount import require_mounted
from tasks.errors import DeployError
from tasks.model import archive as archives
from tasks.model import holdings
from tasks.model.instance import Instance
from tasks.paths import Paths

RECENT = 5


class Backups(Struct, frozen=True):
    """newest, verified: when they were begun, ISO 8601; None where there is none.

    size_bytes: of the newest archive. recent: when the newest were begun and their sizes, oldest
    first. encrypted ones count like the others. fuller: the name of one before that holds more than
    twice as much as the newest, and what both hold.
    """

    count: int
    newest: str | None = None
    size_bytes: int | None = None
    verified: str | None = None
    recent: tuple[tuple[str, int | None], ...] = ()
    fuller: tuple[str, str, str] | None = None


def inspect_backups(instance: Instance, paths: Paths) -> Backups:
    """Raises DeployError where the folder cannot be read, or is not mounted."""
    require_mounted(instance.backup)
    folder = instance.backup.directory / instance.id
    found = archives.archives(folder)
    if not found:
        return Backups(0)
    verified = archives.linked(folder, "verified")
    return Backups(
        count=len(found),
        newest=found[-1].created_at,
        size_bytes=_size(found[-1]),
        verified=verified.created_at if verified else None,
        recent=tuple((one.created_at, _size(one)) for one in found[-RECENT:]),
        fuller=holdings.before_a_loss(folder, holdings.read(paths, instance.id)),
    )


def _size(archive: archives.Archive) -> int | None:
    try:
        return archive.path.stat().st_size
    except FileNotFoundError:
        # Retention has just taken it.
        return None
    except OSError as error:
        raise DeployError(
            f"cannot be read: {error.strerror}",
            where=str(archive.path),
            hint=f"Look at {archive.folder}: is it mounted?",
        ) from error
