"""How installations of Vikunja are known to be laid out: docs/moving-in.md has it as a table."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct


class Layout(Struct, frozen=True):
    """signs: the shell's patterns of files of which one is there. programs, folders: where program
    and data are where no unit says it. versions: files that hold nothing but the version."""

    name: str
    title: str
    signs: tuple[str, ...]
    programs: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()


_OF_SCRIPT = ("/root/.vikunja", "/opt/Vikunja_version.txt", "/opt/vikunja_version.txt")

LAYOUTS = (
    Layout(
        "bash-project",
        "the bash project before this tool (blue only)",
        ("/opt/vikunja/backend/blue/vikunja", "/etc/vikunja/deployment-config.yaml"),
        ("/opt/vikunja/backend/blue/vikunja",),
        ("/opt/vikunja", "/var/lib/vikunja", "/opt/vikunja/backend/blue"),
    ),
    Layout(
        "community-script",
        "the community script for Proxmox VE",
        _OF_SCRIPT,
        ("/opt/vikunja/vikunja",),
        ("/opt/vikunja", "/etc/vikunja"),
        _OF_SCRIPT,
    ),
    Layout(
        "package",
        "Vikunja's own package",
        (
            "/usr/lib/systemd/system/vikunja.service",
            "/lib/systemd/system/vikunja.service",
            "/var/lib/dpkg/info/vikunja.list",
        ),
        ("/opt/vikunja/vikunja",),
        ("/opt/vikunja", "/etc/vikunja"),
    ),
    Layout(
        "by-hand",
        "installed by hand",
        (),
        ("/opt/vikunja/vikunja", "/usr/local/bin/vikunja", "/usr/bin/vikunja"),
        ("/opt/vikunja", "/etc/vikunja", "/var/lib/vikunja"),
    ),
)
"""The first one of which there is a sign; the last one where there is none."""

IMAGE: Mapping[str, str] = {
    "service_rootpath": "/app/vikunja",
    "database_path": "/db/vikunja.db",
}
"""What Vikunja's image sets."""

VOLUMES = ("db/vikunja.db", "files/vikunja.db", "vikunja.db", "database/vikunja.db")
ATTACHMENTS = ("app/vikunja/files", "files", "data/files")
"""Where database and attachments are in a folder of volumes, or a working folder."""

COMPOSE_FOLDERS = ("/opt/*", "/opt/stacks/*", "/srv/*", "/root/*", "/home/*/*", "/docker/*")
"""Where compose files mostly are."""

CONFIG_NAMES = ("config.json", "config.toml", "config.yaml", "config.yml")
"""In the order in which Vikunja takes them."""
