"""The one way to run scripts of ours in a container: their texts, and what becomes of a failure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Literal

from msgspec import Struct

from tasks.containers.base import Container
from tasks.errors import DeployError, LockedError
from tasks.host.process import Completed

SCRIPTS = Path(__file__).with_name("scripts")

BEHIND = {
    "answers": ("given-addresses", "health"),
    "attachments": ("attachments-folder", "bucket"),
    "bucket-source": ("bucket",),
    "color-secrets": ("database-login",),
    "database-mysql": ("mysql-rows",),
    "external-mysql": ("database-login",),
    "external-postgresql": ("database-login",),
    "given-names": ("given-addresses",),
    "measure": ("attachments-folder", "health"),
    "mysql-database": ("database-login",),
    "postgresql-database": ("database-login",),
    "redis-passwords": ("database-login",),
    "retired-secrets": ("redis-passwords",),
    "self-signed-certificate": ("given-addresses",),
    "source-database": ("database-login", "mysql-rows"),
}
"""Scripts that are put behind others, whose functions they use."""

GUARD_SECONDS = 960
"""How long a script of a killed run is waited for; its guard gives up somewhat earlier."""
STILL_WORKING = 75
"""With which the guard gives up."""
INSTALL_TIMEOUT = 1800
UNIT_TIMEOUT = 300
"""Seconds that may pass until packages are there, and until units are as they should be."""


@cache
def script_text(name: str) -> str:
    """The text of one script of ours, by its name without ending, behind what it shares."""
    text = (SCRIPTS / f"{name}.sh").read_text()
    return "\n".join([*map(script_text, BEHIND.get(name, ())), text])


def function_name(script: str) -> str:
    return script.replace("-", "_")


Failure = Callable[[int, list[str]], DeployError]
"""What an exit code that is not 0 and the last lines that were said become."""


def run(
    container: Container,
    argv: Sequence[str],
    *,
    failure: Failure | None = None,
    stdin: bytes | IO[bytes] | None = None,
    stdout: IO[bytes] | None = None,
    timeout: float = UNIT_TIMEOUT,
) -> Completed:
    """Run a program in a container to its end. stdout: takes what it writes. timeout: seconds.

    Raises what failure makes of an exit code that is not 0; the container's own error where
    failure is None, it cannot be run, or takes longer.
    """
    completed = container.run(
        argv, stdin=stdin, stdout=stdout, timeout=timeout, check=failure is None
    )
    if failure is not None and completed.returncode != 0:
        raise failure(completed.returncode, last_lines(completed.stderr))
    return completed


class GuestScript(Struct, frozen=True):
    """Scripts of ours that run as one in a container.

    name: what it is called there. parts: their names, in order. call: a line behind them. guard:
    it waits for what changes something there already, and nothing else does beside it.
    """

    name: str
    parts: tuple[str, ...] = ()
    call: str = ""
    guard: bool = True
    shell: Literal["sh", "bash"] = "sh"

    @property
    def text(self) -> str:
        parts = ("guard", *self.parts) if self.guard else self.parts
        return "\n".join([*map(script_text, parts), *([self.call] if self.call else [])])

    def argv(self, *arguments: str) -> list[str]:
        return [self.shell, "-c", self.text, self.name, *arguments]

    def attempt(
        self,
        container: Container,
        *arguments: str,
        stdin: bytes | IO[bytes] | None = None,
        timeout: float = UNIT_TIMEOUT,
        frozen: bool = False,
    ) -> Completed:
        """Run it to its end, whatever that is. frozen: within a write freeze (see while_stopped).
        timeout: seconds. Raises the container's own error where it cannot be run, or takes longer.
        """
        argv = self.argv(*arguments)
        return container.run(
            while_stopped(argv) if frozen else argv, stdin=stdin, timeout=timeout, check=False
        )

    def run(
        self,
        container: Container,
        *arguments: str,
        failure: Failure | None = None,
        stdin: bytes | IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
        timeout: float = UNIT_TIMEOUT,
        frozen: bool = False,
    ) -> Completed:
        """Run it as `run` does. frozen: within a write freeze (see while_stopped)."""
        argv = self.argv(*arguments)
        return run(
            container,
            while_stopped(argv) if frozen else argv,
            failure=failure,
            stdin=stdin,
            stdout=stdout,
            timeout=timeout,
        )


def last_line_says(
    kind: type[DeployError], otherwise: str, *, where: str = "", hint: str = ""
) -> Failure:
    """The failure of a script whose last line says what went wrong. otherwise: where it says
    nothing."""

    def failure(_: int, lines: list[str]) -> DeployError:
        what = lines[-1] if lines else otherwise
        return kind(what, where=where, evidence=lines[:-1], hint=hint)

    return failure


LAND = GuestScript("land", ("kept-proxy", "land"))
"""Puts files in place. stdin: see tasks.resources.landing."""

LEFTOVERS = GuestScript("leftovers", ("leftovers",))
"""Waits for what is working, and tidies up after it."""


def wait_for_leftovers(container: Container) -> None:
    """Wait for what a killed run may have left working in a running container, and forget there
    what an older version left failed.

    Raises LockedError where that has no end.
    """

    def failure(code: int, lines: list[str]) -> DeployError:
        what = "what an earlier run left working in it does not end"
        if code != STILL_WORKING:
            what = "what an earlier run may have left working in it cannot be waited for"
        return LockedError(
            what,
            where=container.spec.name,
            evidence=lines,
            hint="Nothing was changed. Restart the container where it never ends; then run it "
            "again.",
        )

    LEFTOVERS.run(container, failure=failure, timeout=GUARD_SECONDS)


def while_stopped(argv: Sequence[str]) -> list[str]:
    """The same within a write-stop: it is refused (exit code 7) where that has been ended
    meanwhile, and ended by nobody while it runs."""
    return ["bash", "-c", script_text("while-stopped"), "while-stopped", *argv]


def last_lines(output: bytes) -> list[str]:
    """The last lines that a script said."""
    return output.decode(errors="replace").strip().splitlines()[-12:]
