"""What of an instance's configuration goes into an archive, and what of its secrets.

    deployment-config.yaml   the record in the container
    environment              the application's settings
    config.yaml              the user's own file
    state.json               the record on the host
    secrets/<name>           in encrypted archives only

In a plain archive secrets are masked wherever they stand, and those masked cannot be restored:
the target keeps its own.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from msgspec import Struct

from tasks.config.document import without_secrets
from tasks.host.files import named
from tasks.model.instance import Instance
from tasks.model.redaction import MASK, is_secret, masked, masked_settings, redact
from tasks.paths import Paths
from tasks.secret import Secret

FOLDER = "/etc/vikunja"
DOCUMENT = "deployment-config.yaml"
ENVIRONMENT = "environment"
USERS = "config.yaml"
STATE = "state.json"
SECRETS = "secrets/"

_SHORTEST = 8


class Gathered(Struct, frozen=True):
    """Files by their name in an archive. secrets: those that only encrypted ones hold."""

    files: Mapping[str, bytes]
    secrets: Mapping[str, Secret[bytes]]


def gather(instance: Instance, paths: Paths, inside: bytes) -> Gathered:
    """inside: a tar stream of what there is in the container of FOLDER."""
    files: dict[str, bytes] = {}
    secrets: dict[str, Secret[bytes]] = {}
    with tarfile.open(fileobj=io.BytesIO(inside)) as archive:
        for member in archive:
            taken = archive.extractfile(member) if member.isfile() else None
            if taken is not None and member.name.startswith(SECRETS):
                secrets[member.name] = Secret(taken.read())
            elif taken is not None:
                files[member.name] = taken.read()
    with named(instance.source, "cannot be read"):
        files[USERS] = instance.source.read_bytes()
    state = paths.state(instance.id)
    with named(state, "cannot be read"):
        if state.exists():
            files[STATE] = state.read_bytes()
    return Gathered(files, secrets)


def open_files(instance: Instance, gathered: Gathered) -> dict[str, bytes]:
    """What anybody may read: no secret is left in it."""
    texts = {name: data.decode(errors="replace") for name, data in gathered.files.items()}
    known = [Secret(one.reveal().decode(errors="replace")) for one in gathered.secrets.values()]
    known += _private_values(instance)
    texts[USERS] = _without_secrets(instance)
    if ENVIRONMENT in texts:
        lines = masked_settings(texts[ENVIRONMENT])
        texts[ENVIRONMENT] = "".join(f"{line}\n" for line in lines)
    return {name: masked(redact(text, known)).encode() for name, text in texts.items()}


def sealed_files(gathered: Gathered) -> dict[str, bytes]:
    """Everything as it is, for those who can decrypt."""
    return {**gathered.files, **{name: one.reveal() for name, one in gathered.secrets.items()}}


def _without_secrets(instance: Instance) -> str:
    """The user's file, written anew: comments may hold anything."""
    import yaml

    document: dict[str, Any] = deepcopy(dict(instance.document))
    for section in ("vikunja", "build"):
        variables = document[section]["environment"]
        for name, value in variables.items():
            if is_secret(name, value):
                variables[name] = MASK
    for item, file in zip(document["files"], instance.files, strict=True):
        if file.content is not None and file.secret:
            item["content"] = MASK
    text: str = yaml.safe_dump(without_secrets(document), sort_keys=False, allow_unicode=True)
    return f"# As it was read, with all defaults; secrets are masked.\n{text}"


def _private_values(instance: Instance) -> list[Secret[str]]:
    """Values of settings and files that are secret: they may stand elsewhere, too.

    Short ones are ordinary words; their own lines are masked by name.
    """
    variables = {**instance.vikunja.environment, **instance.build.environment}
    values = [value for name, value in variables.items() if is_secret(name, value)]
    values += [file.content for file in instance.files if file.secret and file.content]
    values = [value for value in values if len(value) >= _SHORTEST and "\n" not in value.strip()]
    return [Secret(value) for value in values]
