"""Packages, users, secrets, units and scripted things in the container."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Literal

from tasks.model.plan import Action, AttributeChange
from tasks.resources.base import HEALTH, NO_ANSWER, Difference, Facts, Resource, UnitFact

STAMPS = "/var/lib/vikunja-deploy/stamps"
"""In the container: per unit, the digest of what it was last (re)started or reloaded with."""


ADMINISTRATOR = slice(4, 5)
"""Of the arguments of a server outside, `-` for nobody."""

EXPOSED = "exposed"
"""State of a database whose server is reached from outside of the container."""

NOTED_SECRET = "noted-secret"

OUTDATED = "libraries"
"""Name of the change of a unit that runs with libraries of before an update."""

APPLIED_REVISION = "files taken up"
"""Name of the change of a unit that runs with other files than those it should run with."""


class Package(Resource, frozen=True, kw_only=True):
    """A Debian package, in whatever version the container's sources offer."""

    kind: ClassVar[str] = "package"

    package: str

    @property
    def name(self) -> str:
        return self.package

    def questions(self) -> tuple[tuple[str, ...], ...]:
        return (("package", self.package),)

    def desired(self) -> Mapping[str, Any]:
        return {"package": self.package}

    def difference(self, facts: Facts) -> Difference | None:
        return None if self.package in facts.packages else Difference("create", "removed")


class User(Resource, frozen=True, kw_only=True):
    """A system user with a group of its own, no password, and no shell."""

    kind: ClassVar[str] = "user"

    user: str
    home: str
    shell: str = "/usr/sbin/nologin"

    @property
    def name(self) -> str:
        return self.user

    def questions(self) -> tuple[tuple[str, ...], ...]:
        return (("user", self.user),)

    def desired(self) -> Mapping[str, Any]:
        return {"user": self.user, "home": self.home, "shell": self.shell}

    def difference(self, facts: Facts) -> Difference | None:
        found = facts.users.get(self.user)
        if found is None:
            return Difference("create", "removed")
        home, _, shell = found.partition(":")
        pairs = (("home", home, self.home), ("shell", shell, self.shell))
        changes = tuple(AttributeChange(n, now, then) for n, now, then in pairs if now != then)
        if not changes:
            return None
        return Difference("update", ", ".join(c.name for c in changes) + " changed", changes)


class Secret(Resource, frozen=True, kw_only=True):
    """A random value made once, in the container, and kept: 48 hex digits in a file of its own.

    The value is made where it lives and never travels. noted: what counts from then on where
    somebody has put another value there; empty where what uses it shows that by itself.
    """

    kind: ClassVar[str] = "secret"

    path: str
    owner: str
    group: str
    mode: str = "0600"
    noted: str = ""

    @property
    def name(self) -> str:
        return self.path

    @property
    def sensitive(self) -> bool:
        return True

    def questions(self) -> tuple[tuple[str, ...], ...]:
        asked: tuple[tuple[str, ...], ...] = (("file", "-", self.path),)
        if self.noted:
            asked += (("probe", NOTED_SECRET, self.path),)
        return asked

    def desired(self) -> Mapping[str, Any]:
        return {
            "path": self.path,
            "owner": self.owner,
            "group": self.group,
            "mode": self.mode,
        }

    def difference(self, facts: Facts) -> Difference | None:
        fact = facts.files.get(self.path)
        if fact is None:
            return Difference("create", "removed")
        if fact.type != "file":
            change = AttributeChange("type", fact.type, "file")
            return Difference("replace", f"replaced by a {fact.type}", (change,))
        pairs = (
            ("mode", fact.mode, self.mode),
            ("owner", fact.owner, self.owner),
            ("group", fact.group, self.group),
        )
        changes = tuple(AttributeChange(n, now, then) for n, now, then in pairs if now != then)
        other = facts.probes.get((NOTED_SECRET, self.path)) == "differs"
        if other and fact.size:
            changes = (*changes, AttributeChange("from now on", None, self.noted))
        if other or fact.size == 0:
            return Difference("update", "edited", changes)
        if changes:
            return Difference("update", ", ".join(c.name for c in changes) + " changed", changes)
        return None


