"""The operation log of an instance: `[time] [level] [operation] message`, one line an event.

A line is one write(2) to a file opened for appending, so lines of several processes never mix
and a kill leaves whole lines. The file is opened for each line: after logrotate has renamed it,
the next line starts the new one. Reading follows the rotated files too.
"""

from __future__ import annotations

import os
import re
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, cast, get_args

from msgspec import Struct

from tasks.errors import CancelledError, DeployError
from tasks.host.files import make_folder, named, sync_folder, write_all
from tasks.model.redaction import masked, protected, redact
from tasks.paths import Paths

Level = Literal["DEBUG", "INFO", "WARN", "ERROR", "SUCCESS"]
LEVELS: tuple[Level, ...] = get_args(Level)

OperationName = Literal[
    "deploy",
    "update",
    "backup",
    "restore",
    "uninstall",
    "reconfigure",
    "rollback",
    "start",
    "stop",
    "restart",
    "drill",
    "import",
    "rebuild",
]
OPERATIONS: tuple[OperationName, ...] = get_args(OperationName)

LogName = Literal[OperationName, "user", "app"]
"""Who writes lines: operations, and commands of the application that somebody has run."""

NOUNS: dict[LogName, str] = {
    "deploy": "deployment",
    "update": "update",
    "backup": "backup",
    "restore": "restore",
    "uninstall": "removal",
    "reconfigure": "reconfiguration",
    "rollback": "rollback",
    "start": "startup",
    "stop": "shutdown",
    "restart": "restart",
    "drill": "restore drill",
    "import": "import",
    "rebuild": "rebuild",
    "user": "user command",
    "app": "application command",
}

_LINE = re.compile(
    r"\[(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d))\] "
    rf"\[(?P<level>{'|'.join(LEVELS)})\] "
    rf"\[(?P<operation>{'|'.join(NOUNS)})\] "
    r"(?P<message>.*)"
)


class LogEntry(Struct, frozen=True):
    """One event. time: with zone, whole seconds. message: as it was before escaping."""

    time: datetime
    level: Level
    operation: LogName
    message: str


def utc_now() -> datetime:
    """Now, in whole seconds, as every record has it."""
    return datetime.now(UTC).replace(microsecond=0)


def format_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_duration(seconds: float) -> str:
    """`0.4s`, `42s`, `5m 0s`, `2h 0m 5s`"""
    if seconds < 10:
        return f"{seconds:.1f}s".replace(".0s", "s")
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "m"), (rest, "s")]
    while not parts[0][0]:
        parts.pop(0)
    return " ".join(f"{count}{unit}" for count, unit in parts)


def escape(message: str) -> str:
    """The message in one line without control characters; backslashes are doubled."""
    return _SPECIAL.sub(_escaped, message)


def unescape(text: str) -> str:
    """What `escape` was given."""
    return re.sub(r"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|.)", _unescaped, text)


def format_entry(entry: LogEntry) -> str:
    """The entry's line, without a newline."""
    when = format_time(entry.time)
    return f"[{when}] [{entry.level}] [{entry.operation}] {escape(entry.message)}"


def parse_line(line: str) -> LogEntry | None:
    """The entry of a line; None where it is none, as what a power cut may leave."""
    found = _LINE.fullmatch(line.lstrip("\0"))
    if found is None:
        return None
    return LogEntry(
        time=datetime.fromisoformat(found["time"]).astimezone(UTC).replace(microsecond=0),
        level=cast(Level, found["level"]),
        operation=cast(LogName, found["operation"]),
        message=unescape(found["message"]),
    )


def append(paths: Paths, instance_id: str, entry: LogEntry, sync: bool = False) -> None:
    """Add the entry's line, secrets masked. sync: it is on the disk when this returns."""
    path = paths.log(instance_id)
    message = masked(redact(entry.message, protected()))
    data = f"{format_entry(LogEntry(entry.time, entry.level, entry.operation, message))}\n".encode()
    with named(path, "cannot be written"):
        make_folder(path.parent)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o640)
        try:
            size = os.fstat(descriptor).st_size
            # A full disk may have cut the last line; this one must not become its tail.
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                data = b"\n" + data
            write_all(descriptor, data)
            if sync:
                os.fsync(descriptor)
                if not size:
                    sync_folder(path.parent)
        finally:
            os.close(descriptor)


