"""A compose file's service, and what of the machine it sees; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
"""In the order in which docker takes them."""

IMAGE = re.compile(r"(^|/)vikunja(/vikunja|/api)?(:|@|$)")

_VARIABLE = re.compile(r"\$(?:\$|(\w+)|\{(\w+)(?::?([-?+])([^}]*))?\})")


class ComposeService(Struct, frozen=True):
    """environment: as it comes to be. mounts: folder or file of the container → of this machine, or
    a volume's name where it has none. tag: of the image, empty where there is none."""

    name: str
    tag: str
    environment: Mapping[str, str]
    env_files: tuple[str, ...]
    mounts: Mapping[str, str]


def services(document: Any, variables: Mapping[str, str]) -> Mapping[str, ComposeService]:
    """Those that run Vikunja, by name. variables: what `${NAME}` stands for."""
    if not isinstance(document, Mapping):
        return {}
    found = {}
    secrets = _section(document, "secrets")
    for name, service in _section(document, "services").items():
        if not isinstance(service, Mapping):
            continue
        image = filled(str(service.get("image", "")), variables)
        if IMAGE.search(image.partition("@")[0]) or (name == "vikunja" and "build" in service):
            found[str(name)] = _service(str(name), service, image, variables, secrets)
    return found


def _service(
    name: str,
    service: Mapping[str, Any],
    image: str,
    variables: Mapping[str, str],
    secrets: Mapping[str, Any],
) -> ComposeService:
    mounts: dict[str, str] = {}
    for volume in service.get("volumes") or ():
        if isinstance(volume, Mapping):
            place, target = str(volume.get("source", "")), str(volume.get("target", ""))
        else:
            place, _, target = filled(str(volume), variables).partition(":")
            target = target.partition(":")[0]
        mounts[target.rstrip("/") or "/"] = filled(place, variables)
    for secret in service.get("secrets") or ():
        named = secret if isinstance(secret, str) else str(secret.get("source", ""))
        about = secrets.get(named) or {}
        if isinstance(about, Mapping) and "file" in about:
            mounts[f"/run/secrets/{named}"] = filled(str(about["file"]), variables)
    given = service.get("environment") or {}
    if isinstance(given, list):
        pairs = (str(one).partition("=") for one in given)
        given = {key: value if equals else None for key, equals, value in pairs}
    environment = {
        str(key): variables.get(str(key), "") if value is None else filled(_text(value), variables)
        for key, value in given.items()
    }
    files = service.get("env_file") or ()
    listed = [files] if isinstance(files, str | Mapping) else files
    names = (one["path"] if isinstance(one, Mapping) else str(one) for one in listed)
    tag = image.partition("@")[0].rpartition(":")[2] if ":" in image.partition("@")[0] else ""
    return ComposeService(name, tag, environment, tuple(names), mounts)


def _section(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name)
    return found if isinstance(found, Mapping) else {}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def filled(text: str, variables: Mapping[str, str]) -> str:
    """With `$NAME`, `${NAME}` and `${NAME:-default}` filled in; what is nowhere stays."""

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name is None:
            return "$"
        if variables.get(name):
            return found[4] or "" if found[3] == "+" else variables[name]
        return found[4] or "" if found[3] == "-" else found[0]

    return _VARIABLE.sub(value, text)
