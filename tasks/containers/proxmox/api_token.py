"""The API token of a Proxmox VE in its file, and the fingerprint of its certificate."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from msgspec import Struct

from tasks.errors import UsageError
from tasks.secret import Secret

TOKEN = re.compile(r"(?P<user>[^\s:/!=]+@[A-Za-z][\w.-]+)!(?P<name>[A-Za-z][\w.-]+)=(?P<value>\S+)")
FINGERPRINT = re.compile(r"[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){31}")


class Token(Struct, frozen=True):
    """user: with realm."""

    user: str
    name: str
    value: Secret[str]


def parse_token(text: str) -> Token | None:
    """The token of a line `USER@REALM!NAME=VALUE`, None where it is none."""
    match = TOKEN.fullmatch(text.strip())
    return Token(match["user"], match["name"], Secret(match["value"])) if match else None


def read_token(file: Path) -> Token:
    """The API token of a file that only its owner, this user or root, can read.

    The file holds one line, `USER@REALM!NAME=VALUE`. UsageError where it does not, cannot be
    read, or others can read it; the error never holds what the file does.
    """
    where = str(file)
    try:
        with file.open(encoding="utf-8") as opened:
            status = os.fstat(opened.fileno())
            text = opened.read(4096)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(
            f"the API token's file cannot be read: {reason}",
            where=where,
            hint="write USER@REALM!NAME=VALUE into it, as `pveum user token add` shows them",
        ) from None
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(
            f"others can read the API token: mode {stat.S_IMODE(status.st_mode):04o}",
            where=where,
            hint=f"chmod 600 {file}",
        )
    if status.st_uid not in (0, os.geteuid()):
        raise UsageError(
            f"the API token's file belongs to user id {status.st_uid}",
            where=where,
            hint=f"chown root {file}",
        )
    token = parse_token(text)
    if token is None:
        raise UsageError(
            "the API token's file does not hold USER@REALM!NAME=VALUE",
            where=where,
            hint="`pveum user token add` shows full-tokenid and value: join them with =",
        )
    return token


def parse_fingerprint(text: str) -> str:
    """64 hexadecimal digits of a SHA-256 fingerprint, with or without colons; else UsageError."""
    if not FINGERPRINT.fullmatch(text.strip()):
        raise UsageError(
            "not a SHA-256 fingerprint: 32 bytes in hexadecimal digits",
            where=text,
            hint="`pvenode cert info` on the node shows it",
        )
    return text.strip().replace(":", "").lower()
