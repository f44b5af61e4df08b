"""Whether the further sources of packages answer this machine, are signed with their keys, and have
what is to come from there: by this machine's own apt, aside from all that it knows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tasks.desired.apt_sources import stanza
from tasks.errors import NetworkError
from tasks.host.process import execute
from tasks.model.finding import Finding, World
from tasks.model.host_files import read_host_files
from tasks.model.instance import AptSource

SECONDS = 60.0
TOPIC = "packages"

_COMPLAINT = re.compile(r"^[WE]: (?P<what>.*)", re.MULTILINE)
_CANDIDATE = re.compile(r"^(?P<name>\S+):\n  Installed: .*\n  Candidate: [^(\n]", re.MULTILINE)


def check(world: World) -> Iterator[Finding]:
    sources = world.instance.system.apt_sources
    keys = read_host_files(world.instance).apt_keys if sources else ()
    for number, (source, key) in enumerate(zip(sources, keys, strict=True)):
        with TemporaryDirectory() as folder:
            yield evaluate(world, number, source, *look(Path(folder), source, key))


def look(folder: Path, source: AptSource, key: bytes) -> tuple[str, frozenset[str]]:
    """What apt complains of first, empty for nothing, and which of the packages there are."""
    for name in ("sources", "lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    keyring = folder / "key.gpg"
    keyring.write_bytes(key)
    (folder / "sources" / "one.sources").write_text(stanza(source, str(keyring)))
    updated = _apt(folder, "apt-get", "update")
    complaint = _COMPLAINT.search(updated)
    if complaint is not None:
        return complaint["what"], frozenset()
    found = _apt(folder, "apt-cache", "policy", "--", *source.packages)
    return "", frozenset(match["name"] for match in _CANDIDATE.finditer(found))


def evaluate(
    world: World, number: int, source: AptSource, complaint: str, found: frozenset[str]
) -> Finding:
    """What is said of one of them. number: from 0."""
    key, first = f"system.apt_sources[{number}]", source.uris[0]
    if complaint:
        hint = f"Check uris, suites and key_file of {key}, and the way there"
        return world.problem(TOPIC, f"{key}: {complaint}", hint, NetworkError)
    missing = [name for name in source.packages if name not in found]
    if missing:
        what = f"{key}: {first} has no package {', '.join(missing)}"
        return world.problem(TOPIC, what, f"Check suites and packages of {key}")
    return world.ok(TOPIC, f"{first} is signed with its key, and has {', '.join(source.packages)}")


def _apt(folder: Path, *argv: str) -> str:
    """What it says, whatever becomes of it."""
    program, *arguments = argv
    done = execute(
        ["env", "LC_ALL=C", program, *_options(folder), *arguments], check=False, timeout=SECONDS
    )
    return (done.stdout + done.stderr).decode(errors="replace")


def _options(folder: Path) -> Sequence[str]:
    settings = {
        "Dir::Etc::SourceList": "/dev/null",
        "Dir::Etc::SourceParts": folder / "sources",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": folder / "none",
        "Dir::State::Status": "/dev/null",
        "Dir::State::Lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "root",
        "Acquire::Retries": 0,
        "Acquire::http::Timeout": 10,
        "Acquire::https::Timeout": 10,
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