class Unit(Resource, frozen=True, kw_only=True):
    """A systemd unit that is enabled and active, and acts again when a trigger changed.

    on_change: how it takes changed files. revision: digest of what it must have been started
    with; the stamp in the container says what it was. health: waited for after every start.
    answers: what it is asked whether it answers, kind and arguments of the probe `answers`; passes:
    it passes on what others say, so that only no answer at all is its own fault.
    interrupts: what stops working while it is started anew. mounts: folders that its sandbox holds
    from its start on; where one is made anew, no reload finds the new one.
    """

    kind: ClassVar[str] = "unit"

    unit: str
    on_change: Literal["reload", "restart"] = "restart"
    revision: str = ""
    enabled: bool = True
    health: tuple[str, ...] = ()
    """Name of a health check and its arguments, empty for none."""
    answers: tuple[str, ...] = ()
    passes: bool = False
    interrupts: str = ""
    mounts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.unit

    def interrupted(self, difference: Difference, facts: Facts, fired: Sequence[str]) -> str:
        """What acting on it stops: nothing where it does not run, or only reads its files anew.

        fired: addresses of what changes and it takes up.
        """
        found = facts.units.get(self.unit)
        names = {change.name for change in difference.changes}
        anew = fired or names & {APPLIED_REVISION, HEALTH, OUTDATED} or difference.action == "run"
        running = found is not None and found.up
        # Its own unit file and drop-ins are taken up by no reload.
        own = (
            f"file:/etc/systemd/system/{self.unit}",
            "override:",
            *(f"directory:{one}" for one in self.mounts),
        )
        restarted = self.on_change == "restart" or HEALTH in names
        restarted = restarted or any(one.startswith(own) for one in fired)
        return self.interrupts if anew and running and restarted else ""

    def restarts(self, facts: Facts, changed: Collection[str]) -> bool:
        """Whether it runs, and what has changed would start it anew. changed: addresses."""
        found = facts.units.get(self.unit)
        if found is None or not found.up:
            return False
        if found.outdated:
            return True
        fired = any(trigger in changed for trigger in self.triggers)
        return fired or facts.texts.get(self.stamp) != self.revision

    @property
    def stamp(self) -> str:
        return f"{STAMPS}/{self.unit}"

    def questions(self) -> tuple[tuple[str, ...], ...]:
        asked: tuple[tuple[str, ...], ...] = (("unit", self.unit), ("text", self.stamp))
        if self.answers:
            asked += (("probe", "answers", self.unit, *self.answers),)
        return asked

    def desired(self) -> Mapping[str, Any]:
        return {"unit": self.unit, "revision": self.revision, "enabled": self.enabled}

    def _unwell(self, facts: Facts) -> str:
        found = facts.unwell((self.unit, *self.answers)) if self.answers else ""
        return "" if self.passes and found != NO_ANSWER else found

    def difference(self, facts: Facts) -> Difference | None:
        fact = facts.units.get(self.unit)
        if fact is None or fact.load == "not-found":
            change = AttributeChange("state", None, "active")
            return Difference("create", "removed", (change,))
        changes = []
        drift = ""
        if fact.load == "masked" or fact.file in ("masked", "masked-runtime"):
            changes.append(AttributeChange("state", "masked", "active"))
            drift = "masked"
        elif fact.active not in ("active", "reloading"):
            changes.append(AttributeChange("state", fact.active, "active"))
            drift = "failed" if fact.active == "failed" else "stopped"
        if self.enabled and drift != "masked" and not _enabled(fact):
            changes.append(AttributeChange("enabled", fact.file, "enabled"))
            drift = drift or "disabled"
        taken_up = facts.texts.get(self.stamp)
        behind = taken_up != self.revision
        # What is started anew for that anyway may be asked in vain for what it is to be.
        asked = fact.up and (self.on_change == "reload" or not behind)
        unwell = self._unwell(facts) if asked else ""
        if unwell:
            changes.append(AttributeChange(HEALTH, unwell, "well"))
            drift = drift or unwell
        because = ""
        if fact.up and fact.outdated:
            because = "" if changes or behind else outdated_because(fact.outdated)
            changes.append(AttributeChange(OUTDATED, "of before an update", "as installed"))
        if not changes:
            return Difference("run", "changed files not taken up yet") if behind else None
        if fact.active == "active" and behind:
            changes.append(AttributeChange(APPLIED_REVISION, "no", "yes"))
        action: Action = "update" if taken_up else "create"
        return Difference(action, drift, tuple(changes), because=because)


