"""How an instance's last drill went, as the host notes it.

    {"drilled_at": "2025-10-19T10:30:00Z", "archive": "1729338000.tar.gz", "version": "v1.0.0",
     "rows": 1200, "files": 48, "restore_seconds": 4.2, "total_seconds": 31.0}

Only drills that went well are noted; of the others the operation log tells.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import asdict

from tasks.host.files import read_record, write_json
from tasks.model.fields import END, Count, Seconds, Text, UtcTime
from tasks.paths import Paths

SUFFIX = "-drill"
"""Of the id and the name of a drill's container."""


class LastDrill(Struct, frozen=True, forbid_unknown_fields=True):
    """How an instance's last drill went: last-drill/<instance>.json"""

    drilled_at: Annotated[UtcTime, Meta(description="When it ended, UTC.")]
    archive: Annotated[
        str, Meta(description="The archive's name.", pattern=rf"^\d+\.tar\.gz(\.age)?{END}")
    ]
    version: Annotated[Text, Meta(description="Of the application that came up on it.")]
    rows: Annotated[Count, Meta(description="Rows that were counted.")]
    files: Annotated[Count, Meta(description="Attachments whose digests were compared.")]
    restore_seconds: Annotated[
        Seconds,
        Meta(
            description="From the archive to the application's healthy answer, in a container that "
            "was ready."
        ),
    ]
    total_seconds: Annotated[
        Seconds,
        Meta(description="The same from nothing, with the container and all in it."),
    ]


def read(paths: Paths, instance_id: str) -> LastDrill | None:
    """None before the first. Raises DeployError where the note is damaged."""
    path = paths.last_drill(instance_id)
    hint = f"Remove {path}: the next drill writes it anew."
    return read_record(path, LastDrill, hint)


def write(paths: Paths, instance_id: str, drill: LastDrill) -> None:
    write_json(paths.last_drill(instance_id), asdict(drill))
