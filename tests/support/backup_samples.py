"""What an instance says of itself, and the tar stream that its container would make."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import IO

from msgspec.structs import replace

from tasks.backup.manifest import Counted
from tasks.backup.source import create_argv
from tasks.backup.stream import Produce
from tasks.errors import DeployError
from tasks.model.archive import Contents

EPOCH = 1729335600
OWN = {"deployment-config.yaml": b"deployment: {}\n", "environment": b"PASSWORD=(sensitive)\n"}
CONTENTS = Contents(
    backup_version="1.0.0",
    instance_id="vikunja-main",
    created_at="2024-10-19T11:00:00Z",
    vikunja_version="v0.24.6",
    vikunja_commit="abc123def456",
    database_type="sqlite",
    database_size_bytes=0,
    files_count=0,
    files_size_bytes=0,
    hostname="vikunja.example.com",
    backup_trigger="manual",
    tables={},
)


def describe(counted: Counted) -> Contents:
    return replace(
        CONTENTS,
        database_size_bytes=counted.database_size_bytes,
        files_count=counted.files_count,
        files_size_bytes=counted.files_size_bytes,
    )


def tar_of(folder: Path, root: str) -> Produce:
    """Produces a stream as the container's GNU tar does."""
    argv = create_argv(root, str(folder), str(folder))

    def produce(output: IO[bytes]) -> None:
        done = subprocess.run(argv, stdout=output, stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise DeployError(f"tar failed with exit code {done.returncode}")

    return produce
