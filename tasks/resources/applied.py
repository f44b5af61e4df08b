"""What resources leave in the record of an apply."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from tasks.model.applied import Applied, AppliedResource, with_resources
from tasks.model.digests import digest
from tasks.resources.base import Resource


def applied_resource(resource: Resource) -> AppliedResource:
    """What a resource leaves in the record once it is done."""
    inputs, template = dict(resource.origin.inputs), resource.origin.template
    return AppliedResource(digest(resource.desired()), inputs, template)


def mark_pending(applied: Applied, resources: Iterable[Resource]) -> Applied:
    """The record with these marked as begun: a kill from here on is an interruption, no drift."""
    marked = dict(applied.resources)
    for resource in resources:
        before = marked.get(resource.address)
        done = before.done if before else None
        marked[resource.address] = replace(applied_resource(resource), pending=True, before=done)
    return with_resources(applied, marked)


def mark_applied(
    applied: Applied, resources: Iterable[Resource], gone: Iterable[str] = ()
) -> Applied:
    """The record with these as done, and those addresses forgotten."""
    marked = dict(applied.resources)
    for resource in resources:
        marked[resource.address] = applied_resource(resource)
    for address in gone:
        marked.pop(address, None)
    return with_resources(applied, marked)
