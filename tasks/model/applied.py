"""What the last apply left, for reasons and for what is no longer configured. Never the truth
itself: that is observed. Losing this file costs the reasons, nothing else."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from tasks.host.files import recalled, write_atomically
from tasks.paths import Paths


class AppliedResource(Struct, frozen=True, omit_defaults=True):
    """digest: of what is desired. inputs: key → digest of its value. pending: marked, not done.

    before: of what is pending, the inputs of the last time that it was finished.
    """

    digest: str
    inputs: Mapping[str, str]
    template: str | None
    pending: bool = False
    before: Mapping[str, str] | None = msgspec.field(default=None, name="done")

    @property
    def done(self) -> Mapping[str, str] | None:
        """The inputs of the last time that it was finished; None where it never was."""
        return self.before if self.pending else self.inputs


class Applied(Struct, frozen=True):
    """resources: by address. configuration: dotted key → digest, of the last finished apply."""

    created_at: str
    updated_at: str
    configuration: Mapping[str, str]
    resources: Mapping[str, AppliedResource]

    def lacks(self, address: str) -> bool:
        """Whether there has been an apply, and none has ever finished this."""
        before = self.resources.get(address)
        return bool(self.created_at) and (before is None or before.done is None)


NOTHING_APPLIED = Applied("", "", {}, {})


def with_resources(applied: Applied, resources: Mapping[str, AppliedResource]) -> Applied:
    """The record with other resources."""
    return msgspec.structs.replace(applied, resources=resources)


def read(paths: Paths, instance_id: str) -> Applied:
    """The record, or an empty one where it is missing or damaged."""
    return recalled(paths.applied(instance_id), Applied) or NOTHING_APPLIED


def write(paths: Paths, instance_id: str, applied: Applied) -> None:
    text = msgspec.json.format(msgspec.json.encode(applied), indent=1)
    write_atomically(paths.applied(instance_id), text, mode=0o600)
