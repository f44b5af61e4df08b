"""Proxmox VE's notations: property strings, sizes, lists, notes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction

from tasks.model.registry import parse_identity

TAG = "vikunja-deploy"
NOTE = re.compile(r"^vikunja-deploy: (\S+)$", re.MULTILINE)
IDENTITY_NOTE = re.compile(r"^identity: (\S+)$", re.MULTILINE)
TEMPLATE_NOTE = re.compile(r"^made from: (\S+)$", re.MULTILINE)

UNMARKED = "marker: to be written at the first start"
TAKEN_NOTE = re.compile(r"^marker until then: (\S+)$", re.MULTILINE)
"""Of a container that was another instance's before."""

SETTING = re.compile(r"([a-z][\w-]*):\s?(.*)")
SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)([KMGT]?)")
UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


def parse_properties(text: str, default_key: str = "") -> dict[str, str]:
    """`volume,size=8G` as a mapping, in its order; a word without `=` is the default key's."""
    found = {}
    for part in text.split(","):
        name, separator, value = part.partition("=")
        if separator:
            found[name] = value
        elif part:
            found[default_key] = part
    return found


def format_properties(values: Mapping[str, str | int], default_key: str = "") -> str:
    return ",".join(
        str(value) if name == default_key else f"{name}={value}" for name, value in values.items()
    )


def parse_settings(lines: Iterable[str]) -> dict[str, str]:
    """Lines `name: value`, as most files of the cluster file system have them."""
    matches = (SETTING.fullmatch(line) for line in lines if not line.startswith("#"))
    return {match[1]: match[2] for match in matches if match}


def parse_gib(text: str) -> int | float | None:
    """`8G`, `8192M`, `0.5T` or bytes as GiB, an integer where it is whole; None for no size."""
    match = SIZE.fullmatch(text)
    if not match:
        return None
    gib = Fraction(match[1]) * 2 ** UNITS[match[2]] / 2**30
    return int(gib) if gib.denominator == 1 else float(gib)


def parse_whole(text: str | None) -> int | None:
    """A whole number, None where it is none: somebody may have written anything there."""
    return int(text) if text is not None and re.fullmatch(r"\d{1,18}", text) else None


def tag_of(instance_id: str) -> str:
    """The tag of an instance's container. Proxmox VE's tags are lower case."""
    return f"{TAG}.{instance_id}".lower()


def parse_tags(text: str) -> tuple[str, ...]:
    return tuple(tag for tag in re.split(r"[;, ]+", text) if tag)


def format_tags(tags: Iterable[str]) -> str:
    """Tags for the API, sorted, each once. Where it is all the same, Proxmox VE makes them lower
    case itself."""
    return ";".join(sorted(set(tags)))


def is_own_tag(tag: str) -> bool:
    """Whether a tag says of which instance a container is."""
    return tag.lower().startswith(f"{TAG}.")


def notes_of(instance_id: str, template: str, identity: str) -> str:
    """The notes of a container that is made for an instance. What else users write is theirs.

    They say that it has no marker yet: only a running container can be given one.
    """
    made = f"vikunja-deploy: {instance_id}\nmade from: {template}\nidentity: {identity}\n"
    return f"{made}{UNMARKED}\n"


def with_identity(notes: str, identity: str) -> str:
    """The notes with this one as the only one."""
    lines = [line for line in notes.splitlines() if not IDENTITY_NOTE.fullmatch(line)]
    return "\n".join([*lines, f"identity: {identity}"]) + "\n"


def with_proof(notes: str, instance_id: str, template: str) -> str:
    """The notes with what says whose the container is, and that it has its marker."""
    lines = [line for line in notes.splitlines() if line != UNMARKED]
    if not any(NOTE.fullmatch(line) for line in lines):
        lines.append(f"vikunja-deploy: {instance_id}")
    if not any(TEMPLATE_NOTE.fullmatch(line) for line in lines):
        lines.append(f"made from: {template}")
    return "\n".join(lines) + "\n"


def proven_instance(notes: str, tags: Iterable[str]) -> str | None:
    """The instance that notes and tags of a container agree on, None for none.

    One that never ran is known by its notes alone, as long as no tag says that it is another's.
    """
    named = instance_in_notes(notes)
    if named is None:
        return None
    own = [tag.lower() for tag in tags if is_own_tag(tag)]
    return named if tag_of(named) in own or (not own and is_unmarked(notes)) else None


def is_unmarked(notes: str) -> bool:
    """Whether it never ran: a container gets its marker, and our tag, when it is first started."""
    return UNMARKED in notes.splitlines()


def marked(notes: str) -> str:
    """The notes of a container that has its marker."""
    lines = notes.splitlines()
    left = [line for line in lines if line != UNMARKED and not TAKEN_NOTE.fullmatch(line)]
    return "\n".join(left) + "\n"


def handed_over(notes: str, instance_id: str) -> str:
    """The notes of a container that is another instance's from now on: its marker is to be written
    anew."""
    before = marker_until_then(notes) or instance_in_notes(notes)
    lines = [line for line in marked(notes).splitlines() if not NOTE.fullmatch(line)]
    until_then = [f"marker until then: {before}"] if before else []
    return "\n".join([f"vikunja-deploy: {instance_id}", *lines, UNMARKED, *until_then]) + "\n"


def marker_until_then(notes: str) -> str | None:
    """What the marker of a container says that was another instance's; None for nothing else."""
    match = TAKEN_NOTE.search(notes)
    return match[1] if match else None


def instance_in_notes(text: str) -> str | None:
    """The instance that notes name; None where they name none, or more than one."""
    named = set(NOTE.findall(text))
    return named.pop() if len(named) == 1 else None


def instances_in(notes: str) -> frozenset[str]:
    """Every instance that notes name."""
    return frozenset(NOTE.findall(notes))


def identity_in_notes(text: str) -> str | None:
    """What the container was made with; None where it says nothing, or more than one thing."""
    named = set(IDENTITY_NOTE.findall(text))
    return parse_identity(named.pop()) if len(named) == 1 else None


def template_in_notes(text: str) -> str | None:
    match = TEMPLATE_NOTE.search(text)
    return match[1] if match else None
