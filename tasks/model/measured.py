"""How long an instance's last update with migrations took: what the next plan expects."""

from __future__ import annotations

import json

from msgspec import Struct
from msgspec.structs import asdict

from tasks.host.files import recalled, write_atomically
from tasks.paths import Paths


class Measured(Struct, frozen=True):
    """Seconds; None where it was not measured yet. write_stop: of the last update, from the first
    refused write to the first that was taken again. rollback: over a migration, from its backup to
    the rest of what served before; before there was one, an update's. rollback_stop: for how long
    of it nobody writes. database_move: such a stop where the data moved to another database."""

    write_stop: float | None
    rollback: float | None
    database_move: float | None = None
    rollback_stop: float | None = None


def read(paths: Paths, instance_id: str) -> Measured:
    """What was measured; nothing where there is no record or a damaged one: it only informs."""
    return recalled(paths.measured(instance_id), Measured) or Measured(None, None)


def write(paths: Paths, instance_id: str, measured: Measured) -> None:
    text = json.dumps(asdict(measured)) + "\n"
    write_atomically(paths.measured(instance_id), text.encode())
