"""What the last apply left, for reasons and for what is no longer configured. Never the truth
itself: that is observed. Losing this file costs the reasons, nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any

from tasks.frozen import dataclass
from tasks.host.files import recalled, text, texts, write_atomically
from tasks.paths import Paths


@dataclass(frozen=True)
class AppliedResource:
    """digest: of what is desired. inputs: key → digest of its value. pending: marked, not done.

    done: the inputs of the last time that it was finished; None where it never was.
    """

    digest: str
    inputs: Mapping[str, str]
    template: str | None
    pending: bool = False
    done: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Applied:
    """resources: by address. configuration: dotted key → digest, of the last finished apply."""

    resources: Mapping[str, AppliedResource] = field(default_factory=dict)
    configuration: Mapping[str, str] = field(default_factory=dict)
    created_at: str = ""
    updated_at: str = ""


NOTHING_APPLIED = Applied()


def as_before(applied: Applied, before: Applied, addresses: Iterable[str]) -> Applied:
    """The record with these addresses as they were before."""
    marked = dict(applied.resources)
    for address in addresses:
        marked.pop(address, None)
        if address in before.resources:
            marked[address] = before.resources[address]
    return with_resources(applied, marked)


def with_resources(applied: Applied, resources: Mapping[str, AppliedResource]) -> Applied:
    """The record with other resources."""
    return Applied(resources, applied.configuration, applied.created_at, applied.updated_at)


def read(paths: Paths, instance_id: str) -> Applied:
    """The record, or an empty one where it is missing or damaged."""
    try:
        data = recalled(paths.applied(instance_id))
        return Applied(
            {address: _resource(found) for address, found in data["resources"].items()},
            texts(data["configuration"]),
            text(data["created_at"]),
            text(data["updated_at"]),
        )
    except (KeyError, TypeError, AttributeError):
        return NOTHING_APPLIED


def _resource(found: Mapping[str, Any]) -> AppliedResource:
    template, pending = found["template"], found["pending"] is True
    inputs = texts(found["inputs"])
    done = found.get("done", None if pending else inputs)
    return AppliedResource(
        text(found["digest"]),
        inputs,
        None if template is None else text(template),
        pending,
        None if done is None else texts(done),
    )


def write(paths: Paths, instance_id: str, applied: Applied) -> None:
    data: dict[str, Any] = {
        "created_at": applied.created_at,
        "updated_at": applied.updated_at,
        "configuration": dict(applied.configuration),
        "resources": {
            address: {
                "digest": r.digest,
                "inputs": dict(r.inputs),
                "template": r.template,
                "pending": r.pending,
                # Of what is not pending it is the inputs once more.
                **({"done": None if r.done is None else dict(r.done)} if r.pending else {}),
            }
            for address, r in applied.resources.items()
        },
    }
    write_atomically(paths.applied(instance_id), json.dumps(data, indent=1).encode(), mode=0o600)
