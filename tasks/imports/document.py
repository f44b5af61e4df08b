"""The configuration that stands for an installation, with its secrets in files beside it: checked
as it would be read, and written whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Any

from tasks.config.load import load_data
from tasks.config.memo import Memo
from tasks.config.sample import commented
from tasks.errors import ConfigError, Problem
from tasks.host.files import make_folder, named, sync_folder, write_atomically
from tasks.imports.settings import Placed, Unplaced

_MOST_ROUNDS = 20

UNFINISHED = ".unfinished"
"""In the folder of secrets until the configuration that names them is there."""


def secrets_folder(output: Path) -> Path:
    """`config.secrets` beside `config.yaml`."""
    return output.with_name(f"{output.stem}.secrets")


def is_taken(output: Path) -> bool:
    """Whether there are secrets beside it that an import has finished, or somebody else made."""
    folder = secrets_folder(output)
    return folder.exists() and not (folder / UNFINISHED).exists()


def write_configuration(placed: Placed, output: Path, schema_path: str) -> tuple[str, ...]:
    """Write it, and the files of its secrets; names of those. What does not load is left out, and
    joins what could not be placed.

    Raises ConfigError where what is left cannot be read, DeployError where it cannot be written;
    nothing of it is there then.
    """
    folder = secrets_folder(output)
    with _aside(folder) as aside:
        files = _lay_secrets(placed, aside)
        _leave_out_what_is_wrong(placed, output, aside, files)
        used = {name: key for key, name in files.items() if key in placed.secrets}
        document = _with_files(placed, folder.name, files)
        text = commented(document, schema_path, placed.origins)
        _activate(aside, folder, used)
    write_atomically(output, text.encode())
    (folder / UNFINISHED).unlink(missing_ok=True)
    return tuple(sorted(used))


def file_name(key: str) -> str:
    """Of a key's secret: `vikunja.mailer.password_file` → `mailer-password`."""
    words = re.sub(r"\[(\d+)\]", r".\1", key).removeprefix("vikunja.")
    words = words.removeprefix("secret_files.").removeprefix("services.frontend.")
    words = words.removesuffix("_file").removeprefix("VIKUNJA_")
    return "service-secret" if words == "secret" else re.sub(r"[^a-z0-9]+", "-", words.lower())


@contextmanager
def _aside(folder: Path) -> Iterator[Path]:
    """An empty folder for its files until they are whole; what a killed run left goes."""
    aside = folder.with_name(f".{folder.name}.new")
    with named(aside, "cannot be made"):
        rmtree(aside, ignore_errors=True)
        make_folder(aside.parent)
        aside.mkdir(mode=0o700)
    try:
        yield aside
    finally:
        rmtree(aside, ignore_errors=True)


def _lay_secrets(placed: Placed, aside: Path) -> dict[str, str]:
    """Names of files by key."""
    files = {key: file_name(key) for key in placed.secrets}
    for key, name in files.items():
        write_atomically(aside / name, placed.secrets[key].reveal(), 0o600)
    return files


def _with_files(placed: Placed, folder: str, files: Mapping[str, str]) -> dict[str, Any]:
    """The document with the keys that name files."""
    document: dict[str, Any] = _copied(placed.document)
    for key in placed.secrets:
        _put(document, _steps(key), f"{folder}/{files[key]}")
    return document


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(inner) for name, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


def _steps(key: str) -> tuple[str | int, ...]:
    """`vikunja.auth.openid[0].client_secret_file`, step by step."""
    return tuple(
        int(index) if index else name for index, name in re.findall(r"\[(\d+)\]|([^.\[\]]+)", key)
    )


def _put(document: Any, key: tuple[str | int, ...], value: str) -> None:
    for part in key[:-1]:
        if isinstance(part, str) and part not in document:
            document[part] = {}
        document = document[part]
    document[key[-1]] = value


def _leave_out_what_is_wrong(
    placed: Placed, output: Path, aside: Path, files: Mapping[str, str]
) -> None:
    """Until it loads. What is wrong with a key that is not from the installation is raised."""
    for _ in range(_MOST_ROUNDS):
        document = _with_files(placed, aside.name, files)
        loaded = load_data(commented(document).encode(), output, Memo(None))
        if not loaded.problems:
            return
        for problem in loaded.problems:
            if not _left_out(placed, problem):
                raise ConfigError(loaded.problems)
    raise ConfigError(loaded.problems)


def _left_out(placed: Placed, problem: Problem) -> bool:
    """Take the key out, or the one that it stands in, where the installation has it."""
    key = problem.key
    while key and key not in placed.origins:
        key = re.sub(r"(\.[^.\[]+|\[\d+\])$", "", key) if re.search(r"[.\[]", key) else ""
    if key:
        origin = placed.origins[key]
        placed.unplaced.append(Unplaced(key, f"{problem.what} ({origin}).", problem.hint))
        _remove(placed, key)
        return True
    # What is missing takes what needs it along.
    section, _, name = problem.key.rpartition(".")
    needing = [one for one in placed.origins if one.startswith(f"{section}.")]
    if "." not in section or not needing:
        return False
    placed.unplaced.append(Unplaced(f"{section}.*", f"{name} {problem.what}."))
    for one in needing:
        _remove(placed, one)
    return True


def _remove(placed: Placed, key: str) -> None:
    for one in [
        one for one in placed.origins if one == key or one.startswith((f"{key}.", f"{key}["))
    ]:
        del placed.origins[one]
        placed.secrets.pop(one, None)
    *sections, name = _steps(key)
    inner: Any = placed.document
    for section in sections:
        inner = inner.get(section, {}) if isinstance(inner, dict) else {}
    if isinstance(inner, dict):
        inner.pop(name, None)


def _activate(aside: Path, folder: Path, used: Mapping[str, str]) -> None:
    """The files under their folder's name, each whole; others that are there stay."""
    if not used:
        return
    with named(folder, "cannot be written"):
        if folder.exists():
            for name in used:
                os.replace(aside / name, folder / name)  # noqa: PTH105 - Path.replace is the same
            sync_folder(folder)
        else:
            for path in list(aside.iterdir()):
                if path.name not in used:
                    path.unlink()
            (aside / UNFINISHED).touch(0o600)
            aside.rename(folder)
        sync_folder(folder.parent)
