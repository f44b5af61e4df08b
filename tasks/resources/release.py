"""What serves: the build, the release in a color's folders, the active color, the records."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec import Struct

from tasks.model.instance import Color, Instance
from tasks.model.layout import environment
from tasks.model.plan import Action, AttributeChange
from tasks.resources.base import HEALTH, Difference, Facts, FileFact, Resource

ACTIVE_FOLDER = "/etc/vikunja/active"
GREEN_MARKER = f"{ACTIVE_FOLDER}/green"
"""Present: nginx passes requests to green; absent: to blue."""

SWITCHING = "/var/lib/vikunja-deploy/switching"
"""In the container: the color that a switch goes back to by itself until it is confirmed."""

RELEASE_FILES = "release-files"
UNNOTED = "unnoted"
"""The script that looks whether a release is whole, and what it says where nothing was noted."""

AFTER_APPLY = "(known after apply)"


def release_file(color: Color) -> str:
    """In the container: one line about the release of a color, as `ReleaseLine` has it."""
    return f"/opt/vikunja/backend/{color}/.release"


def mcp_release_file(color: Color) -> str:
    """The same line in the MCP server's folder: the folder is of the same release, and there."""
    return f"/opt/vikunja/mcp-server/{color}/.release"


def binary(color: Color) -> str:
    return f"/opt/vikunja/backend/{color}/vikunja"


class ReleaseLine(Struct, frozen=True):
    """key: of the artifact. commit: `-` for a finished archive. size: of the binary, bytes."""

    key: str
    version: str
    commit: str
    size: int

    @property
    def label(self) -> str:
        """For people: `1a2b3c4d5e (v1.2.0)`, of a finished archive the version."""
        return self.version if self.commit == "-" else f"{self.commit[:10]} ({self.version})"


def parse_release(text: str) -> ReleaseLine | None:
    fields = text.split(" ")
    if len(fields) != 4 or not fields[3].isdigit():
        return None
    return ReleaseLine(fields[0], fields[1], fields[2], int(fields[3]))


def released(facts: Facts, color: Color) -> ReleaseLine | None:
    """The release in a color's folder; None where there is none or its binary is not whole."""
    line = parse_release(facts.texts.get(release_file(color), ""))
    found = facts.files.get(binary(color))
    return line if line and found and found.size == line.size else None


def damage(facts: Facts, color: Color) -> str:
    """What of a color's release is not as it was put there: `backend/blue/vikunja was edited`.
    Empty where all is, or nobody knows."""
    state = facts.probes.get((RELEASE_FILES, color), UNNOTED)
    return "" if state in ("whole", UNNOTED) else state


def whole_release(facts: Facts, color: Color) -> ReleaseLine | None:
    """The release in a color's folder; None where there is none or any of its files is not as it
    was put there."""
    return None if damage(facts, color) else released(facts, color)


def active_color(facts: Facts) -> Color:
    """The color that nginx passes requests to."""
    return "green" if GREEN_MARKER in facts.files else "blue"


def listening_port(facts: Facts, instance: Instance, color: Color) -> int:
    """Where the backend of a color that serves listens: as its own settings say, which may not be
    what is configured by now."""
    settings = facts.files.get(environment(color))
    said = re.search(rb'(?m)^VIKUNJA_SERVICE_INTERFACE="127\.0\.0\.1:(\d+)"$', _content(settings))
    return int(said[1]) if said else instance.backend_port(color)


def _content(found: FileFact | None) -> bytes:
    """Empty where it is as it is desired."""
    return found.content or b"" if found else b""


class DesiredArtifact(Resource, frozen=True, kw_only=True):
    """The build of a commit, in the host's cache."""

    kind: ClassVar[str] = "artifact"

    key: str
    label: str
    """What is built, for people: a short commit or a release's version."""

    @property
    def name(self) -> str:
        return self.label

    def desired(self) -> Mapping[str, Any]:
        return {"key": self.key}

    def difference(self, facts: Facts) -> Difference | None:
        if facts.host.get(f"artifact:{self.key}") == "present":
            return None
        return Difference("create", "removed", (AttributeChange("version", None, AFTER_APPLY),))


