"""The bytes of a configuration file and the text they hold."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from tasks.config.finding import Finding

LARGEST = 1024 * 1024
"""Bytes; what is larger is no configuration."""

_FORBIDDEN = "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
_FORBIDDEN_ASCII = "[^\t\n\r\x20-\x7e]"
"""The same of a text that is ASCII: compiled in a fraction of the time, which every plan pays."""


class Unreadable(Exception):
    """Carries the one finding that keeps a file from being read at all."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.what)
        self.finding = finding


def read(path: Path) -> bytes:
    """The file's bytes. Raises Unreadable (missing, a folder, no permission, too large)."""
    try:
        # A FIFO must not make the open wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - of a descriptor
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Unreadable(Finding((), "is no regular file"))
            data = file.read(LARGEST + 1)
    except IsADirectoryError:
        raise Unreadable(
            Finding((), "is a folder", "Give the folder itself with --config, or a file.")
        ) from None
    except OSError as error:
        raise Unreadable(Finding((), f"cannot be read: {error.strerror}")) from error
    if len(data) > LARGEST:
        raise Unreadable(Finding((), f"is larger than {LARGEST} bytes"))
    return data


def decode(data: bytes) -> str:
    """The text in UTF-8, without a byte order mark. Raises Unreadable with line and column."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        raise Unreadable(
            _at(before, "is not UTF-8", "Save the file in the encoding UTF-8.")
        ) from None
    if found := re.search(_FORBIDDEN_ASCII if text.isascii() else _FORBIDDEN, text):
        what = f"the control character U+{ord(found[0]):04X} is not allowed"
        raise Unreadable(_at(text[: found.start()], what, "Remove it."))
    return text


def _at(before: str, what: str, hint: str) -> Finding:
    line = before.count("\n") + 1
    column = len(before) - (before.rfind("\n") + 1) + 1
    return Finding((), f"column {column}: {what}", hint, line)
