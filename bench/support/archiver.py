"""What bench/backup measures of this tool, in a process of its own.

    python archiver.py backup DATA ARCHIVE LEVEL | verify ARCHIVE | restore ARCHIVE FOLDER

ARCHIVE is named as archives are. Prints its own peak of resident memory, MiB.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import IO

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from tasks.model.archive import Archive, Contents, time_text


def backup(data: Path, archive: Archive, level: int) -> None:
    from tasks.backup.manifest import Counted
    from tasks.backup.source import create_argv
    from tasks.backup.stream import write_archive

    argv = create_argv(archive.root, str(data), str(data))

    def produce(output: IO[bytes]) -> None:
        subprocess.run(argv, stdout=output, check=True)

    def describe(counted: Counted) -> Contents:
        return Contents(
            backup_version="1.0.0",
            instance_id="bench",
            created_at=time_text(archive.epoch),
            vikunja_version="v1.0.0",
            vikunja_commit=None,
            database_type="postgresql",
            database_size_bytes=counted.database_size_bytes,
            files_count=counted.files_count,
            files_size_bytes=counted.files_size_bytes,
            hostname="bench.example.com",
            backup_trigger="manual",
            tables={},
        )

    own = {"deployment-config.yaml": b"deployment: {}\n"}
    write_archive(archive, produce, describe, own=own, level=level, expected=0)


def restore(archive: Archive, folder: Path) -> None:
    from tasks.backup.unpack import extract_argv, unpack

    def consume(stream: IO[bytes]) -> None:
        subprocess.run(extract_argv(str(folder)), stdin=stream, check=True)

    unpack(archive, consume)


def main(what: str, *arguments: str) -> None:
    path = Path(arguments[1 if what == "backup" else 0])
    archive = Archive(int(path.name.split(".")[0]), path.parent)
    if what == "backup":
        backup(Path(arguments[0]), archive, int(arguments[2]))
    elif what == "verify":
        from tasks.backup.verify import verify

        verify(archive)
    else:
        restore(archive, Path(arguments[1]))
    print(_peak())


def _peak() -> float:
    """MiB. Not by getrusage, which counts what the process was before it was this program."""
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
