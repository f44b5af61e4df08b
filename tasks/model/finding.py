"""One thing that was looked at, and how it is: what `check` and the checks of a driver say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from msgspec import Struct

from tasks.errors import ConfigError, DeployError, ResourceError
from tasks.model.instance import Instance
from tasks.paths import Paths

Level = Literal["ok", "warning", "problem"]

MACHINE = "this machine"
"""Where a finding belongs that is about no single instance."""


class Finding(Struct, frozen=True):
    """where: instance id, or MACHINE. topic: what was looked at, one word or two.

    what: one line. hint: what to do, empty where all is well. exit_code: of a problem, as the
    apply that meets it would end with; 0 of everything else.
    """

    where: str
    topic: str
    level: Level
    what: str
    hint: str = ""
    exit_code: int = 0


class World(Struct, frozen=True):
    """What a concern may ask. commit: what the git branch has now, asked of the remote once for
    all; raises GitError or NetworkError, gives None where nothing is built from git."""

    instance: Instance
    paths: Paths
    commit: Callable[[], str | None]

    def ok(self, topic: str, what: str) -> Finding:
        return Finding(self.instance.id, topic, "ok", what)

    def warning(self, topic: str, what: str, hint: str) -> Finding:
        return Finding(self.instance.id, topic, "warning", what, hint)

    def problem(
        self, topic: str, what: str, hint: str, kind: type[DeployError] = ResourceError
    ) -> Finding:
        return Finding(self.instance.id, topic, "problem", what, hint, kind.exit_code)

    def failed(self, topic: str, error: DeployError) -> Finding:
        return from_error(self.instance.id, topic, error)


Concern = Callable[[World], Iterable[Finding]]
"""One thing to look at; an error that it raises is a finding, too."""


def from_error(where: str, topic: str, error: DeployError) -> Finding:
    """The problem that an apply would end with this error for."""
    what = f"{error.where}: {error.what}" if error.where not in ("", where) else error.what
    return Finding(where, topic, "problem", what, error.hint, error.exit_code)


def from_configuration(error: ConfigError) -> list[Finding]:
    """One finding a problem, in the order of the files."""
    return [
        Finding(MACHINE, "configuration", "problem", str(problem), problem.hint, error.exit_code)
        for problem in error.problems
    ]


def from_instances(instances: Sequence[Instance]) -> Finding:
    """What is to be said of a configuration without problems."""
    files = ", ".join(str(instance.source) for instance in instances)
    return Finding(MACHINE, "configuration", "ok", f"no problem in {files}")
