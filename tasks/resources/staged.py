"""The steps of a rollback over a migration, which only a backup of the old version's brings about.

The archive is staged beside what serves (`StagedRestore`); then writes stop and it becomes live
(`ActivatedRestore`), the old version starts on it, and once it serves writes go on (`WriteThaw`).
What breaks off in between is put in order by `InterruptedUpdate`, as with an update.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from tasks.model.archive import Archive
from tasks.model.instance import Color
from tasks.resources.base import Difference, Facts, Resource


class StagedRestore(Resource, frozen=True, kw_only=True):
    """What is in an archive lies beside what is live, and what is live is in another archive.

    label: of the version that is to serve. known: the migrations that it brings along; None where
    that cannot be known. beyond: of those that the live database has been through, what it does not
    know, in words. identity: the file that opens the archive, where the user named one.
    """

    kind: ClassVar[str] = "archive"

    archive: Archive
    label: str
    known: tuple[str, ...] | None
    beyond: str
    identity: Path | None = None

    @property
    def name(self) -> str:
        return self.archive.name

    def desired(self) -> Mapping[str, Any]:
        return {"archive": str(self.archive.path)}

    def difference(self, facts: Facts) -> Difference | None:
        because = f"the database has been through {self.beyond}, which {self.label} does not know"
        return Difference("run", "", because=because)


class ActivatedRestore(Resource, frozen=True, kw_only=True):
    """Nobody writes, and what lay beside is live. color: of the version that is to serve.

    since: when the archive was made.
    """

    kind: ClassVar[str] = "writes"

    color: Color
    since: str

    @property
    def name(self) -> str:
        return "stop"

    def desired(self) -> Mapping[str, Any]:
        return {"color": self.color, "since": self.since}

    def difference(self, facts: Facts) -> Difference | None:
        return Difference(
            "run",
            "",
            destructive=True,
            interrupts="every request, until the old version is healthy with the old data",
            because=f"what was written since {self.since} is lost",
        )
