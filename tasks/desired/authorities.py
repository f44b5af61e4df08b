"""Authorities whose certificates the container trusts besides those of Debian."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from tasks.desired.rendering import origin_of
from tasks.model.digests import digest
from tasks.model.host_files import HostFiles
from tasks.model.instance import Instance
from tasks.resources.files import File
from tasks.resources.system import Script

FOLDER = "/usr/local/share/ca-certificates"
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
SCRIPT = "trusted-authorities"


def is_authority(path: str) -> bool:
    """Whether update-ca-certificates takes the file up."""
    return path.startswith(f"{FOLDER}/") and path.endswith(".crt")


def withdrawn(path: str) -> Script:
    """That of one that is no longer configured nothing is there, nor what was made of it."""
    return Script(script=SCRIPT, title=path, arguments=("without", path), wanted="absent")


def files(instance: Instance, host_files: HostFiles) -> Iterator[File]:
    """Named by what they hold: another certificate is another file."""
    origin = origin_of(instance, ["network.trusted_ca"])
    for certificate in host_files.authorities:
        name = hashlib.sha256(certificate).hexdigest()[:16]
        yield File(path=f"{FOLDER}/vikunja-{name}.crt", content=certificate, origin=origin)


def names(instance: Instance, host_files: HostFiles) -> list[str]:
    """What tells those that the application is started with from others, the user's own files
    included."""
    given = [file.path for file in files(instance, host_files)]
    for extra in instance.files:
        if is_authority(extra.path):
            source = extra.content is None
            content = host_files.extra[extra.path].reveal() if source else extra.content or ""
            given.append(f"{extra.path} {digest(str(content))}")
    return given


def declare(used: Iterable[File]) -> Iterator[Script]:
    """That they count. used: files, of which those of authorities are taken."""
    taken = [file for file in used if is_authority(file.path)]
    if taken:
        yield Script(
            script=SCRIPT,
            title=BUNDLE,
            arguments=("with", *(file.path for file in taken)),
            triggers=tuple(file.address for file in taken),
            origin=taken[0].origin.merged([file.origin for file in taken[1:]]),
        )
