"""A site's container from within, not through the tool: what is there, and things done to it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from journey import Site

from tasks.config import load_instances
from tasks.containers import container_for
from tasks.containers.base import Container

MANAGED = (
    "/etc/vikunja",
    "/etc/nginx",
    "/etc/logrotate.d",
    "/etc/tmpfiles.d",
    "/etc/motd",
    "/srv",
    "/opt/vikunja",
    "/usr/local/lib/vikunja",
    "/etc/systemd/system",
)

LOOK = r"""
find "$@" ! -type d -printf '%p\t%y %m %u:%g %l ' -exec sh -c \
    '[ -f "$1" ] && [ ! -L "$1" ] && sha256sum <"$1" | cut -c 1-64 || echo' sh {} \; 2>/dev/null
find "$@" -type d -printf '%p\t%y %m %u:%g\n' 2>/dev/null
"""


@dataclass
class Inside:
    site: Site

    @property
    def container(self) -> Container:
        (instance,) = load_instances([self.site.file])
        return container_for(instance, self.site.paths)

    def run(self, *argv: str) -> str:
        return self.container.run(argv, timeout=120).stdout.decode()

    def shell(self, script: str, *arguments: str) -> str:
        return self.run("sh", "-c", script, "sh", *arguments)

    def seen(self, places: Sequence[str] = MANAGED) -> dict[str, str]:
        """Path → everything about it, of all that the tool could have its hands in."""
        lines = self.shell(LOOK, *places).splitlines()
        return dict(line.split("\t", 1) for line in lines)

    @property
    def serving(self) -> str:
        """The color that serves."""
        marker = "if [ -e /etc/vikunja/active/green ]; then echo green; else echo blue; fi"
        return self.shell(marker).strip()

    @property
    def backend(self) -> str:
        """The unit of the backend that serves."""
        return f"vikunja-backend@{self.serving}.service"

    def active(self, unit: str) -> str:
        return self.run("systemctl", "show", "-p", "ActiveState", "--value", unit).strip()


def explained(path: str, addresses: list[str]) -> bool:
    """Whether a plan's addresses say that this path changes."""
    for address in addresses:
        kind, _, name = address.partition(":")
        # A file's folder is made with it.
        if kind == "file" and name.startswith(f"{path}/"):
            return True
        if path == name or (kind == "self-signed-certificate" and path.startswith(f"{name}/")):
            return True
        if kind == "release" and re.match(rf"/opt/vikunja/[a-z-]+/{name}(/|$)", path):
            return True
        if kind == "color" and path == "/etc/vikunja/active/green":
            return True
        if kind.endswith("-secrets") and re.match(rf"/etc/vikunja/secrets/{name}(/|$)", path):
            return True
        # Enabling and masking are links in systemd's own folder.
        if kind == "unit" and path.startswith("/etc/systemd/system/") and path.endswith(name):
            return True
        # A package brings its own files.
        if kind == "package" and path.startswith(("/etc/logrotate.d/", "/etc/systemd/system/")):
            return True
    return False
