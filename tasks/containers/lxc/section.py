"""What a configuration says of plain LXC: its section `lxc`."""

from __future__ import annotations

from msgspec import Struct

from tasks.model.instance import NEWEST_SUITE


class Lxc(Struct, frozen=True):
    """See tasks.model.instance.Placement. template: a Debian suite, as its archive names it."""

    name: str
    template: str | None

    @property
    def default_template(self) -> str:
        return NEWEST_SUITE

    def container_name(self, instance_id: str) -> str:
        return self.name

    def suite(self, template: str) -> str:
        return template
