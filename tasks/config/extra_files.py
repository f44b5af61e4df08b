"""Where files of the user's own may go in the container; pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from tasks.config.finding import Finding, Key

OWNED_FOLDERS = (
    "/etc/vikunja",
    "/etc/vikunja-deploy",
    "/etc/redis",
    "/opt/vikunja",
    "/var/lib/vikunja",
    "/var/log/vikunja",
    "/run",
    "/proc",
    "/sys",
    "/dev",
)
"""What the tool manages, or what is gone at the next start."""

OWNED_NAMES = (
    "/etc/nginx/conf.d/vikunja",
    "/etc/nginx/sites-available/vikunja",
    "/etc/nginx/sites-enabled/vikunja",
    "/etc/systemd/system/vikunja",
    "/etc/logrotate.d/vikunja",
    "/usr/local/share/ca-certificates/vikunja",
)
"""Beginnings of names of files that the tool manages."""


def extra_files(document: Mapping[str, Any]) -> Iterator[Finding]:
    yield from _readable_secrets(document)
    seen: dict[str, int] = {}
    inside: dict[str, list[str]] = {}
    """Folder → the files seen anywhere below it."""
    for index, item in enumerate(document.get("files") or ()):
        path = item.get("path") if isinstance(item, Mapping) else None
        if not isinstance(path, str):
            continue
        key: Key = ("files", index, "path")
        if finding := _path_finding(key, path):
            yield finding
        elif path in seen:
            yield Finding(key, f"{path} is the path of files[{seen[path]}] already")
        else:
            folders = [str(folder) for folder in PurePosixPath(path).parents]
            others = [folder for folder in folders if folder in seen] + inside.get(path, [])
            for other in sorted(others, key=seen.__getitem__):
                what = f"{path} and {other} of files[{seen[other]}] cannot both be files"
                yield Finding(key, what, "One of them would have to be a folder.")
            seen[path] = index
            for folder in folders:
                inside.setdefault(folder, []).append(path)


def _readable_secrets(document: Mapping[str, Any]) -> Iterator[Finding]:
    for index, item in enumerate(document.get("files") or ()):
        if not isinstance(item, Mapping) or item.get("secret") is not True:
            continue
        mode = item.get("mode")
        if isinstance(mode, str) and int(mode, 8) & 0o007:
            what = f"{mode} lets everybody in the container read a secret"
            yield Finding(("files", index, "mode"), what, 'Write "0600", or "0640" with a group.')


def _path_finding(key: Key, path: str) -> Finding | None:
    if not path.startswith("/"):
        return Finding(key, f"{path} is not absolute", "Start it with /")
    plain = posixpath.normpath(path)
    if plain == "/" or path.endswith("/"):
        return Finding(key, f"{path} is a folder", "Name the file.")
    if path != plain:
        return Finding(key, f"{path} is not the plain form of {plain}", f"Write {plain}")
    if path == "/etc/resolv.conf":
        return Finding(key, f"{path} is made of network.nameservers", "Set those instead.")
    if path.startswith("/usr/local/share/ca-certificates/") and not path.endswith(".crt"):
        return Finding(key, f"{path} is read by nothing", "Let its name end in .crt.")
    for folder in OWNED_FOLDERS:
        if path == folder or path.startswith(f"{folder}/"):
            return Finding(key, f"{path} is in {folder}, which is not for files of your own")
    if path.startswith(OWNED_NAMES):
        return Finding(key, f"{path} is a file that the tool itself manages")
    return None
