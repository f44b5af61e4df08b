"""How every record on the host is written and read: whole or not at all.

A file is written aside in its own folder, fsynced, renamed onto its name, and the folder is
fsynced: a reader sees the old content or the new, and a kill or a power cut between any two of
these steps leaves the old one.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec

from tasks.conversion import convert
from tasks.errors import DeployError
from tasks.host.locks import locked, take

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)


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


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON, keys in their given order, atomically."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(path, f"{text}\n".encode("utf-8", "backslashreplace"))


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
        position = f"line {error.lineno} column {error.colno}"
        raise damaged(path, f"not JSON at {position}: {error.msg}", hint) from error
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"not JSON: {error}", hint) from error
    if value is None:
        raise damaged(path, "it holds nothing", hint)
    return value


def recalled(path: Path, kind: type[T]) -> T | None:
    """The JSON value in `path`; None where the file is missing, damaged or holds another kind of
    value: what it says informs, and is made anew."""
    try:
        return convert(json.loads(path.read_bytes()), kind)
    except (OSError, ValueError, RecursionError):
        return None


def read_record(path: Path, kind: type[S], hint: str = "") -> S | None:
    """The record in `path`; None where there is no such file. Raises DeployError as `read_json`,
    and where it is no such record: then it says all that is wrong with it."""
    value = read_json(path, hint)
    if value is None:
        return None
    try:
        return as_record(value, kind)
    except ValueError as error:
        raise damaged(path, str(error), hint) from error


def as_record(value: object, kind: type[S]) -> S:
    """A value of JSON as a record. Raises ValueError that says all that is wrong with it."""
    try:
        return convert(value, kind)
    except msgspec.ValidationError as error:
        raise ValueError(_problems(value, kind)) from error


def _problems(value: object, kind: type[msgspec.Struct]) -> str:
    if not isinstance(value, dict):
        return f"an object is expected, not {type(value).__name__}"
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    problems = [
        f"{name} is missing"
        for name, field in fields.items()
        if field.required and name not in value
    ]
    if kind.__struct_config__.forbid_unknown_fields:
        problems += [f"{name} is no field of it" for name in value if name not in fields]
    problems += [
        f"{name} cannot be {value[name]!r}"
        for name, field in fields.items()
        if name in value and not _fits(value[name], field.type)
    ]
    return ", ".join(problems)


def _fits(value: object, kind: Any) -> bool:
    try:
        convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


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