class DesiredRelease(Resource, frozen=True, kw_only=True):
    """A color's folders hold this build. copy_of: the color that holds it already. because: why
    this color, where another one serves it."""

    kind: ClassVar[str] = "release"

    color: Color
    key: str
    label: str
    copy_of: Color | None = None
    because: str = ""

    @property
    def name(self) -> str:
        return self.color

    def questions(self) -> tuple[tuple[str, ...], ...]:
        return (
            ("text", release_file(self.color)),
            ("text", mcp_release_file(self.color)),
            ("file", "-", binary(self.color)),
            ("probe", RELEASE_FILES, self.color),
        )

    def desired(self) -> Mapping[str, Any]:
        return {"color": self.color, "key": self.key}

    def difference(self, facts: Facts) -> Difference | None:
        text = facts.texts.get(release_file(self.color), "")
        line = parse_release(text)
        whole = whole_release(facts, self.color)
        if facts.texts.get(mcp_release_file(self.color)) != text:
            whole = None
        if whole is not None and whole.key == self.key:
            return None
        before = whole.label if whole else None
        damaged = damage(facts, self.color) or "damaged"
        drift = "another release" if whole else damaged if line else "removed"
        action: Action = "create" if whole is None else "update"
        because = f"{self.color} takes over from {self.copy_of}" if self.copy_of else self.because
        changes = (AttributeChange("build", before, self.label),)
        return Difference(action, drift, changes, because=because)


class ActiveColor(Resource, frozen=True, kw_only=True):
    """nginx passes requests to this color. because: why, where nothing else says so."""

    kind: ClassVar[str] = "color"

    color: Color
    because: str = ""

    @property
    def name(self) -> str:
        return "active"

    def questions(self) -> tuple[tuple[str, ...], ...]:
        return (("text", SWITCHING), ("file", "-", GREEN_MARKER))

    def desired(self) -> Mapping[str, Any]:
        return {"color": self.color}

    def difference(self, facts: Facts) -> Difference | None:
        found = active_color(facts)
        if found == self.color:
            if SWITCHING not in facts.texts:
                return None
            return Difference("update", "unconfirmed", (AttributeChange("confirmed", "no", "yes"),))
        changes = (AttributeChange("color", found, self.color),)
        return Difference("update", "switched", changes, because=self.because)


class HealthCheck(Resource, frozen=True, kw_only=True):
    """The page answers through nginx; looked at whenever something it hangs on has changed.

    answers: as of the unit of nginx.
    """

    kind: ClassVar[str] = "health"

    site: str
    """Scheme, name and port."""
    timeout: int
    answers: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return "site"

    def desired(self) -> Mapping[str, Any]:
        return {"site": self.site}

    def difference(self, facts: Facts) -> Difference | None:
        unwell = facts.unwell(self.answers)
        if not unwell:
            return None
        return Difference("run", unwell, (AttributeChange(HEALTH, unwell, "well"),))


class Record(Resource, frozen=True, kw_only=True):
    """A record of what was done: the document in the container, state and registry on the host.

    expected: what it should say, as the observer of the same record puts it; empty where only this
    apply will tell.
    """

    kind: ClassVar[str] = "record"

    record: str
    expected: str
    path: str = ""
    """In the container; empty for a record on the host."""

    @property
    def name(self) -> str:
        return self.record

    def desired(self) -> Mapping[str, Any]:
        return {"record": self.record}

    def found(self, facts: Facts) -> str | None:
        if not self.path:
            return facts.host.get(self.address)
        fact = facts.files.get(self.path)
        return f"{fact.sha256} {fact.mode}" if fact else None

    def difference(self, facts: Facts) -> Difference | None:
        found = self.found(facts)
        if found == self.expected:
            return None
        if self.path:
            return Difference("update" if found else "create", "edited")
        return Difference(
            "update" if found else "create",
            "edited",
            (AttributeChange("says", found, self.expected or AFTER_APPLY),),
        )

    def fired(self) -> Difference:
        return Difference("update", "")