def outdated_because(packages: Sequence[str], of: str = "") -> str:
    """Why what runs is started anew. of: whose, where the entry is about something else."""
    return f"{of}{' ' * bool(of)}runs libraries that were updated since: {', '.join(packages)}"


class StoppedUnit(Resource, frozen=True, kw_only=True):
    """A systemd unit that is neither active nor enabled: the idle color, a service dropped."""

    kind: ClassVar[str] = "unit"

    unit: str

    @property
    def name(self) -> str:
        return self.unit

    def questions(self) -> tuple[tuple[str, ...], ...]:
        return (("unit", self.unit),)

    def desired(self) -> Mapping[str, Any]:
        return {"unit": self.unit, "active": False}

    def difference(self, facts: Facts) -> Difference | None:
        fact = facts.units.get(self.unit)
        if fact is None:
            return None
        changes = []
        if fact.active in ("active", "reloading", "activating"):
            changes.append(AttributeChange("state", fact.active, "stopped"))
        if fact.file == "enabled":
            changes.append(AttributeChange("enabled", "enabled", "disabled"))
        return Difference("delete", "started", tuple(changes)) if changes else None


class DaemonReload(Resource, frozen=True, kw_only=True):
    """systemd knows the unit files as they are on disk. of: whose, for those that this plan puts
    there or takes away; else all."""

    kind: ClassVar[str] = "systemd"

    of: str = ""

    @property
    def name(self) -> str:
        return f"unit-files-of-{self.of}" if self.of else "unit-files"

    def desired(self) -> Mapping[str, Any]:
        return {}

    def difference(self, facts: Facts) -> Difference | None:
        if self.of:
            return None
        # A masked unit counts as stale for as long as it has drop-ins; unmasking loads it anew.
        stale = any(unit.stale and unit.load != "masked" for unit in facts.units.values())
        return Difference("run", "unit files newer than what systemd has loaded") if stale else None


def _enabled(fact: UnitFact) -> bool:
    return fact.file in ("enabled", "enabled-runtime", "static", "alias", "indirect", "generated")


class Script(Resource, frozen=True, kw_only=True):
    """Something that a script of ours knows how to ask after and to bring about.

    The script is tasks/guest/scripts/<script>.sh: a function `probe` that prints a state, a
    function `apply`. `absent` is what certainly is not there, `unasked` what could not be asked.
    arguments never hold a secret; scripts read those from files. interrupts: what stops working
    while it is brought about.
    """

    kind: ClassVar[str] = "script"

    script: str
    title: str
    arguments: tuple[str, ...] = ()
    wanted: str = "present"
    timeout: float = 120
    interrupts: str = ""

    @property
    def name(self) -> str:
        return self.title

    @property
    def address(self) -> str:
        return f"{self.script}:{self.title}"

    @property
    def outside(self) -> bool:
        """Whether it is about a server outside of the container."""
        return self.script.startswith("external-")

    def questions(self) -> tuple[tuple[str, ...], ...]:
        return (("probe", self.script, *self.arguments),)

    def desired(self) -> Mapping[str, Any]:
        return {"script": self.script, "arguments": list(self.arguments), "wanted": self.wanted}

    def difference(self, facts: Facts) -> Difference | None:
        found = facts.probes.get((self.script, *self.arguments), "absent")
        if found == self.wanted:
            return None
        change = AttributeChange("state", found, self.wanted)
        drift = "could not be asked" if found == "unasked" else found
        action: Action = "create" if found == "absent" else "update"
        if self.wanted == "absent":
            return Difference("delete", drift)
        interrupts = "requests, for 2 to 4 s" if found == EXPOSED else self.interrupts
        return Difference(action, drift, (change,), interrupts=interrupts)

    def fired(self) -> Difference:
        """A server outside that has an administrator given takes another password at once."""
        alters = self.outside and self.arguments[ADMINISTRATOR] not in ((), ("-",))
        until = "requests that need a new connection to the database, until the other color serves"
        return Difference("run", "", interrupts=until if alters else self.interrupts)

    def emptied(self) -> Difference:
        """How a database without a table differs from one that was deployed."""
        return Difference("create", "emptied", (AttributeChange("state", "empty", self.wanted),))
