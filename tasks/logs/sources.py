"""Which logs an instance has, by component. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from msgspec import Struct

from tasks.errors import UsageError
from tasks.model.instance import COLORS, Instance

Component = Literal["backend", "mcp", "nginx", "deploy"]
COMPONENTS: tuple[Component, ...] = get_args(Component)

FOLDER = "/var/log/vikunja"


class Source(Struct, frozen=True):
    """One log in the container. location: a file, or `journal:UNIT`: what systemd says of it."""

    name: str
    location: str


def sources(instance: Instance, components: Sequence[Component]) -> tuple[Source, ...]:
    """The logs in the container; `deploy` is the host's and not among them."""
    found: list[Source] = []
    for component in ("backend", "mcp"):
        if component in components and (component == "backend" or instance.services.mcp.enabled):
            for color in COLORS:
                name = f"{component}-{color}"
                found.append(Source(name, f"{FOLDER}/{name}.log"))
                found.append(Source(name, f"journal:vikunja-{component}@{color}.service"))
    if "nginx" in components:
        found += [
            Source("nginx-access", f"{FOLDER}/nginx-access.log"),
            Source("nginx-error", "/var/log/nginx/error.log"),
            Source("nginx", "journal:nginx.service"),
        ]
    return tuple(found)


def chosen(names: Sequence[str]) -> tuple[Component, ...]:
    """The components named, all of them where none is. Raises UsageError."""
    for name in names:
        if name not in COMPONENTS:
            raise UsageError(
                f"--component {name!r} is none of {', '.join(COMPONENTS)}",
                hint="Leave it out for all of them.",
            )
    return tuple(known for known in COMPONENTS if not names or known in names)
