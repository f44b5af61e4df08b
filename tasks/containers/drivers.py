"""The drivers of containers: a new one is a folder beside this file, and a line in the table.

What a driver offers stands in its `__init__.py`, which loads nothing of the rest before it is asked
for it: a plan of plain LXC loads no code of Proxmox VE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.containers.base import Driver, LocalDriver
    from tasks.model.instance import DriverName, Instance


def _lxc() -> LocalDriver:
    from tasks.containers.lxc import DRIVER

    return DRIVER


def _proxmox() -> Driver:
    from tasks.containers.proxmox import DRIVER

    return DRIVER


DRIVERS: Mapping[DriverName, Callable[[], Driver]] = {"proxmox": _proxmox, "lxc": _lxc}
"""By the name of their section in the configuration."""

local_driver = _lxc
"""The driver of containers that belong to no instance, such as the builder."""


def proposed() -> DriverName:
    """The driver for a new instance of which nothing else is said."""
    return next(name for name, driver in DRIVERS.items() if driver().is_here())


def driver_named(name: DriverName) -> Driver:
    """As the registry names it."""
    return DRIVERS[name]()


def driver_of(instance: Instance) -> Driver:
    return driver_named(instance.driver)


def by_driver(instances: Iterable[Instance]) -> list[tuple[Driver, Sequence[Instance]]]:
    """The drivers of these instances, in the table's order, each with its own of them."""
    found: dict[DriverName, list[Instance]] = {}
    for instance in instances:
        found.setdefault(instance.driver, []).append(instance)
    return [(driver_named(name), found[name]) for name in DRIVERS if name in found]


def unfinished() -> Sequence[str]:
    """What other threads of this process wait for and what runs on without them; a line each."""
    return [line for driver in DRIVERS.values() for line in driver().unfinished()]
