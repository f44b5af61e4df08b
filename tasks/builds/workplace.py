"""A place where build commands run: this machine or the builder container.

Both give the same few things, so that everything above them is written once: an unprivileged
user with a home that lasts (the caches), a tree that does not, and commands by argv.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import IO, Protocol

from msgspec import Struct

from tasks.errors import BuildError
from tasks.progress import Progress

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/go/bin"
STREAM_SECONDS = 1800.0
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


class Outcome(Struct, frozen=True):
    """A finished command. stderr: empty where it went along with stdout."""

    returncode: int
    stderr: bytes = b""


class Command(Struct, frozen=True):
    """What the build's user runs in a folder, with exactly this environment.

    timeout: seconds, then everything that it started is killed and BuildError raised. merge: its
    stderr goes to its stdout as well.
    """

    argv: Sequence[str]
    folder: str
    environment: Mapping[str, str]
    timeout: float
    merge: bool = True


class Workplace(Protocol):
    """One place. Its user owns `home` and `tree`, both absolute there, and nothing else."""

    name: str
    """For messages: `this machine` or the container's name."""
    home: str
    tree: str

    def provide(self, packages: Sequence[str], progress: Progress) -> bool:
        """Make Debian packages available; False where this place is not ours to change."""

    def execute(
        self, command: Command, *, stdout: IO[bytes], stdin: IO[bytes] | None = None
    ) -> Outcome:
        """Run it there. stdin, stdout: open files with a descriptor."""


GOFLAGS = "-modcacherw -buildvcs=false"
"""Without the first, Go's cache could not be tidied by who owns it."""


def environment(
    home: str, desired: Mapping[str, str], *, fetch: bool, tools: Sequence[str] = ()
) -> dict[str, str]:
    """The clean environment of a build: caches below home, nothing of the caller's.

    desired: the user's own variables, which win; their GOFLAGS go along with these. tools: folders
    before all others in PATH. fetch: whether Go may get itself a newer one.
    """
    cache = f"{home}/cache"
    values = {
        "HOME": home,
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "CI": "true",
        "GOPATH": f"{home}/go",
        "GOMODCACHE": f"{home}/go/pkg/mod",
        "GOCACHE": f"{cache}/go-build",
        "GOFLAGS": GOFLAGS,
        "GOTOOLCHAIN": "auto" if fetch else "local",
        "SSL_CERT_FILE": CERTIFICATES,
        "NODE_EXTRA_CA_CERTS": CERTIFICATES,
        "npm_config_cache": f"{cache}/npm",
        "npm_config_store_dir": f"{cache}/pnpm",
        "npm_config_update_notifier": "false",
        "npm_config_fund": "false",
        "npm_config_audit": "false",
        # Milliseconds without an answer; five minutes, three times over, by itself.
        "npm_config_fetch_timeout": "60000",
        "COREPACK_ENABLE_DOWNLOAD_PROMPT": "0",
        "PNPM_HOME": f"{home}/pnpm",
        # Browsers for tests, which no build needs: hundreds of megabytes from elsewhere.
        "PUPPETEER_SKIP_DOWNLOAD": "true",
        "CYPRESS_INSTALL_BINARY": "0",
    }
    values |= desired
    if desired.get("GOFLAGS"):
        # Of a flag that is given twice Go takes the last.
        values["GOFLAGS"] = f"{GOFLAGS} {desired['GOFLAGS']}"
    values["PATH"] = ":".join((*tools, desired.get("PATH", SYSTEM_PATH)))
    return values


def follow(workplace: Workplace, command: Command, on_line: Callable[[str], None]) -> int:
    """Run a command and hand over each line of its output as it comes; gives the exit code."""
    reading, writing = os.pipe()

    def read() -> None:
        with os.fdopen(reading, encoding="utf-8", errors="replace", newline="\n") as lines:
            for line in lines:
                on_line(CONTROL.sub("", line.rstrip("\n").split("\r")[-1]))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        with os.fdopen(writing, "wb") as output:
            return workplace.execute(command, stdout=output).returncode
    finally:
        reader.join()


def capture(
    workplace: Workplace, argv: Sequence[str], *, environment: Mapping[str, str], timeout: float
) -> tuple[int, str]:
    """Run a command in the home; its exit code and its whole output, errors included."""
    with tempfile.TemporaryFile() as output:
        command = Command(argv, workplace.home, environment, timeout)
        outcome = workplace.execute(command, stdout=output)
        output.seek(0)
        return outcome.returncode, output.read().decode(errors="replace")


@contextmanager
def piped(
    workplace: Workplace, argv: Sequence[str], *, folder: str, environment: Mapping[str, str]
) -> Iterator[IO[bytes]]:
    """The output of a command as a stream. BuildError where the command fails."""
    reading, writing = os.pipe()
    ended: Future[Outcome] = Future()

    def produce() -> None:
        try:
            with os.fdopen(writing, "wb") as output:
                command = Command(argv, folder, environment, STREAM_SECONDS, merge=False)
                ended.set_result(workplace.execute(command, stdout=output))
        except BaseException as error:
            ended.set_exception(error)

    producer = threading.Thread(target=produce, daemon=True)
    producer.start()
    try:
        with os.fdopen(reading, "rb") as stream:
            yield stream
            # A reader of tar stops at its end mark; what pads it must go somewhere.
            while stream.read(1 << 16):
                pass
    finally:
        producer.join()
    outcome = ended.result()
    if outcome.returncode:
        raise BuildError(
            f"{argv[0]} failed with exit code {outcome.returncode}",
            where=workplace.name,
            evidence=outcome.stderr.decode(errors="replace").splitlines()[-20:],
        )


def too_long(command: Command) -> BuildError:
    return BuildError(
        f"{command.argv[0]} was ended after {command.timeout:.0f} s",
        hint="if it needs longer, raise build.timeout_seconds",
    )
