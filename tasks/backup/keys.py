"""Whom archives are made for, and what opens them, from the files that users name."""

from __future__ import annotations

from pathlib import Path

from tasks.age import Key, Lock, Passphrase, parse_identities, parse_recipient
from tasks.errors import UsageError
from tasks.host.files import named
from tasks.model.instance import Encrypt

_PRIVATE = "AGE-SECRET-KEY-"


def lock_of(desired: Encrypt) -> Lock | None:
    """What new archives are encrypted with; None where they are plain.

    Raises UsageError for a key with a mistake in it, DeployError for a file that cannot be read.
    """
    if desired.passphrase_file is not None:
        return _passphrase(desired.passphrase_file)
    try:
        return tuple(parse_recipient(text) for text in desired.recipients) or None
    except ValueError as error:
        raise UsageError(f"backup.encrypt.recipients: {error}") from error


def keys_of(desired: Encrypt | None, identity: Path | None) -> tuple[Key, ...]:
    """What opens archives: the file that the user names, else the configuration's passphrase.

    identity: private keys as age-keygen writes them, or a passphrase on one line.
    """
    if identity is None:
        file = desired.passphrase_file if desired else None
        return () if file is None else (_passphrase(file),)
    text = _text(identity)
    if not any(line.strip().upper().startswith(_PRIVATE) for line in text.splitlines()):
        return (_passphrase(identity),)
    try:
        return parse_identities(text)
    except ValueError as error:
        # Never the line itself.
        raise UsageError(
            "a line of it is no private key of age",
            where=str(identity),
            hint="Give a file as age-keygen writes it, or one with a passphrase on one line.",
        ) from error


def _passphrase(path: Path) -> Passphrase:
    lines = _text(path).strip("\r\n").splitlines()
    if len(lines) != 1 or not lines[0].strip():
        raise UsageError(
            "one line with a passphrase is expected in it",
            where=str(path),
            hint="Or private keys of age, as age-keygen writes them.",
        )
    return Passphrase(lines[0])


def _text(path: Path) -> str:
    with named(path, "cannot be read"):
        data = path.read_bytes()
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise UsageError("is no text", where=str(path)) from error
