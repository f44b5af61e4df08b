"""Further sources of Debian packages in the container, with their keys, and what keeps all else of
them out; pure."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.desired.rendering import origin_of
from tasks.model.host_files import HostFiles
from tasks.model.instance import AptSource, Instance
from tasks.resources.files import File

SOURCES = "/etc/apt/sources.list.d/vikunja-deploy.sources"
PINS = "/etc/apt/preferences.d/vikunja-deploy"

_HEAD = "# Written by vikunja-deploy: an edit is undone by the next apply.\n"
_NEVER, _PREFERRED = -10, 900


def declare(instance: Instance, host_files: HostFiles) -> Iterator[File]:
    """What apt reads, before anything is installed."""
    sources = instance.system.apt_sources
    if not sources:
        return
    origin = origin_of(instance, ["system.apt_sources"])
    for number, key in enumerate(host_files.apt_keys, 1):
        yield File(
            path=_keyring(number),
            content=key,
            origin=origin,
            otherwise=f"{sources[number - 1].key_file} changed",
        )
    # First what keeps out, then what lets in.
    yield File(path=PINS, content=_pins(sources).encode(), origin=origin)
    stanzas = (stanza(source, _keyring(number)) for number, source in enumerate(sources, 1))
    yield File(path=SOURCES, content=(_HEAD + "".join(stanzas)).encode(), origin=origin)


def _keyring(number: int) -> str:
    return f"/etc/apt/keyrings/vikunja-deploy-{number}.gpg"


def stanza(source: AptSource, keyring: str) -> str:
    """In the form of deb822, sources.list(5)."""
    flat = source.suites[0].endswith("/")
    fields = {
        "Types": "deb",
        "URIs": " ".join(source.uris),
        "Suites": " ".join(source.suites),
        **({} if flat else {"Components": " ".join(source.components)}),
        "Signed-By": keyring,
    }
    return "\n" + "".join(f"{name}: {value}\n" for name, value in fields.items())


def _pins(sources: tuple[AptSource, ...]) -> str:
    """apt_preferences(5): a package's own pin goes before that of all."""
    hosts = dict.fromkeys(host for source in sources for host in source.hosts)
    rules = [("*", host, _NEVER) for host in hosts]
    rules += [
        (" ".join(source.packages), host, _PREFERRED) for source in sources for host in source.hosts
    ]
    return _HEAD + "".join(
        f'\nPackage: {packages}\nPin: origin "{host}"\nPin-Priority: {priority}\n'
        for packages, host, priority in rules
    )
