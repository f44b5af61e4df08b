"""The application's own commands: by the program that serves, as its user, with its settings."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from msgspec import Struct

from tasks.containers.base import Container
from tasks.errors import DeployError, LockedError, ResourceError
from tasks.guest.runner import STILL_WORKING, GuestScript, last_lines, wait_for_leftovers
from tasks.guest.unit_words import unit_words, within_quotes
from tasks.model.holder import ourselves
from tasks.model.instance import COLORS, Color, Instance
from tasks.model.layout import environment
from tasks.model.lock import Lock
from tasks.model.operation_log import Log, LogName
from tasks.paths import Paths
from tasks.resources.observe import Question, observe
from tasks.resources.release import (
    GREEN_MARKER,
    active_color,
    binary,
    listening_port,
    release_file,
    released,
)
from tasks.status.guest_facts import WITH_CONTENT
from tasks.workflows.lifecycle import existing_container

APPLICATION = GuestScript("application", ("health", "application"))
END = GuestScript("application", ("health", "application"), guard=False)

NOT_SERVING = 7
"""With which the script ends where the program that serves is not the one that would run."""
ENDED = b"\nvikunja-deploy: ended "
COMMAND_SECONDS = 120.0
"""How long a command may take that nobody sits before."""


class Ran(Struct, frozen=True):
    """A command of the application that ended. code: its own exit code."""

    code: int
    output: bytes
    errors: bytes


class Program(Struct, frozen=True):
    """The program that serves. port: where it listens. version: of its release."""

    color: Color
    port: int
    version: str


class AtWork(Struct, frozen=True):
    """What serves, held against every other operation while commands of the application run."""

    instance: Instance
    container: Container
    program: Program
    log: Log

    def note(self, text: str) -> None:
        """Who does what, in the operation log; on the disk when this returns."""
        self.log.write("INFO", f"{ourselves()[2]}: {text}", sync=True)

    def run(
        self,
        words: Sequence[str],
        *,
        form: str = "plain",
        settings: Sequence[str] = (),
        stdin: bytes | IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
        timeout: float = COMMAND_SECONDS,
    ) -> Ran:
        """Run a command to its end. form: see application.sh. settings: lines of environment on
        top. Raises ResourceError where what serves is not the program, or not well; nothing has
        been run then."""
        argv = APPLICATION.argv(*command_arguments(self.program, words, form, settings))
        try:
            done = self.container.run(
                argv, stdin=stdin, stdout=stdout, timeout=timeout, check=False
            )
        except BaseException:
            # Its script was killed wherever it was: the command must not outlive it.
            END.attempt(self.container, "end")
            raise
        errors, ended, code = done.stderr.rpartition(ENDED)
        if not ended:
            raise _failure(self.instance.id, done.returncode, last_lines(done.stderr))
        return Ran(int(code), done.stdout, errors)


def command_arguments(
    program: Program, words: Sequence[str], form: str, settings: Sequence[str] = ()
) -> list[str]:
    """Of application.sh. Raises UsageError for words that no unit can hold."""
    quoted = unit_words(words) if form == "plain" else within_quotes(shlex.join(words))
    where = [program.color, str(program.port), program.version]
    return ["run", *where, form, quoted, *settings]


@contextmanager
def at_work(
    instance: Instance,
    paths: Paths,
    name: LogName,
    *,
    wait_seconds: float = 0,
    warn: Callable[[str], None],
) -> Iterator[AtWork]:
    """Hold an instance that serves. Raises LockedError while an operation is under way, and
    ResourceError where it does not serve: its data may be about to change then."""
    with Lock.acquire(paths, instance.id, name, wait_seconds, warn):
        container = existing_container(instance, paths)
        if not container.observe().running:
            raise _not_serving(instance.id, f"the container {container.spec.name} does not run")
        wait_for_leftovers(container)
        program = find_program(instance, container)
        yield AtWork(instance, container, program, Log(paths, instance.id, name))


def find_program(instance: Instance, container: Container) -> Program:
    """One round trip. Raises ResourceError where there is no whole release."""
    asked: list[Question] = [("file", "-", GREEN_MARKER)]
    for color in COLORS:
        asked += [("text", release_file(color)), ("file", "-", binary(color))]
        asked.append(("file", WITH_CONTENT, environment(color)))
    facts = observe(container, asked)
    color = active_color(facts)
    release = released(facts, color)
    if release is None:
        raise _not_serving(instance.id, f"there is no whole release in {color}")
    return Program(color, listening_port(facts, instance, color), release.version)


def _failure(where: str, code: int, lines: Sequence[str]) -> DeployError:
    if code == NOT_SERVING:
        return _not_serving(where, lines[-1] if lines else "it does not serve")
    if code == STILL_WORKING:
        what = "what an earlier run left working in the container does not end"
        return LockedError(what, where=where)
    return DeployError(
        "the application's command could not be run",
        where=where,
        evidence=lines,
        hint=f"Is the container's disk full? ./doit status {where}",
    )


def _not_serving(where: str, why: str) -> ResourceError:
    return ResourceError(
        f"the application's commands run only beside what serves: {why}",
        where=where,
        hint=f"They may change the database. First: ./doit start {where}; where that does not "
        f"help, ./doit status {where} says what does.",
    )
