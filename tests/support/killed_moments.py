"""What a kill at each moment of one apply leaves behind, from a single run of that apply.

A process that is killed leaves its files and the container as they are at that moment, and no
process. Here one runs to its end instead and keeps both at each event; what was the same at the
event before is no moment of its own.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import NamedTuple

from kept_folders import Kept, keep, lay
from killed_lines import by_child
from model_claims import CarryOut, with_events_of_records
from model_site import UNKEPT, Site

from tasks.model.plan import Plan
from tasks.planning.inspection import Inspection


class Moment(NamedTuple):
    """number: of the first event at which a kill leaves this."""

    number: int
    files: Mapping[str, Kept]
    world: bytes

    def leave(self, site: Site) -> None:
        """Have the site as the kill left it."""
        lay(site.folder, self.files, UNKEPT)
        site.world.places, site.world.log, site.world.refusals = pickle.loads(self.world)


def moments(
    site: Site,
    looks: Mapping[str, Inspection],
    plan: Plan,
    carry_out: CarryOut | None = None,
) -> list[Moment]:
    """All that differ, in their order. The plan is carried out by a process of its own: the site's
    world stays as it is, and its files are as after the last event.

    carry_out: how, where not as an apply does.
    """
    return by_child(lambda: _noticed(site, looks, plan, carry_out or site.carry_out))


def _noticed(
    site: Site, looks: Mapping[str, Inspection], plan: Plan, carry_out: CarryOut
) -> list[Moment]:
    found: list[Moment] = []
    contents: dict[bytes | str | None, bytes | str | None] = {}
    events = 0

    def notice() -> None:
        nonlocal events
        events += 1
        world = pickle.dumps((site.world.places, site.world.log, site.world.refusals))
        files = {
            name: one._replace(content=contents.setdefault(one.content, one.content))
            for name, one in keep(site.folder, UNKEPT).items()
        }
        if not found or (files, world) != found[-1][1:]:
            found.append(Moment(events, files, world))

    with_events_of_records(site)
    site.world.noticed = notice
    failures = carry_out(looks, plan)
    assert not failures, "\n".join(
        line for failure in failures.values() for line in (str(failure), *failure.evidence)
    )
    return found
