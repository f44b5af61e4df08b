"""How every record on the host is written and read: whole or not at all.

A file is written aside in its own folder, fsynced, renamed onto its name, and the folder is
fsynced: a reader sees the old content or the new, and a kill or a power cut between any two of
these steps leaves the old one.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NoReturn

from tasks.errors import DeployError
from tasks.host.locks import locked, take


def write_atomically(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Make `path` hold exactly `data`, with `mode` whatever the umask; parents are created.

    Raises DeployError naming the file (disk full, no permission, a folder of that name …);
    the old content stands then.
    """
    with named(path, "cannot be written"):
        make_folder(path.parent)
        aside = path.with_name(f".{path.name}.new")
        # Its name is fixed, so that what a killed writer leaves is used by the next one and does
        # not pile up. Writers of the same file wait for each other on it.
        descriptor = take(aside)
        try:
            try:
                os.ftruncate(descriptor, 0)
                os.fchmod(descriptor, mode)
                write_all(descriptor, data)
                os.fsync(descriptor)
            except BaseException:
                aside.unlink()
                raise
            aside.rename(path)
        finally:
            os.close(descriptor)
        sync_folder(path.parent)


def write_json(path: Path, value: object, mode: int = 0o644) -> None:
    """Write `value` as indented JSON, keys in their given order, atomically."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(path, f"{text}\n".encode("utf-8", "backslashreplace"), mode)


def read_json(path: Path, hint: str = "") -> Any:
    """The JSON value in `path`; None where there is no such file.

    Raises DeployError naming file, line and column where it is not JSON; `hint` says what to do.
    """
    try:
        with named(path, "cannot be read"):
            data = path.read_bytes()
    except DeployError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise
    try:
        value = json.loads(data.decode(), parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise damaged(path, f"not JSON at {place}: {error.msg}", hint) from error
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"not JSON: {error}", hint) from error
    if value is None:
        raise damaged(path, "it holds nothing", hint)
    return value


def recalled(path: Path) -> Any:
    """The JSON value in `path`; None where the file is missing or damaged: what it says informs,
    and is made anew."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def texts(value: Any) -> dict[str, str]:
    """An object whose values are all text. TypeError where it is none."""
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise TypeError(value)
    return value


def text(value: Any) -> str:
    """TypeError where it is none."""
    if not isinstance(value, str):
        raise TypeError(value)
    return value


Check = Callable[[object], bool]


def check_record(record: object, checks: Mapping[str, Check]) -> str:
    """What is wrong with a record that must have exactly these fields; empty if nothing is."""
    if not isinstance(record, dict):
        return f"an object is expected, not {type(record).__name__}"
    problems = [f"{name} is missing" for name in checks if name not in record]
    problems += [f"{name} is no field of it" for name in record if name not in checks]
    problems += [
        f"{name} cannot be {record[name]!r}"
        for name, check in checks.items()
        if name in record and not check(record[name])
    ]
    return ", ".join(problems)


def damaged(path: Path, what: str, hint: str) -> DeployError:
    return DeployError(
        f"is damaged, {what}",
        where=str(path),
        hint=hint or f"Look at {path}; bring it back from a backup, or move it aside.",
    )


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold `path` (made where missing, never removed) locked against every other holder.

    Between threads and between processes; the kernel frees it when the holder dies.
    """
    with ExitStack() as stack:
        with named(path, "cannot be locked"):
            make_folder(path.parent)
            stack.enter_context(locked(path))
        yield


@contextmanager
def named(path: Path, what: str) -> Iterator[None]:
    """Turn an OSError into a DeployError that names the file and says what to do."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if isinstance(error, PermissionError):
            hint = "Run it as root."
        else:
            hint = f"Look at {path.parent}: is its disk full, read-only or not mounted?"
        raise DeployError(f"{what}: {reason}", where=str(path), hint=hint) from error


def make_folder(path: Path) -> None:
    """Create the folder and its parents so that they outlive a power cut."""
    if path.is_dir():
        return
    make_folder(path.parent)
    try:
        path.mkdir(mode=0o755)
    except FileExistsError:
        if not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes | bytearray | memoryview) -> None:
    """write(2) until everything is written: one call unless the disk fills or a pipe is slow."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")