def read_entries(paths: Paths, instance_id: str) -> Iterator[LogEntry]:
    """All entries, oldest first, from the rotated files too. Lines that are none are left out.

    Raises DeployError naming a file that cannot be read.
    """
    for path in _files(paths.log(instance_id)):
        for line in _lines(path):
            entry = parse_line(line)
            if entry is not None:
                yield entry


class Log(Struct, frozen=True):
    """Where one operation of one instance writes its events."""

    paths: Paths
    instance_id: str
    operation: LogName

    def write(self, level: Level, message: str, sync: bool = False) -> None:
        entry = LogEntry(utc_now(), level, self.operation, message)
        append(self.paths, self.instance_id, entry, sync)

    def debug(self, message: str) -> None:
        self.write("DEBUG", message)

    def info(self, message: str) -> None:
        self.write("INFO", message)

    def warn(self, message: str) -> None:
        self.write("WARN", message)

    def error(self, message: str) -> None:
        self.write("ERROR", message)


@contextmanager
def operation(paths: Paths, instance_id: str, name: OperationName) -> Iterator[Log]:
    """Bracket an operation: a start line, and at the end SUCCESS or ERROR with the duration.

    The error's exit code and its one line stand in the ERROR line, its evidence before it.
    """
    log = Log(paths, instance_id, name)
    begun = time.monotonic()
    log.write("INFO", start_message(name, instance_id), sync=True)
    try:
        yield log
    except BaseException as error:
        try:
            log_failure(log, error, time.monotonic() - begun)
        except DeployError as unwritten:
            # The operation's own error is the one to show.
            error.add_note(str(unwritten))
        raise
    log.write("SUCCESS", success_message(name, time.monotonic() - begun), sync=True)


def log_failure(log: Log, error: BaseException, seconds: float) -> None:
    """The error's evidence, and the ERROR line that ends the operation."""
    for line in getattr(error, "evidence", ()):
        log.debug(f"| {line}")
    log.write("ERROR", failure_message(log.operation, error, seconds), sync=True)


def start_message(name: OperationName, instance_id: str) -> str:
    return f"Starting {NOUNS[name]} of {instance_id}"


def success_message(name: OperationName, seconds: float) -> str:
    return f"{NOUNS[name].capitalize()} completed in {format_duration(seconds)}"


def failure_message(name: LogName, error: BaseException, seconds: float) -> str:
    code = exit_code(error)
    verb = "cancelled" if code == CancelledError.exit_code else "failed"
    reason = str(error) if isinstance(error, DeployError) else repr(error)
    return (
        f"{NOUNS[name].capitalize()} {verb} after {format_duration(seconds)} "
        f"with exit code {code}: {reason}"
    )


def exit_code(error: BaseException) -> int:
    """What the process will end with for this error."""
    if isinstance(error, DeployError):
        return error.exit_code
    return CancelledError.exit_code if isinstance(error, KeyboardInterrupt) else 1


_NAMED_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_NAMED_UNESCAPES = {escaped[1]: plain for plain, escaped in _NAMED_ESCAPES.items()}


# Controls, lone surrogates, and what some viewers take for the end of a line.
_SPECIAL = re.compile("[\\\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def _escaped(found: re.Match[str]) -> str:
    if found[0] in _NAMED_ESCAPES:
        return _NAMED_ESCAPES[found[0]]
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"


def _unescaped(found: re.Match[str]) -> str:
    code = found[1]
    if len(code) > 1:
        return chr(int(code[1:], 16))
    return _NAMED_UNESCAPES.get(code, found[0])


def _files(log: Path) -> list[Path]:
    """The log and its rotated files, oldest first."""
    rotated: dict[int, Path] = {}
    pattern = re.compile(re.escape(log.name) + r"\.(\d+)(\.gz)?")
    with named(log.parent, "cannot be read"):
        names = sorted(path.name for path in log.parent.iterdir()) if log.parent.is_dir() else []
    for name in names:
        if found := pattern.fullmatch(name):
            # While gzip is at work both are there, and only the plain one is whole.
            rotated.setdefault(int(found[1]), log.with_name(name))
    files = [rotated[number] for number in sorted(rotated, reverse=True)]
    return [*files, log] if log.name in names else files


def _lines(path: Path) -> Iterator[str]:
    import gzip

    with named(path, "cannot be read"):
        try:
            with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
                for line in file:
                    yield line.decode("utf-8", "replace").rstrip("\n")
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DeployError(
                f"is damaged: {error}",
                where=str(path),
                hint=f"Move {path} aside; the other log files are read without it.",
            ) from error
